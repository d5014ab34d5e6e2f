"""The clients that Debian has in small packages register with the real server over UDP. All of it: ./run interop."""

import socket
from collections.abc import Sequence

import pytest

from tests.addresses import free_address
from tests.interop.cases import Row, run_case
from tests.interop.clients.baresip import Baresip
from tests.interop.clients.sipp import Sipp
from tests.interop.clients.sipsak import Sipsak
from tests.interop.contract import Client, Server
from tests.interop.witness import Witness, comes_true
from tests.registrar.server import sip_server
from tests.sip.messages import register

HOST = "127.0.0.1"
CASES: Sequence[tuple[Client, str]] = (
    (Sipp(), "MD5"),
    (Sipsak(), "MD5"),
    (Baresip(), "MD5"),
)


def answers(server: Server) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.connect((server.host, server.port))
        try:
            probe.send(register(request_line="OPTIONS sip:127.0.0.1 SIP/2.0", CSeq="1 OPTIONS"))
            return bool(probe.recv(2048))
        except OSError:
            return False


@pytest.mark.usefixtures("transactional_db")
def test_sipp_sipsak_and_baresip_register_refresh_query_and_unregister() -> None:
    server = Server(*free_address(HOST))
    witness = Witness(HOST)
    with sip_server((server.host, server.port), workers=1):
        assert comes_true(lambda: answers(server), within_s=20)
        rows = [run_case(client, server, witness, "UDP", algorithm) for client, algorithm in CASES]
    assert [row for row in rows if row.failed] == []
    tried: list[Row] = [row for row in rows if row.steps["register"] == "yes"]
    if not tried:
        pytest.skip(
            "neither sipp, sipsak nor baresip is installed (apt-get install sip-tester sipsak baresip-core)"
        )
