"""One extension, a telephone of each maker: all ring, one gets the call."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from tests.interop.calls.cases import CallRow, Step, end, ended, refuse, registered, ring, talk
from tests.interop.calls.contract import Maker, Telephone
from tests.interop.contract import Server
from tests.interop.witness import Witness

CASE = "three devices of an extension"


def run_devices(
    caller: Maker, makers: Sequence[Maker], server: Server, witness: Witness, transport: str
) -> CallRow:
    """Each of them answers once, then each refuses once. Never raises for what a client does: it is in the row."""
    row = CallRow(f"{CASE}: {', '.join(maker.name for maker in makers)}", transport)
    if reasons := [reason for maker in (caller, *makers) if (reason := maker.missing())]:
        row.steps = {"all ring": f"-: {reasons[0]}"}
        return row
    witness.offer("MD5")
    try:
        with ExitStack() as stack:
            ann = stack.enter_context(registered(caller, server, witness, transport))
            login = witness.new_login()
            devices = [
                stack.enter_context(registered(maker, server, witness, transport, login)) for maker in makers
            ]
            _run_steps(row, ann, makers, devices)
    except Exception as error:
        row.broke(error, "all register and end")
    return row


def _run_steps(row: CallRow, ann: Telephone, makers: Sequence[Maker], devices: Sequence[Telephone]) -> None:
    def step(name: str, what: Step) -> bool:
        return row.attempt(name, lambda: ring(row, ann, *devices) or what())

    for maker, device in zip(makers, devices, strict=True):
        if not step(f"{maker.name} answers", partial(answered, ann, device, without(device, devices))):
            return
    for maker, device in zip(makers, devices, strict=True):
        for_all = maker.declines_with >= 600
        if not step(
            f"{maker.name} {'declines for all' if for_all else 'is busy'}",
            partial(declined_for_all if for_all else busy, ann, device, without(device, devices)),
        ):
            return
    step("given up", lambda: given_up(ann, devices))


def without(one: Telephone, devices: Sequence[Telephone]) -> list[Telephone]:
    return [each for each in devices if each is not one]


def answered(caller: Telephone, winner: Telephone, others: Sequence[Telephone]) -> str | None:
    """The first to answer has the call, the others stop ringing while it goes on."""
    return talk(caller, winner) or ended(*others) or end(caller, winner)


def busy(caller: Telephone, one: Telephone, others: Sequence[Telephone]) -> str | None:
    """486 of one leaves the others ringing (RFC 3261 §16.7 step 5)."""
    one.decline()
    return ended(one) or answered(caller, others[0], others[1:])


def declined_for_all(caller: Telephone, one: Telephone, others: Sequence[Telephone]) -> str | None:
    return refuse(caller, one) or ended(*others)


def given_up(caller: Telephone, devices: Sequence[Telephone]) -> str | None:
    caller.hang_up()
    return ended(*devices) or ended(caller)
