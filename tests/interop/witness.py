"""The database as the witness: whatever a client says, this is what the registrar holds."""

import time
from collections.abc import Callable
from itertools import count

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import domain_create, domain_update, extension_create
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import EventKind
from tests.interop.contract import SHORTEST_EXPIRES_S, Login

PASSWORD = "Tr0ub4dor-3x"


SEEN_WITHIN_S = 8.0
ORDERS = {"MD5": "md5_only", "SHA-256": "sha256_only"}

_numbers = count(2001)


class Witness:
    def __init__(self, domain_name: str) -> None:
        self.actor = Actor.of_command("interop")
        known = Domain.objects.filter(name=domain_name).first()
        self.domain: Domain = known or domain_create(name=domain_name, actor=self.actor)

    def offer(self, algorithm: str) -> None:
        """The challenges of the domain carry this algorithm and no other."""
        self.domain = domain_update(
            domain=self.domain,
            actor=self.actor,
            digest_order=ORDERS[algorithm],
            min_expires_s=SHORTEST_EXPIRES_S,
        )

    def new_login(self) -> Login:
        number = str(next(_numbers))
        extension_create(domain=self.domain, number=number, password=PASSWORD, actor=self.actor)
        return Login(number, PASSWORD)

    def bindings(self, login: Login) -> list[Binding]:
        return list(Binding.objects.filter(peer__name=login.username))

    def refreshes(self, login: Login) -> int:
        return sum(binding.refresh_count for binding in self.bindings(login))

    def refusals(self, login: Login) -> set[str]:
        events = RegistrationEvent.objects.filter(
            aor__startswith=f"sip:{login.username}@", event=EventKind.REFUSED
        )
        return set(events.values_list("reason", flat=True))


def comes_true(condition: Callable[[], object], within_s: float = SEEN_WITHIN_S) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
