"""Debian's baresip calls itself, and SIPp as a carrier calls it, through the real server. All of it: ./run interop."""

from collections.abc import Iterator

import pytest

from apps.calls.models import CallProcess
from tests.addresses import free_address
from tests.interop.calls.baresip import BaresipMaker
from tests.interop.calls.carrier import run_carrier
from tests.interop.calls.cases import CallRow, run_pair
from tests.interop.calls.devices import run_devices
from tests.interop.clients.sipp import Sipp
from tests.interop.contract import Server
from tests.interop.witness import Witness, comes_true
from tests.registrar.server import sip_server

HOST = "127.0.0.1"
STEPS = ("caller hangs up", "called hangs up", "called back", "refused", "given up")


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    _, port = address = free_address(HOST)
    with sip_server(address, workers=1, calls=True):
        assert comes_true(CallProcess.objects.exists, within_s=20)
        yield Server(HOST, port)


def test_telephones_call_each_other_and_a_carrier_calls_one(server: Server) -> None:
    """One server for all of it: starting one takes longer than a call."""
    baresip, witness = BaresipMaker(), Witness(HOST)
    if reason := baresip.missing() or Sipp().missing():
        pytest.skip(reason)

    rows: list[CallRow] = [
        run_pair(baresip, baresip, server, witness, "UDP", STEPS),
        run_devices(baresip, [baresip] * 3, server, witness, "UDP"),
        run_carrier(baresip, server, witness, "UDP"),
    ]

    assert [row for row in rows if row.failed] == []
