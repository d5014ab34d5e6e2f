"""Two of Debian's baresip call each other through the server: workers, the call process and a real PostgreSQL."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from apps.calls.models import CallProcess
from tests.interop.clients.baresip import Baresip, BaresipPhone
from tests.interop.contract import Login, Server
from tests.interop.witness import Witness, comes_true
from tests.registrar.server import sip_server

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def call_process_is_there() -> bool:
    return CallProcess.objects.exists()


@pytest.mark.usefixtures("transactional_db")
def test_two_baresips_call_each_other_and_hang_up(tmp_path: Path) -> None:
    baresip, witness = Baresip(), Witness(HOST)
    witness.offer("MD5")
    server = Server(HOST, free_port())
    with ExitStack() as stack:
        stack.enter_context(sip_server((server.host, server.port), 2, calls=True))
        assert comes_true(call_process_is_there, within_s=20)
        logins = [witness.new_login() for _ in range(2)]
        ann, bob = (_phone(stack, baresip, server, login, tmp_path / login.username) for login in logins)

        for caller, called in ((ann, bob), (bob, ann)):
            caller.control.command("dial", called.aor)
            assert caller.control.hears("CALL_ESTABLISHED", "CALL_CLOSED") == "CALL_ESTABLISHED"
            assert called.control.hears("CALL_ESTABLISHED", "CALL_CLOSED") == "CALL_ESTABLISHED"
            called.control.command("hangup", "")
            assert caller.control.hears("CALL_CLOSED") == "CALL_CLOSED"
            assert called.control.hears("CALL_CLOSED") == "CALL_CLOSED"


def _phone(stack: ExitStack, baresip: Baresip, server: Server, login: Login, folder: Path) -> BaresipPhone:
    folder.mkdir()
    phone = stack.enter_context(baresip.talking_phone(server, "UDP", login, folder))
    assert phone.register()
    return phone
