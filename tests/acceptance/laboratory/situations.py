"""Each way in which a phone may not ring, produced with real packets: what happens, and what is to be said of it.

A situation is a coroutine that makes it happen to the peer it is given and returns when it has; what it left running
(phones that go on renewing) ends with the laboratory. Times are seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.acceptance.laboratory.laboratory import Laboratory
from tests.acceptance.laboratory.network import LabPhone, Router

Happening = Callable[[Laboratory, str, int], Awaitable[None]]

GAP_S: Final = 2.5
EXPIRES_S: Final = 25
# A rhythm that is learned: what comes within 5 s counts as the same renewal, and a warning 5 s before the end as none.
RHYTHM_S: Final = 5.2
# A challenge counts as ignored after 12 s; what a pressed worker saw counts for nothing.
AGAIN_S: Final = 10
OTHER_PHONE: Final = "snomD785/10.1.175.16"


@dataclass(frozen=True, slots=True)
class Situation:
    """`first`: the code of the verdict; `also`: a code among the other findings; `evidence`: said in its evidence.
    `lasts`: nothing changes it later; else time goes on, from late to expired."""

    name: str
    happen: Happening
    first: str
    evidence: str = ""
    also: str = ""
    lasts: bool = True


SITUATIONS: Final[list[Situation]] = []


def situation(
    first: str, evidence: str = "", also: str = "", *, lasts: bool = True
) -> Callable[[Happening], Happening]:
    def add(happen: Happening) -> Happening:
        name = getattr(happen, "__name__", "").replace("_", "-")
        SITUATIONS.append(Situation(name, happen, first, evidence, also, lasts))
        return happen

    return add


@situation("never_registered")
async def nothing(lab: Laboratory, peer: str, n: int) -> None:
    await asyncio.sleep(0)


@situation("typo_user", "snom")
async def typo(lab: Laboratory, peer: str, n: int) -> None:
    mistyped = peer[1] + peer[0] + peer[2:]
    await (await lab.phone(mistyped, host=f"127.20.{n}.1", user_agent=OTHER_PHONE)).register()


@situation("wrong_password", "127.60.")
async def wrong_password(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer, password="not the password")).register()


@situation("old_password", "assword changed")
async def old_password(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer)
    await phone.register()
    await lab.new_password(peer)
    await phone.register()


@situation("wrong_domain", "other.example")
async def wrong_domain(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer, domain="other.example")).register()


@situation("wrong_realm", "asterisk")
async def wrong_realm(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer)
    credentials = (
        f'Authorization: Digest username="{peer}", realm="asterisk", nonce="1f2e", uri="sip:example.com", '
        f'response="{"0" * 32}", algorithm=MD5'
    )
    for _ in range(3):
        await phone.ask(phone.phone.register(headers=[credentials]))


@situation("expired_silent", "expired without renewal")
async def expired(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer)).register(2)


@situation("wrong_password", also="expired_refused")
async def expired_refused(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer)).register(2)
    await asyncio.sleep(1)
    stranger = await lab.phone(peer, password="not the password")
    for _ in range(2):
        await stranger.register()
        await asyncio.sleep(1.5)


@situation("challenge_unheard", "127.21.")
async def replies_lost(lab: Laboratory, peer: str, n: int) -> None:
    router = await lab.router(f"127.21.{n}.1")
    router.lets_in = lambda data: False
    phone = await lab.phone(peer, router=router)
    lab.go_on(phone.register, GAP_S)


@situation("challenge_ignored", "127.60.")
async def challenge_ignored(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer)
    lab.go_on(lambda: phone.ask(phone.phone.register()), AGAIN_S)


@situation("interval_too_brief", "127.60.")
async def too_brief(lab: Laboratory, peer: str, n: int) -> None:
    await lab.settings(peer, min_expires_s=120)
    phone = await lab.phone(peer)
    for _ in range(3):
        await phone.register(30)
        await asyncio.sleep(0.5)


@situation("renewal_late", "127.22.", lasts=False)
async def goes_quiet(lab: Laboratory, peer: str, n: int) -> None:
    await lab.settings(peer, qualify=False)
    phone = await lab.phone(peer, host=f"127.22.{n}.1")
    await phone.renew_every(RHYTHM_S, 4, EXPIRES_S)
    phone.close()


@situation("nat_rebinding", "127.23.")
async def router_forgets(lab: Laboratory, peer: str, n: int) -> None:
    router = await lab.router(f"127.23.{n}.1")
    phone = await lab.phone(peer, router=router, contact_host="192.168.1.50")
    for _ in range(6):
        await phone.register(EXPIRES_S)
        await asyncio.sleep(GAP_S)
        await router.forget()
        await phone.register(EXPIRES_S)
    lab.go_on(lambda: _from_a_new_port(phone, router, EXPIRES_S), GAP_S)


@situation("two_phones", "snom")
async def two_phones(lab: Laboratory, peer: str, n: int) -> None:
    await lab.settings(peer, max_contacts=1)
    desk = await lab.phone(peer, host=f"127.24.{n}.1")
    other = await lab.phone(peer, host=f"127.24.{n}.2", user_agent=OTHER_PHONE)
    lab.go_on(lambda: desk.register(EXPIRES_S), GAP_S)
    await asyncio.sleep(GAP_S / 2)
    lab.go_on(lambda: other.register(EXPIRES_S), GAP_S)


@situation("unreachable", "127.25.")
async def inbound_blocked(lab: Laboratory, peer: str, n: int) -> None:
    router = await lab.router(f"127.25.{n}.1")
    router.lets_in = lambda data: data.startswith(b"SIP/2.0")
    phone = await lab.phone(peer, router=router, contact_host="192.168.1.50")
    lab.go_on(lambda: phone.register(EXPIRES_S), GAP_S)


@situation("pinhole_closed", "127.26.")
async def pinhole_closes(lab: Laboratory, peer: str, n: int) -> None:
    router = await lab.router(f"127.26.{n}.1")
    router.lets_in = lambda data: data.startswith(b"SIP/2.0")
    phone = await lab.phone(peer, router=router, contact_host="192.168.1.50")
    # Longer than two probes take to be lost.
    lab.go_on(lambda: _from_a_new_port(phone, router, 60), 8)


@situation("sip_alg", "127.27.")
async def alg(lab: Laboratory, peer: str, n: int) -> None:
    public = f"127.27.{n}.1"
    phone = await lab.phone(peer, host=public)
    lab.go_on(lambda: phone.register_rewritten(EXPIRES_S, "192.168.1.50"), GAP_S)


@situation("fine", also="private_contact")
async def private_contact(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer, host=f"127.28.{n}.1", contact_host="192.168.1.50")
    lab.go_on(lambda: phone.register(EXPIRES_S), GAP_S)


@situation("unexpected_place", "127.201.")
async def unexpected_place(lab: Laboratory, peer: str, n: int) -> None:
    home = await lab.phone(peer, host=f"127.29.{n}.1")
    await home.register(EXPIRES_S)
    await home.register(0)
    thief = await lab.phone(peer, host=f"127.201.{n}.1", user_agent="friendly-phone")
    lab.go_on(lambda: thief.register(EXPIRES_S), GAP_S)


@situation("disabled")
async def disabled(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer)
    await phone.register()
    await lab.disable(peer)
    await phone.register()


@situation("blocked_source", "127.230.")
async def blocked(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer, host=f"127.230.{n}.1")).register()


@situation("site_down", "127.31.", lasts=False)
async def site_goes_quiet(lab: Laboratory, peer: str, n: int) -> None:
    await lab.settings(peer, qualify=False)
    await lab.settings(f"{peer}-b", qualify=False)
    phones = [await lab.phone(name, host=f"127.31.{n}.1") for name in (peer, f"{peer}-b")]
    await asyncio.gather(*(phone.renew_every(RHYTHM_S, 4, EXPIRES_S) for phone in phones))
    for phone in phones:
        phone.close()


@situation("too_many_contacts", "snom")
async def too_many(lab: Laboratory, peer: str, n: int) -> None:
    await lab.settings(peer, max_contacts=1, when_full="reject")
    await (await lab.phone(peer)).register(2)
    await (await lab.phone(peer, user_agent=OTHER_PHONE)).register(EXPIRES_S)


@situation("other_users_aor", "127.60.")
async def other_users_aor(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer, address_user="somebody")).register()


@situation("signed_off", "signed off by the phone")
async def signed_off(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer)
    await phone.register()
    await phone.register(0)


@situation("dropped", "dropped by an admin")
async def dropped(lab: Laboratory, peer: str, n: int) -> None:
    await (await lab.phone(peer)).register()
    await lab.drop(peer)


@situation("flow_closed", "connection closed")
async def connection_closed(lab: Laboratory, peer: str, n: int) -> None:
    await lab.register_over_tcp_and_close(peer)


@situation("lagging", "Answered a probe")
async def slow_network(lab: Laboratory, peer: str, n: int) -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.8)

    phone = await lab.phone(peer, host=f"127.32.{n}.1", before_answering=slowly)
    lab.go_on(lambda: phone.register(EXPIRES_S), GAP_S)


@situation("fine", "Answered a probe")
async def well(lab: Laboratory, peer: str, n: int) -> None:
    phone = await lab.phone(peer, host=f"127.33.{n}.1")
    lab.go_on(lambda: phone.register(EXPIRES_S), GAP_S)


async def _from_a_new_port(phone: LabPhone, router: Router, expires_s: int) -> None:
    await router.forget()
    await phone.register(expires_s)
