"""Two telephones and one call after the other; then an extension with a telephone of each maker."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.calls.contract import PATIENT_S, Maker, Sign, Telephone
from tests.interop.contract import Login, Server
from tests.interop.witness import Witness, comes_true

DONE = "yes"
GIVES_UP_AFTER_S = 4
# Each maker spells a refusal its own way; the status, where it says one, is first.
REFUSED = ("486", "603", "480", "busy", "declined", "refused")
Step = Callable[[], str | None]


@dataclass(slots=True)
class CallRow:
    """`steps`: "yes", or "no: …" with what went wrong, or "-: …" with why it cannot be tried here. ring_ms: from the
    word to dial until the called telephone rings, of each call."""

    case: str
    transport: str
    steps: dict[str, str] = field(default_factory=dict)
    ring_ms: list[float] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(result.startswith("no") for result in self.steps.values())

    def attempt(self, name: str, step: Step) -> bool:
        try:
            problem = step()
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        self.steps[name] = DONE if problem is None else f"no: {problem}"
        return problem is None

    def broke(self, error: Exception, *expected: str) -> None:
        """A client could not be started or stopped: the first step that was not tried says so, else the last."""
        name = next((name for name in expected if name not in self.steps), expected[-1])
        self.steps[name] = f"no: {type(error).__name__}: {error}"


@contextmanager
def registered(
    maker: Maker,
    server: Server,
    witness: Witness,
    transport: str,
    login: Login | None = None,
    rings_s: int = PATIENT_S,
) -> Iterator[Telephone]:
    """A telephone of an extension, one of its own unless told; the database holds its binding."""
    login = login or witness.new_login()
    before = len(witness.bindings(login))
    with (
        tempfile.TemporaryDirectory(prefix="interop-") as folder,
        maker.telephone(server, transport, login, Path(folder), rings_s) as telephone,
    ):
        telephone.register()
        assert comes_true(lambda: len(witness.bindings(login)) > before), (
            f"{maker.name} did not register; refusals: {sorted(witness.refusals(login))}"
        )
        yield telephone


PAIR_STEPS = ("caller hangs up", "called hangs up", "called back", "refused", "given up", "not answered")


def run_pair(
    caller: Maker,
    called: Maker,
    server: Server,
    witness: Witness,
    transport: str,
    steps: Sequence[str] = PAIR_STEPS,
) -> CallRow:
    """One calls the other, once a step. Never raises for what a client does: it is in the row."""
    row = CallRow(f"{caller.name} calls {called.name}", transport)
    if reason := caller.missing() or called.missing():
        row.steps = dict.fromkeys(steps, f"-: {reason}")
        return row
    witness.offer("MD5")
    try:
        with (
            registered(caller, server, witness, transport) as ann,
            registered(called, server, witness, transport, rings_s=GIVES_UP_AFTER_S) as bob,
        ):
            _run_steps(row, steps, ann, bob)
    except Exception as error:
        row.broke(error, *steps)
    return row


def _run_steps(row: CallRow, steps: Sequence[str], ann: Telephone, bob: Telephone) -> None:
    endings: Mapping[str, Step] = {
        "caller hangs up": lambda: ring(row, ann, bob) or talk(ann, bob) or end(ann, bob),
        "called hangs up": lambda: ring(row, ann, bob) or talk(ann, bob) or end(bob, ann),
        "called back": lambda: ring(row, bob, ann) or talk(bob, ann) or end(bob, ann),
        "refused": lambda: ring(row, ann, bob) or refuse(ann, bob),
        "given up": lambda: ring(row, ann, bob) or end(ann, bob),
        "not answered": lambda: ring(row, ann, bob) or refused(ann, bob),
    }
    for name in steps:
        if not row.attempt(name, endings[name]):
            return


def ring(row: CallRow, caller: Telephone, *called: Telephone) -> str | None:
    """All of one extension ring, and the caller is told so."""
    began_s = dial(caller, called[0].login.username)
    for number, telephone in enumerate(called, 1):
        rung = telephone.sees(Sign.RUNG, Sign.TALKING)
        if rung is None or rung.sign is not Sign.RUNG:
            return f"telephone {number} of {len(called)} does not ring"
        row.ring_ms.append((rung.at_s - began_s) * 1000)
    return None if caller.sees(Sign.RINGING) else "the caller does not hear that it rings"


def dial(caller: Telephone, number: str) -> float:
    caller.dial(number)
    return time.monotonic()


def talk(caller: Telephone, called: Telephone) -> str | None:
    called.answer()
    for side, telephone in (("caller", caller), ("called", called)):
        found = telephone.sees(Sign.TALKING, Sign.ENDED)
        if found is None or found.sign is not Sign.TALKING:
            return f"the {side} is not in the call: {found.words if found else 'it sees nothing'}"
    return None


def end(who: Telephone, other: Telephone) -> str | None:
    who.hang_up()
    return ended(who, other)


def ended(*telephones: Telephone) -> str | None:
    left = [one.login.username for one in telephones if one.sees(Sign.ENDED) is None]
    return f"the call goes on at {' and '.join(left)}" if left else None


def refuse(caller: Telephone, called: Telephone) -> str | None:
    called.decline()
    return refused(caller, called)


def refused(caller: Telephone, *called: Telephone) -> str | None:
    """All of them are idle again, and the caller is told why."""
    told = caller.sees(Sign.ENDED, Sign.TALKING)
    if told is None or told.sign is not Sign.ENDED:
        return "the caller hears no end"
    if not any(word in told.words.lower() for word in REFUSED):
        return f"the caller is told {told.words!r}"
    return ended(*called)
