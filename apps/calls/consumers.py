"""The ASGI application of the call process (docs/asgi-sip.md): messages in, what the proxy says out.

The proxy knows SIP, the look-up rows; this joins them to sockets and the clock. Must not wait for a look-up before it
reads on: a CANCEL may come while it is under way. Must not use Django's ORM.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any, Final, cast

from channels.exceptions import StopConsumer
from django.conf import settings

from apps.calls import process_sql
from apps.calls.call_log import CallLog
from apps.calls.hosts import Host, OtherHosts
from apps.calls.lookup import Lookup
from apps.calls.own_names import OwnNames
from apps.calls.proxy import Proxy
from apps.calls.tokens import HOME_BYTES
from apps.calls.values import Ask, Effect, Forward, Ignore, Refuse, Send, Verdict
from apps.extensions.ha1s import Ha1Keys
from apps.registrar.application import SipApplication, opened_store
from apps.registrar.consumers import nonce_key, retry_after_s, socket_name
from apps.registrar.gruu import gruu_key
from apps.registrar.rounds import DATABASE_TROUBLE, Rounds
from apps.registrar.store import Store
from apps.sip.branches import is_uplink_reply
from apps.sip.uri import format_host
from apps.sipserver.addresses import WILDCARDS, format_address, parse_address
from apps.sipserver.events import Datagram, Origin, SipScope
from apps.trunks.directory import REFRESH_EVERY_S, TrunkDirectory
from apps.trunks.resolving import LOOK_EVERY_S, Resolver
from apps.trunks.servers import DEFAULT_TLS_PORT
from apps.trunks.sightings import FLUSH_EVERY_S, CallRefusal, TrunkSightings
from apps.trunks.uplink.keeper import UplinkKeeper
from apps.trunks.uplink.services import trunk_keys

logger = logging.getLogger(__name__)

LOOK_UPS_AT_ONCE: Final = 4
MOST_IN_A_LOOK_UP: Final = 64
MOST_WAITING: Final = 2_000
BEAT_EVERY_S: Final = 2.0
READ_DOMAINS_EVERY_S: Final = 1.0
FORBIDDEN: Final = Refuse(403, "Forbidden")
# The proxy may name a time that turns out to be too early.
SHORTEST_SLEEP_S: Final = 0.001


def calls_key(secret_key: str) -> bytes:
    """The key of the tokens in our Record-Routes, the same after a restart; not the key of anything else."""
    return hashlib.sha256(b"sip calls\0" + secret_key.encode()).digest()


def home_of(host: str) -> bytes:
    """What names this host in the tokens of its Record-Routes, the same after a restart."""
    return hashlib.sha256(host.encode()).digest()[:HOME_BYTES]


class CallConsumer(SipApplication):
    _has_started = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """An instance that fails leaves nothing running beside the next one."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._has_started:
                await self._stop()

    async def sip_startup(self, event: dict[str, Any]) -> None:
        """Waits for the database: until it is there, nothing is taken and nothing false is answered."""
        scope = cast(SipScope, self.scope)
        self.store = await opened_store(
            lambda: Store(settings.DATABASE_DIRECT_URL, ha1_keys=Ha1Keys(settings.CREDENTIAL_KEYS))
        )
        self.host = socket_name(scope)
        self.names = OwnNames(
            scope["server"],
            settings.SIP_PUBLIC_HOST or "",
            settings.SIPS_PORT,
            settings.SIP_TLS_NAMES,
            home_of(self.host),
        )
        keys = trunk_keys()
        self.carriers = TrunkDirectory(self.store.pool, keys=keys)
        self.proxy = Proxy(
            calls_key(settings.SECRET_KEY),
            self.names,
            lambda: secrets.token_hex(8),
            account_of=self.carriers.account_of,
        )
        self.sightings = TrunkSightings()
        self.resolver = Resolver(self.store.pool)
        host, port = scope["server"]
        self.uplinks = UplinkKeeper(
            self.store.pool,
            self.send,
            (settings.SIP_PUBLIC_HOST or ("" if host in WILDCARDS else host), port),
            keys,
            f"{scope['worker']} {secrets.token_hex(4)}",  # an instance that failed may hold the lease yet
            tls_port=settings.SIPS_PORT or DEFAULT_TLS_PORT,
            servers=self.carriers.servers,
        )
        self.lookup = Lookup(
            self.store,
            self.carriers,
            nonce_key=nonce_key(settings.SECRET_KEY),
            gruu_key=gruu_key(settings.SECRET_KEY),
            retry_after_s=retry_after_s,
        )
        self.log = CallLog()
        self._asks: deque[Ask] = deque()
        self._some_asks = asyncio.Event()
        self._sooner = asyncio.Event()
        self._sleeps_until = inf
        self._rounds = Rounds()
        self._tasks: list[asyncio.Task[None]] = []
        self._has_started = True
        await self._read_domains()
        await self.carriers.refresh()
        self._start_rounds()
        self.uplinks.start()
        works = (self._keep_time, *[self._answer_asks] * LOOK_UPS_AT_ONCE)
        self._tasks = [asyncio.create_task(work()) for work in works]

    async def sip_datagrams(self, event: dict[str, Any]) -> None:
        self._raise_what_failed()
        now, blocked = time.monotonic(), self.lookup.blocked
        effects: list[Effect] = []
        self.uplinks.hear(event["datagrams"])
        for data, origin in event["datagrams"]:
            if not (blocked.cover(origin[0]) or is_uplink_reply(data)):
                effects += self.proxy.receive(data, origin, now)
        await self._act(effects, now)

    async def sip_flows_closed(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        self.uplinks.flows_closed(event["flows"])
        await self._act(self.proxy.flows_closed(event["flows"], now), now)

    async def sip_shutdown(self, event: dict[str, Any]) -> None:
        raise StopConsumer

    # -- what the proxy wants

    async def _act(self, effects: Iterable[Effect], now: float) -> None:
        sends: list[Send] = []
        for effect in effects:
            if isinstance(effect, Send):
                sends.append(effect)
            elif isinstance(effect, Ask):
                sends += self._take(effect, now)
            else:
                self.sightings.called(effect.trunk, effect.status, effect.phrase, proven=effect.proven)
        if sends:
            self.log.sent(sends, now)
            datagrams: list[Datagram] = [(send.data, send.destination) for send in sends]
            await self.send({"type": "sip.send", "datagrams": datagrams})
        due = self.proxy.next_due()
        if due is not None and due < self._sleeps_until:
            self._sooner.set()

    def _take(self, ask: Ask, now: float) -> list[Send]:
        """Into the queue of the look-ups; what finds no room there is told when to come again."""
        self.log.asked(ask, now)
        if len(self._asks) < MOST_WAITING:
            self._asks.append(ask)
            self._some_asks.set()
            return []
        refuse = Refuse(503, "Service Unavailable", (("Retry-After", str(retry_after_s())),))
        return [one for one in self.proxy.answer(ask.number, refuse, now) if isinstance(one, Send)]

    async def _answer_asks(self) -> None:
        """One look-up after the other, each for all that wait."""
        while True:
            while not self._asks:
                self._some_asks.clear()
                await self._some_asks.wait()
            count = min(len(self._asks), MOST_IN_A_LOOK_UP)
            asks = [self._asks.popleft() for _ in range(count)]
            verdicts = await self._verdicts(asks)
            now = time.monotonic()
            effects: list[Effect] = []
            for ask, verdict in verdicts:
                self.log.decided(ask, verdict)
                self._note(ask, verdict)
                effects += self.proxy.answer(ask.number, verdict, now)
            await self._act(effects, now)

    async def _verdicts(self, asks: Sequence[Ask]) -> list[tuple[Ask, Refuse | Forward]]:
        """A fault of ours costs these calls, not the others. Whoever was blocked this very second hears so: it has
        heard from us already."""
        try:
            found = await self.lookup.verdicts(asks)
            return [(ask, FORBIDDEN if isinstance(one, Ignore) else one) for ask, one in found]
        except Exception:
            logger.exception("%d requests could not be looked up", len(asks))
            return [(ask, Refuse(500, "Server Internal Error")) for ask in asks]

    def _note(self, ask: Ask, verdict: Verdict) -> None:
        """What trunks' pages show."""
        origin = ask.origin if isinstance(ask.origin, Origin) else Origin(*ask.origin)
        trunk = self.carriers.trunk_at(origin.host, origin.port, origin.transport)
        if trunk is not None:
            self.sightings.heard(trunk, origin, ask.request.method)
        elif isinstance(verdict, Refuse) and verdict.status == 407:
            self.sightings.refused(origin, CallRefusal.CHALLENGED)
        elif isinstance(verdict, Refuse) and verdict.status == 403 and not _says_who(ask):
            self.sightings.refused(origin, CallRefusal.NOT_TRUSTED)

    # -- time

    async def _keep_time(self) -> None:
        while True:
            self._sooner.clear()
            due = self.proxy.next_due()
            self._sleeps_until = inf if due is None else due
            sleep_s = None if due is None else max(SHORTEST_SLEEP_S, due - time.monotonic())
            try:
                async with asyncio.timeout(sleep_s):
                    await self._sooner.wait()
            except TimeoutError:
                now = time.monotonic()
                await self._act(self.proxy.due(now), now)

    def _start_rounds(self) -> None:
        self._rounds.start(self._beat, BEAT_EVERY_S)
        self._rounds.start(self._read_domains, READ_DOMAINS_EVERY_S)
        self._rounds.start(self.carriers.refresh, REFRESH_EVERY_S)
        self._rounds.start(self.resolver.round, LOOK_EVERY_S)
        self._rounds.start(self._flush_sightings, FLUSH_EVERY_S)

    async def _read_domains(self) -> None:
        directory = await self.lookup.read_directory()
        self.names.serve({name: domain.realm for name, domain in directory.domains.items()})

    async def _flush_sightings(self) -> None:
        await self.sightings.flush(self.store.pool)

    async def _beat(self) -> None:
        """Hear of the other hosts, and say that this one is well."""
        await self._find_hosts()
        scope, counts = cast(SipScope, self.scope), self.log.counts
        host, port = scope["server"]
        row = {
            "id": scope["worker"],
            "bind": f"{format_host(host)}:{port}",
            "server": self.host,
            "address": self._address(),
            "workers": "\n".join(scope.get("workers", ())),
            "calls": counts.calls,
            "answered": counts.answered,
            "ringing": self.log.ringing,
        }
        await self.store.execute(process_sql.BEAT, row)
        await self.store.execute(process_sql.TIDY)

    async def _find_hosts(self) -> None:
        rows = await self.store.fetch(process_sql.HOSTS, {"server": self.host, "address": self._address()})
        found = [
            Host(parse_address(address), server, frozenset(workers.split()))
            for server, address, workers in rows
        ]
        self.lookup.hosts = OtherHosts(self.host, found)

    def _address(self) -> str:
        """Where other hosts reach our UDP socket."""
        host, port = cast(SipScope, self.scope)["server"]
        return format_address((settings.SIP_HOST_ADDRESS if host in WILDCARDS else host, port))

    # -- the end

    def _raise_what_failed(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._rounds.stop(), self.uplinks.stop())
        self.resolver.close()
        try:
            await self.store.execute(process_sql.SIGN_OFF, {"id": cast(SipScope, self.scope)["worker"]})
        except DATABASE_TROUBLE as error:
            logger.warning("could not sign off at the database: %s", error)
        await self.store.close()


def _says_who(ask: Ask) -> bool:
    """Whether it came with a password: then it was refused for another reason than where it came from."""
    return ask.request.value("proxy-authorization") is not None
