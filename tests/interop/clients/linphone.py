"""Linphone's console client: the account in its configuration file, commands on standard input."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.contract import IPV6, NO_QUERY, SHORTEST_EXPIRES_S, CannotDo, Login, Phone, Server
from tests.interop.witness import comes_true

REGISTERS_WITHIN_S = 5.0
REFRESH_EVERY_S = SHORTEST_EXPIRES_S + 2


class Linphone:
    name = "linphonec"
    transports = ("UDP", "TCP", "TLS", *IPV6)

    def missing(self) -> str | None:
        return (
            None if shutil.which("linphonec") else "linphonec is not installed (apt-get install linphone-cli)"
        )

    def version(self) -> str:
        done = subprocess.run(["linphonec", "-v"], capture_output=True, text=True, check=False)
        found = re.search(r"version:? *([\d.]+)", done.stdout + done.stderr, re.IGNORECASE)
        return found[1] if found else "?"

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return None

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        for place in (
            ".local/share/linphone",
            ".config/linphone",
        ):  # it does not make them, and then does nothing
            (folder / place).mkdir(parents=True)
        (folder / "linphonerc").write_text(configuration(server, transport, login, REFRESH_EVERY_S))
        with (folder / "output").open("w") as output:
            process = subprocess.Popen(
                ["linphonec", "-c", str(folder / "linphonerc")],
                cwd=folder,
                env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            try:
                yield LinphonePhone(process, folder / "output")
            finally:
                process.kill()
                process.communicate()


class LinphonePhone:
    """It registers as soon as it runs, and again in time; asked for its status, it says whether it is registered."""

    def __init__(self, process: "subprocess.Popen[str]", output: Path) -> None:
        self.process, self.output = process, output

    def register(self) -> bool:
        return comes_true(lambda: self._status().startswith("registered, "), REGISTERS_WITHIN_S)

    def refresh(self) -> bool:
        return True

    def query(self) -> bool:
        raise CannotDo(NO_QUERY)

    def unregister(self) -> bool:
        self._say("unregister")
        return comes_true(lambda: self._status().startswith("registered="), REGISTERS_WITHIN_S)

    def _status(self) -> str:
        """The last answer there is to "status register": `registered, identity=…` or `registered=-1`."""
        self._say("status register")
        lines = self.output.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.startswith("registered")), "")

    def _say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        time.sleep(0.1)


def configuration(server: Server, transport: str, login: Login, refresh_every_s: int) -> str:
    ports = {name: (-1 if name.upper() == transport else 0) for name in ("udp", "tcp", "tls")}
    return f"""\
[sip]
sip_port={ports["udp"]}
sip_tcp_port={ports["tcp"]}
sip_tls_port={ports["tls"]}
bind_address={server.bind_host}
verify_server_certs=0
verify_server_cn=0
use_ipv6={int(":" in server.host)}
default_proxy=0
guess_hostname=1
register_only_when_network_is_up=0

[net]
firewall_policy=0

[proxy_0]
reg_proxy=<sip:{server.address_for(transport)};transport={transport.lower()}>
reg_identity=sip:{login.username}@{server.uri_host}
reg_expires={refresh_every_s}
reg_sendregister=1
publish=0

[auth_info_0]
username={login.username}
passwd={login.password}
domain={server.uri_host}

[sound]
playback_dev_id=none
"""
