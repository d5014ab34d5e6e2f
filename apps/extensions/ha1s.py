"""HA1s as they are kept: lower-case hex, or sealed under a key of the site with AES-256-GCM (RFC 7616 §5.2, C98).

A sealed HA1 names its key and opens at its place only: another credential's row, another algorithm's column and a
changed byte are refused. Must not read settings or the database.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.extensions.site_keys import Moved, SiteKeys, UnknownKey
from apps.extensions.site_keys import key_id_of as key_id_of
from apps.sip.digest import Algorithm

COLUMNS: Final[dict[Algorithm, str]] = {
    Algorithm.MD5: "ha1_md5",
    Algorithm.SHA256: "ha1_sha256",
    Algorithm.SHA512_256: "ha1_sha512_256",
}
LONGEST: Final = 96

# What the columns may hold; the lengths follow from 16 and 32 bytes with 28 of nonce and tag.
MD5_PATTERN: Final = r"^([0-9a-f]{32}|s1[.][0-9a-f]{8}[.][A-Za-z0-9+/]{59}=)$"
SHA_PATTERN: Final = r"^([0-9a-f]{64}|s1[.][0-9a-f]{8}[.][A-Za-z0-9+/]{80})$"


class CannotOpen(Exception):  # noqa: N818 - says what happened
    """Our fault, never the phone's: the key is missing, or the value is not where it was sealed. In one line."""


def place_of(credential_id: UUID, peer_id: UUID, username: str) -> bytes:
    """Where a credential's HA1s belong. None of it changes while the credential lives."""
    return credential_id.bytes + peer_id.bytes + username.encode()


class Ha1Keys(SiteKeys):
    """The site's keys for HA1s. Without any, they are kept in clear hex."""

    def seal(self, ha1: str, algorithm: Algorithm, place: bytes) -> str:
        """What to keep for an HA1 in hex."""
        if self.newest is None:
            return ha1
        return self.seal_bytes(bytes.fromhex(ha1), _bound(algorithm, place))

    def open(self, kept: str, algorithm: Algorithm, place: bytes) -> str:
        """The HA1 in hex. Raises CannotOpen."""
        if key_id_of(kept) is None:
            return kept
        try:
            return self.open_bytes(kept, _bound(algorithm, place)).hex()
        except UnknownKey as missing:
            why = f"a password hash is encrypted under key {missing}, which is not configured"
        except Moved:
            why = f"the password hash of credential {UUID(bytes=place[:16])} was changed or moved"
        raise CannotOpen(why)


@dataclass(frozen=True, slots=True)
class KeptHa1s:
    """The HA1s of one credential as its row holds them."""

    place: bytes
    kept: Mapping[Algorithm, str]


def sealed_for(ha1_keys: Ha1Keys, ha1s: Mapping[Algorithm, str], place: bytes) -> KeptHa1s:
    return KeptHa1s(
        place, {algorithm: ha1_keys.seal(ha1, algorithm, place) for algorithm, ha1 in ha1s.items()}
    )


class OpenedHa1s(Mapping[Algorithm, tuple[str | None, ...]]):
    """HA1s of several credentials by algorithm, opened when asked for: a request needs one of the three.

    None stands for one that cannot be opened, which `trouble` then hears of."""

    def __init__(
        self, ha1_keys: Ha1Keys, credentials: Sequence[KeptHa1s], trouble: Callable[[CannotOpen], None]
    ) -> None:
        self._ha1_keys, self._credentials, self._trouble = ha1_keys, credentials, trouble

    def __getitem__(self, algorithm: Algorithm) -> tuple[str | None, ...]:
        return tuple(self._opened(credential, algorithm) for credential in self._credentials)

    def __iter__(self) -> Iterator[Algorithm]:
        return iter(COLUMNS)

    def __len__(self) -> int:
        return len(COLUMNS)

    def _opened(self, credential: KeptHa1s, algorithm: Algorithm) -> str | None:
        try:
            return self._ha1_keys.open(credential.kept[algorithm], algorithm, credential.place)
        except CannotOpen as cannot:
            self._trouble(cannot)
            return None


def _bound(algorithm: Algorithm, place: bytes) -> bytes:
    return algorithm.encode() + b":" + place
