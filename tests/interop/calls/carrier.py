"""SIPp as a carrier: calls from its address ring a telephone, the same calls from the address beside it are refused."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from apps.extensions.models import Peer
from apps.extensions.services import peer_delete, trunk_create
from apps.registrar.models import Stranger
from apps.trunks.findings import RefusalState
from apps.trunks.services import trunk_numbers_put, trusted_address_add
from apps.trunks.sightings import CallRefusal
from apps.trunks.status import status_of
from tests.interop.calls.cases import CallRow, ended, registered
from tests.interop.calls.contract import SEEN_WITHIN_S, Maker, Sign, Telephone
from tests.interop.clients.sipp import MODES, SCENARIOS, Sipp
from tests.interop.contract import Server
from tests.interop.witness import Witness, comes_true

TRUSTED, NEIGHBOUR = "127.0.0.2", "127.0.0.3"
PREFIX = "+4930"
NOBODYS = "+499"
STEPS_WITHIN_S = 20


@dataclass(frozen=True, slots=True)
class Carrier:
    """One gateway at an address of its own."""

    server: Server
    transport: str

    @contextmanager
    def plays(self, scenario: str, source: str, number: str) -> Iterator["subprocess.Popen[bytes]"]:
        with tempfile.TemporaryDirectory(prefix="interop-") as folder:
            process = subprocess.Popen(
                [
                    *("sipp", self.server.address, "-sf", str(SCENARIOS / f"carrier_{scenario}.xml")),
                    *("-i", source, "-t", MODES[self.transport], "-s", number, "-m", "1", "-nostdin"),
                    *("-timeout", str(STEPS_WITHIN_S), "-timeout_error", "-recv_timeout", "8000"),
                ],
                cwd=Path(folder),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def heard(self, scenario: str, source: str, number: str) -> bool:
        """Whether all of the scenario came about."""
        with self.plays(scenario, source, number) as process:
            return process.wait(STEPS_WITHIN_S) == 0


@transaction.atomic
def carrier_trunk(witness: Witness, telephone: Telephone) -> Peer:
    """A trunk of the telephone's domain, trusted from one address, with one number for the telephone: all at once."""
    number = telephone.login.username
    trunk = trunk_create(domain=witness.domain, name=f"carrier-{number}", actor=witness.actor)
    trusted_address_add(trunk=trunk, network=TRUSTED, actor=witness.actor)
    trunk_numbers_put(trunk=trunk, numbers=[(PREFIX + number, number)], actor=witness.actor)
    return trunk


def run_carrier(maker: Maker, server: Server, witness: Witness, transport: str) -> CallRow:
    """Never raises for what a client does: it is in the row."""
    row = CallRow(f"SIPp as a carrier calls {maker.name}", transport)
    if reason := Sipp().missing() or maker.missing():
        row.steps = {"it rings": f"-: {reason}"}
        return row
    witness.offer("MD5")
    try:
        with registered(maker, server, witness, transport) as telephone:
            trunk = carrier_trunk(witness, telephone)
            carrier = Carrier(server, transport)
            try:
                _run_steps(row, carrier, trunk, telephone, maker.declines_with)
            finally:
                peer_delete(peer=trunk, actor=witness.actor)
                row.attempt("the trunk is removed: 403", lambda: forbidden(carrier, TRUSTED))
    except Exception as error:
        row.broke(error, "it registers and ends")
    return row


def _run_steps(row: CallRow, carrier: Carrier, trunk: Peer, telephone: Telephone, declines_with: int) -> None:
    number = PREFIX + telephone.login.username
    steps: dict[str, Callable[[], str | None]] = {
        "the number is nobody's: 404": lambda: unknown(carrier),
        "it rings, is answered, and the carrier hangs up": lambda: called(
            carrier, number, telephone, "hangs_up", answered
        ),
        "it rings, is answered, and the telephone hangs up": lambda: called(
            carrier, number, telephone, "is_hung_up", hung_up
        ),
        f"it declines: {declines_with}": lambda: called(
            carrier, number, telephone, f"hears_{declines_with}", declined
        ),
        "the carrier gives up, and it rings no more": lambda: called(
            carrier, number, telephone, "gives_up", lambda _: None
        ),
        f"the same call from {NEIGHBOUR}: 403, and it does not ring": lambda: neighbour(
            carrier, number, telephone
        ),
        "the console says so, and the trunk's page": lambda: shown(trunk),
    }
    for name, step in steps.items():
        if not row.attempt(name, step):
            return


def unknown(carrier: Carrier) -> str | None:
    """Tried again while the trunk is new to the call process."""
    return None if comes_true(lambda: carrier.heard("hears_404", TRUSTED, NOBODYS)) else "no 404 came"


def forbidden(carrier: Carrier, source: str, number: str = NOBODYS) -> str | None:
    """Tried again while the trunk's end is new to the call process."""
    return None if comes_true(lambda: carrier.heard("hears_403", source, number)) else "no 403 came"


def called(
    carrier: Carrier,
    number: str,
    telephone: Telephone,
    scenario: str,
    does: Callable[[Telephone], str | None],
) -> str | None:
    with carrier.plays(scenario, TRUSTED, number) as process:
        if telephone.sees(Sign.RUNG) is None:
            return "it does not ring"
        if problem := does(telephone) or ended(telephone):
            return problem
        status = process.wait(STEPS_WITHIN_S)
        return None if status == 0 else "the carrier saw something else"


def answered(telephone: Telephone) -> str | None:
    telephone.answer()
    return None if telephone.sees(Sign.TALKING) else "it is not in the call"


def hung_up(telephone: Telephone) -> str | None:
    problem = answered(telephone)
    telephone.hang_up()
    return problem


def declined(telephone: Telephone) -> str | None:
    telephone.decline()
    return None


def neighbour(carrier: Carrier, number: str, telephone: Telephone) -> str | None:
    if problem := forbidden(carrier, NEIGHBOUR, number):
        return problem
    return "it rang" if telephone.sees(Sign.RUNG, within_s=0.3) else None


def shown(trunk: Peer) -> str | None:
    """Among the unknown attempts, and among the refused calls of the trunk's neighbourhood."""

    def attempt() -> bool:
        return Stranger.objects.filter(received_addr=NEIGHBOUR, reason=CallRefusal.NOT_TRUSTED).exists()

    if not comes_true(attempt, SEEN_WITHIN_S):
        return "no unknown attempt"
    refusals = [(one.host, one.status, one.state) for one in status_of(trunk).facts.refusals]
    return None if (NEIGHBOUR, 403, RefusalState.OUTSIDE) in refusals else f"the trunk's page has {refusals}"
