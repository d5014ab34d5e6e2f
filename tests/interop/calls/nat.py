"""A telephone behind a router that rewrites its address and port: two network namespaces and nftables."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.interop.calls.cases import CallRow, Step, end, refuse, registered, ring, talk
from tests.interop.calls.contract import Maker, Telephone
from tests.interop.contract import Login, Server
from tests.interop.witness import Witness

# RFC 5737, RFC 1918.
OUR_ADDRESS, ROUTER_OUTSIDE = "198.51.100.1", "198.51.100.2"
ROUTER_INSIDE, TELEPHONE = "10.99.0.1", "10.99.0.2"
# The port outside is any, and another towards each address: the strictest NAT there is.
RULES = "table ip nat { chain out { type nat hook postrouting priority 100; masquerade fully-random; }; }"
STEPS = ("the telephone behind NAT hangs up", "the caller hangs up", "the caller gives up", "it refuses")

_serial = count(1)


def missing() -> str | None:
    """Why there can be no namespaces here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if absent := [tool for tool in ("ip", "nft") if shutil.which(tool) is None]:
        return f"{' and '.join(absent)} not installed (apt-get install iproute2 nftables)"
    return None


@contextmanager
def behind_nat() -> Iterator[str]:
    """The name of a namespace from which OUR_ADDRESS is reached, and which is reached from nowhere."""
    ours = f"{os.getpid()}-{next(_serial)}"
    router, inside = f"router-{ours}", f"inside-{ours}"
    out, far = f"a-{ours}", f"b-{ours}"
    with ExitStack() as stack:
        for name in (router, inside):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", out, "type", "veth", "peer", "name", far, "netns", router)
        # A namespace is gone some time after its name.
        stack.callback(_ip, "link", "del", out)
        _ip("address", "add", f"{OUR_ADDRESS}/24", "dev", out)
        _ip("link", "set", out, "up")
        _up(router, far, ROUTER_OUTSIDE)
        _ip("-n", router, "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", inside)
        _up(router, "lan", ROUTER_INSIDE)
        _up(inside, "eth0", TELEPHONE)
        _ip("-n", router, "route", "add", "default", "via", OUR_ADDRESS)
        _ip("-n", inside, "route", "add", "default", "via", ROUTER_INSIDE)
        with inside_of(router):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            subprocess.run(["nft", RULES], check=True, capture_output=True)
        yield inside


def _up(namespace: str, device: str, address: str) -> None:
    _ip("-n", namespace, "address", "add", f"{address}/24", "dev", device)
    _ip("-n", namespace, "link", "set", device, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def inside_of(namespace: str) -> Iterator[None]:
    """What this thread starts and opens meanwhile is in there, and stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open() as before,
        Path("/run/netns", namespace).open() as there,
    ):
        if libc.setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {namespace}")
        try:
            yield
        finally:
            libc.setns(before.fileno(), 0)


class MakerBehindNat:
    """Its telephones are inside, and speak to the server from there."""

    def __init__(self, maker: Maker, namespace: str) -> None:
        self.maker, self.namespace = maker, namespace
        self.name, self.declines_with = maker.name, maker.declines_with

    def missing(self) -> str | None:
        return self.maker.missing()

    def version(self) -> str:
        return self.maker.version()

    @contextmanager
    def telephone(
        self, server: Server, transport: str, login: Login, folder: Path, rings_s: int = 60
    ) -> Iterator[Telephone]:
        here = replace(server, phones_at=TELEPHONE)
        with ExitStack() as stack:
            with inside_of(self.namespace):
                telephone = stack.enter_context(self.maker.telephone(here, transport, login, folder, rings_s))
            yield telephone


def run_nat(caller: Maker, called: Maker, server: Server, transport: str) -> CallRow:
    """Never raises for what a client does: it is in the row."""
    row = CallRow(f"{caller.name} calls {called.name} behind NAT", transport)
    if reason := missing() or caller.missing() or called.missing():
        row.steps = dict.fromkeys(STEPS, f"-: {reason}")
        return row
    try:
        with behind_nat() as namespace:
            witness = Witness(OUR_ADDRESS)
            witness.offer("MD5")
            outside = replace(server, host=OUR_ADDRESS)
            with (
                registered(caller, outside, witness, transport) as ann,
                registered(MakerBehindNat(called, namespace), outside, witness, transport) as bob,
            ):
                _run_steps(row, witness, ann, bob)
    except Exception as error:
        row.broke(error, *STEPS)
    return row


def _run_steps(row: CallRow, witness: Witness, ann: Telephone, bob: Telephone) -> None:
    (binding,) = witness.bindings(bob.login)
    assert binding.received_addr == ROUTER_OUTSIDE, f"it came from {binding.received_addr}"
    steps: Mapping[str, Step] = {
        STEPS[0]: lambda: talk(ann, bob) or end(bob, ann),
        STEPS[1]: lambda: talk(ann, bob) or end(ann, bob),
        STEPS[2]: lambda: end(ann, bob),
        STEPS[3]: lambda: refuse(ann, bob),
    }
    for name, ending in steps.items():
        if not row.attempt(name, lambda ending=ending: ring(row, ann, bob) or ending()):  # type: ignore[misc]
            return
