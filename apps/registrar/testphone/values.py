"""Who is tested, where. Pure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a test needs but the password. address_user: under which name it registers; server: where."""

    peer_id: UUID
    peer_name: str
    username: str
    domain: str
    server: tuple[str, int]
    least_expires_s: int
    max_contacts: int
    enabled: bool
