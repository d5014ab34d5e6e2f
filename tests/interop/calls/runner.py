"""All calls that `./run interop` tries."""

import sys
from collections.abc import Iterable, Iterator

from tests.interop.calls.baresip import BaresipMaker
from tests.interop.calls.carrier import run_carrier
from tests.interop.calls.cases import CallRow, run_pair
from tests.interop.calls.contract import Maker
from tests.interop.calls.devices import run_devices
from tests.interop.calls.linphone import LinphoneMaker
from tests.interop.calls.nat import run_nat
from tests.interop.calls.pjsip import PjsipMaker
from tests.interop.contract import Server
from tests.interop.witness import Witness

TRANSPORTS = ("UDP", "TCP")


def run_calls(server: Server) -> tuple[list[CallRow], list[CallRow]]:
    """Those of two telephones, and the others."""
    witness = Witness(server.host)
    makers: tuple[Maker, ...] = (BaresipMaker(), PjsipMaker(), LinphoneMaker())
    return _told(_pairs(makers, server, witness)), _told(_others(makers, server, witness))


def _pairs(makers: tuple[Maker, ...], server: Server, witness: Witness) -> Iterator[CallRow]:
    for transport in TRANSPORTS:
        for caller in makers:
            for called in makers:
                yield run_pair(caller, called, server, witness, transport)


def _others(makers: tuple[Maker, ...], server: Server, witness: Witness) -> Iterator[CallRow]:
    for transport in TRANSPORTS:
        yield run_devices(makers[0], makers, server, witness, transport)
        for number, called in enumerate(makers):
            yield run_nat(makers[number - 1], called, server, transport)
    for called in makers:
        yield run_carrier(called, server, witness, "UDP")


def _told(rows: Iterable[CallRow]) -> list[CallRow]:
    done = []
    for row in rows:
        print(row.case, row.transport, row.steps, file=sys.stderr, flush=True)
        done.append(row)
    return done
