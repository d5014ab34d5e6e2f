"""One client, one transport, one algorithm: register, refresh, query, unregister, and a wrong password."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.interop.contract import CannotDo, Client, Login, Phone, Server
from tests.interop.witness import Witness, comes_true

STEPS = ("register", "refresh", "query", "unregister", "wrong password")
DONE = "yes"


@dataclass(slots=True)
class Row:
    """`steps`: "yes", or "no: …" with what went wrong, or "-: …" with why it cannot be done."""

    client: str
    version: str
    transport: str
    algorithm: str
    steps: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return any(result.startswith("no") for result in self.steps.values())


def run_case(client: Client, server: Server, witness: Witness, transport: str, algorithm: str) -> Row:
    """Never raises for what a client does: it is in the row."""
    row = Row(client.name, client.version(), transport, algorithm)
    reason = client.missing() or client.cannot(transport, algorithm) or _not_served(server, transport)
    transport = transport.partition("/")[0]
    if reason:
        row.steps = dict.fromkeys(STEPS, f"-: {reason}")
        return row
    witness.offer(algorithm)
    login = witness.new_login()
    with tempfile.TemporaryDirectory(prefix="interop-") as folder:
        _run_steps(row, client, server, witness, transport, login, Path(folder))
    with tempfile.TemporaryDirectory(prefix="interop-") as folder:
        wrong = replace(login, password="not the password")
        row.steps["wrong password"] = _try(
            lambda: _wrong_password(client, server, witness, transport, wrong, Path(folder))
        )
    return row


def _not_served(server: Server, transport: str) -> str | None:
    if transport.endswith("/IPv6") and not server.ipv6:
        return "this machine has no IPv6"
    if transport == "TCP" and not server.tcp:
        return "the server offers no TCP here"
    if transport == "TLS" and server.tls_port is None:
        return "the server offers no TLS here"
    if (transport == "WS" and server.web_url is None) or (
        transport == "WSS" and server.secure_web_url is None
    ):
        return "the server offers no WebSocket here"
    return None


def _run_steps(
    row: Row, client: Client, server: Server, witness: Witness, transport: str, login: Login, folder: Path
) -> None:
    try:
        with client.phone(server, transport, login, folder) as phone:
            row.steps["register"] = _try(lambda: _register(phone, witness, login, transport))
            if row.steps["register"] != DONE:
                return
            row.steps["refresh"] = _try(lambda: _refresh(phone, witness, login))
            row.steps["query"] = _try(lambda: _query(phone, witness, login))
            row.steps["unregister"] = _try(lambda: _unregister(phone, witness, login))
    except Exception as error:  # a client that cannot be started or stopped
        row.steps.setdefault("register", f"no: {type(error).__name__}: {error}")


def _try(step: Callable[[], str | None]) -> str:
    try:
        problem = step()
    except CannotDo as reason:
        return f"-: {reason}"
    except Exception as error:
        return f"no: {type(error).__name__}: {error}"
    return DONE if problem is None else f"no: {problem}"


def _register(phone: Phone, witness: Witness, login: Login, transport: str) -> str | None:
    if not phone.register():
        return f"the client says it failed; refusals: {sorted(witness.refusals(login))}"
    if not comes_true(lambda: len(witness.bindings(login)) == 1):
        return f"{len(witness.bindings(login))} bindings"
    found = witness.bindings(login)[0].transport
    return None if found.upper() == transport else f"the binding says {found}"


def _refresh(phone: Phone, witness: Witness, login: Login) -> str | None:
    before = witness.refreshes(login)
    if not phone.refresh():
        return "the client says it failed"
    if not comes_true(lambda: witness.refreshes(login) > before):
        return "no refresh arrived"
    return None if len(witness.bindings(login)) == 1 else "a second binding was made"


def _query(phone: Phone, witness: Witness, login: Login) -> str | None:
    before = [(one.binding_id, one.contact) for one in witness.bindings(login)]
    if not phone.query():
        return "the client did not see its binding"
    after = [(one.binding_id, one.contact) for one in witness.bindings(login)]
    return None if before == after else "the query changed the bindings"


def _unregister(phone: Phone, witness: Witness, login: Login) -> str | None:
    if not phone.unregister():
        return "the client says it failed"
    return None if comes_true(lambda: not witness.bindings(login)) else "the binding is still there"


def _wrong_password(
    client: Client, server: Server, witness: Witness, transport: str, wrong: Login, folder: Path
) -> str | None:
    with client.phone(server, transport, wrong, folder) as phone:
        if phone.register():
            return "the client says it is registered"
        if not comes_true(lambda: witness.refusals(wrong) == {"wrong_password"}):
            return f"refusals: {sorted(witness.refusals(wrong))}"
    return None if not witness.bindings(wrong) else "there is a binding"
