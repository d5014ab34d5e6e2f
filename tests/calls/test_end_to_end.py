"""Phones call each other through the whole SIP server: workers, the call process, and a real PostgreSQL."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from apps.calls.models import CallProcess
from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import extension_create, trunk_create
from apps.sip.digest import Algorithm, DigestCredentials, ha1, parse_authorization, verify
from apps.sipserver.addresses import format_address
from apps.sipserver.certificates import ensure_self_signed
from apps.sipserver.tls import server_context
from apps.trunks.models import TrunkCallsRefused
from apps.trunks.services import trunk_numbers_put, trunk_settings_update, trusted_address_add
from apps.trunks.uplink.services import registration_set
from tests.addresses import Address, free_address
from tests.calls.talking import Call, Carrier, Dialog, Incoming, Softphone, new_branch
from tests.registrar.server import sip_server

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "Tr0ub4dor&3x"
CALLS = 10
Connect = Callable[..., Awaitable[Softphone]]


@pytest.fixture
def address() -> Address:
    return free_address()


@pytest.fixture
async def domain(transactional_db: None, actor: Actor) -> Domain:
    served = await Domain.objects.acreate(name="example.com", realm="example.com")
    for number in ("1001", "1002", "1003", "1004"):
        await sync_to_async(extension_create)(
            domain=served, number=number, display_name="", password=PASSWORD, actor=actor
        )
    return served


@pytest.fixture
async def connect(address: Address, domain: Domain) -> AsyncIterator[Connect]:
    """A registered phone."""
    phones: list[Softphone] = []

    async def connected(number: str, transport: str = "UDP") -> Softphone:
        phone = await Softphone(number, PASSWORD, address, transport).open()
        phones.append(phone)
        await phone.register()
        return phone

    yield connected
    for phone in phones:
        await phone.closed()


@pytest.fixture
async def carriers(
    address: Address, domain: Domain, actor: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Carrier]]:
    """Over each transport one, where numbers that begin with 0, 1 and 2 go; the last has a certificate known here."""
    certificate = ensure_self_signed(tmp_path, ["127.0.0.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))
    contexts = {"UDP": None, "TCP": None, "TLS": server_context(certificate)}
    carriers = [await Carrier(address, *each).open() for each in contexts.items()]
    for number, carrier in enumerate(carriers):
        await sync_to_async(trunk_with_account)(carrier, str(number), actor)
    yield carriers
    for carrier in carriers:
        await carrier.closed()


def trunk_with_account(carrier: Carrier, prefix: str, actor: Actor) -> None:
    """Its calls ring at 1002."""
    (host, port), transport = carrier.phone.source, carrier.transport.lower()
    trunk = trunk_create(domain=Domain.objects.get(), name=f"over-{transport}", actor=actor)
    where = format_address((host, port))
    trunk_settings_update(
        trunk=trunk, server=where, transport=transport, outbound_prefixes=prefix, actor=actor
    )
    trusted_address_add(trunk=trunk, network=host, port=port, transport=transport, actor=actor)
    trunk_numbers_put(trunk=trunk, numbers=[("4930", "1002")], actor=actor)
    registration_set(
        trunk=trunk, actor=actor, registrar=where, username="4940", password=PASSWORD, enabled=False
    )


def sip_workers(server: subprocess.Popen[bytes]) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(server.pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "sipworker" in line]


async def test_calls_through_the_server_end_as_they_should(
    address: Address, connect: Connect, carriers: list[Carrier]
) -> None:
    """One server for all of it: starting one takes longer than a call."""
    with sip_server(address, 2, calls=True) as server:
        ann, bob = await connect("1001"), await connect("1002")
        await answered_and_hung_up_by_either(ann, bob)
        await answered_and_hung_up_by_either(bob, ann)
        await busy(ann, bob)
        await given_up(ann, bob)
        await first_of_three_wins(ann, *[await connect("1003", kind) for kind in ("UDP", "UDP", "TCP")])
        over_tcp = await connect("1004", "TCP")
        await answered_and_hung_up_by_either(over_tcp, bob)
        await answered_and_hung_up_by_either(bob, over_tcp)
        await what_a_carrier_refuses_is_written_until_it_takes_a_call(ann, carriers[0], "0")
        for prefix, carrier in enumerate(carriers):
            await a_carrier_that_challenges_is_answered(ann, carrier, str(prefix))
        await a_carrier_calls_over_the_connection_we_opened(carriers[-1], bob)
        assert [carrier.connections for carrier in carriers] == [0, 1, 1]
        await workers_may_die_during_calls(server, ann, bob)
        await the_call_process_may_die_during_calls(ann, bob)


async def answered_and_hung_up_by_either(caller: Softphone, called: Softphone) -> None:
    for caller_hangs_up in (True, False):
        call = await caller.call(called.number)
        incoming = await called.ring()
        assert (await call.response(180)).status == 180
        theirs, ours = await asyncio.gather(incoming.answer(), call.answered())
        assert ours.routes
        if caller_hangs_up:
            await asyncio.gather(caller.hang_up(ours, 3), called.hung_up(theirs))
        else:
            await asyncio.gather(called.hang_up(theirs, 1), caller.hung_up(ours))


async def a_carrier_that_challenges_is_answered(caller: Softphone, carrier: Carrier, prefix: str) -> None:
    """By us: the caller hears nothing of it, and both may hang up."""
    for caller_hangs_up in (True, False):
        call = await caller.call(f"{prefix}301234")
        incoming = await let_in(carrier, call)
        theirs, ours = await asyncio.gather(incoming.answer(), call.answered())
        if caller_hangs_up:
            await asyncio.gather(caller.hang_up(ours, 3), carrier.hung_up(theirs))
        else:
            await asyncio.gather(carrier.hang_up(theirs, 1), caller.hung_up(ours))


async def what_a_carrier_refuses_is_written_until_it_takes_a_call(
    caller: Softphone, carrier: Carrier, prefix: str
) -> None:
    for status, rows in ((403, [403]), (486, [])):
        call = await caller.call(f"{prefix}301234")
        (await let_in(carrier, call)).reply(status)
        assert await call.refused() == status
        async with asyncio.timeout(10):
            while await statuses_refused() != rows:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)


async def statuses_refused() -> list[int | None]:
    return [
        row async for row in TrunkCallsRefused.objects.filter(proven=True).values_list("status", flat=True)
    ]


async def a_carrier_calls_over_the_connection_we_opened(carrier: Carrier, called: Softphone) -> None:
    own = f"<sip:4930@127.0.0.1>;tag={new_branch()}"
    dialog = Dialog(new_branch(), own, "<sip:4930@127.0.0.1>", "sip:4930@127.0.0.1", ())
    data = carrier.request("INVITE", dialog, 2, branch=new_branch(), body="v=0\r\n")
    carrier.say(data)
    call = Call(carrier, dialog, data, "")
    incoming = await called.ring()
    theirs, ours = await asyncio.gather(incoming.answer(), call.answered())
    await asyncio.gather(called.hang_up(theirs, 1), carrier.hung_up(ours))


async def let_in(carrier: Carrier, call: Call) -> Incoming:
    """The INVITE that comes when the first one was challenged, which now rings."""
    first = Incoming(carrier, await carrier.hear(lambda one: one.status is None and one.method == "INVITE"))
    asking = 'Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth"'
    refusal = first.reply(407, f"Proxy-Authenticate: {asking}")
    await carrier.hear(lambda one: one.status is None and one.method == "ACK", refusal)
    incoming = await carrier.ring()
    again = incoming.request
    credentials = parse_authorization(again.values("proxy-authorization"), "carrier")
    assert isinstance(credentials, DigestCredentials), again.raw
    assert verify(credentials, ha1(Algorithm.SHA256, "4940", "carrier", PASSWORD), "INVITE")
    assert (first.request.value("cseq"), again.value("cseq")) == ("2 INVITE", "3 INVITE")
    assert (await call.response(180)).value("cseq") == "2 INVITE"
    return incoming


async def busy(caller: Softphone, called: Softphone) -> None:
    call = await caller.call(called.number)
    (await called.ring()).reply(486)

    assert await call.refused() == 486


async def given_up(caller: Softphone, called: Softphone) -> None:
    call = await caller.call(called.number)
    incoming = await called.ring()
    await call.response(180)

    await asyncio.gather(call.cancel(), incoming.cancelled())

    assert await call.refused() == 487


async def first_of_three_wins(caller: Softphone, *devices: Softphone) -> None:
    call = await caller.call(devices[0].number)
    first, *others = [await device.ring() for device in devices]

    losers = asyncio.gather(*(other.cancelled() for other in others))
    theirs, ours = await asyncio.gather(first.answer(), call.answered())
    await losers

    await asyncio.gather(caller.hang_up(ours, 3), devices[0].hung_up(theirs))


async def talking(calls: list[Call], ringing: list[Incoming]) -> list[tuple[Dialog, Dialog]]:
    """Both sides of each, once they are answered."""
    by_call_id = {incoming.request.call_id: incoming for incoming in ringing}

    async def both(call: Call) -> tuple[Dialog, Dialog]:
        incoming = by_call_id[call.dialog.call_id]
        theirs, ours = await asyncio.gather(incoming.answer(), call.answered())
        return ours, theirs

    return list(await asyncio.gather(*map(both, calls)))


async def workers_may_die_during_calls(
    server: subprocess.Popen[bytes], caller: Softphone, called: Softphone
) -> None:
    calls = [await caller.call(called.number) for _ in range(CALLS)]
    ringing = [await called.ring() for _ in calls]
    dialogs = await talking(calls[: CALLS // 2], ringing)

    os.kill(sip_workers(server)[0], signal.SIGKILL)

    dialogs += await talking(calls[CALLS // 2 :], ringing)
    await asyncio.gather(
        *(caller.hang_up(ours, 3) for ours, _ in dialogs), *(called.hung_up(theirs) for _, theirs in dialogs)
    )


async def the_call_process_may_die_during_calls(caller: Softphone, called: Softphone) -> None:
    calls = [await caller.call(called.number) for _ in range(2)]
    dialogs = await talking(calls, [await called.ring() for _ in calls])
    (first, at_first), (second, at_second) = dialogs

    pid = await CallProcess.objects.values_list("id", flat=True).aget()
    began_s = time.monotonic()
    os.kill(int(pid.split(":")[1]), signal.SIGKILL)

    call = await caller.call(called.number)
    incoming = await called.ring()
    print(f"a new call rings {time.monotonic() - began_s:.2f} s after the call process was killed")
    await asyncio.gather(caller.hang_up(first, 3), called.hung_up(at_first))
    await asyncio.gather(called.hang_up(at_second, 1), caller.hung_up(second))
    their_side, our_side = await asyncio.gather(incoming.answer(), call.answered())
    await asyncio.gather(caller.hang_up(our_side, 3), called.hung_up(their_side))
