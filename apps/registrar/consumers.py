"""The ASGI "sip" application: batches of messages in, answers out (docs/asgi-sip.md).

Must not use Django's ORM or its executor: this is the hot path of a process that does nothing else.
"""

import asyncio
import hashlib
import secrets
import socket
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

from channels.exceptions import StopConsumer
from django.conf import settings

from apps.extensions.ha1s import Ha1Keys
from apps.registrar import overload
from apps.registrar.admission import Admission
from apps.registrar.application import SipApplication, opened_store
from apps.registrar.batches import BatchProcessor
from apps.registrar.deciding import Chance
from apps.registrar.expiry import Surge
from apps.registrar.gruu import gruu_key
from apps.registrar.handover import sort_out
from apps.registrar.qualify.options import qualify_key
from apps.registrar.qualify.prober import Prober
from apps.registrar.qualify.store import Reach
from apps.registrar.regevent.notify import notify_key
from apps.registrar.regevent.replies import read_replies
from apps.registrar.regevent.sender import NotifySender
from apps.registrar.regevent.store import NotifyQueue
from apps.registrar.rounds import Rounds
from apps.registrar.store import Store
from apps.registrar.trace.recorder import Recorder
from apps.registrar.triage import ALLOW, ALLOW_WITH_CALLS
from apps.registrar.worker import WEB_SOCKETS, WorkerTasks
from apps.sip.transactions import T1_S
from apps.sip.uri import format_host
from apps.sipserver.addresses import WILDCARDS
from apps.sipserver.events import Datagram, SipScope


def nonce_key(secret_key: str) -> bytes:
    """The key of every worker's nonces, so that any of them knows the others'; not the key of anything else."""
    return hashlib.sha256(b"sip nonce\0" + secret_key.encode()).digest()


def socket_name(scope: SipScope) -> str:
    """The UDP socket's, the same for all workers that share it and after a restart; empty without one."""
    host, port = scope["server"]
    return f"{socket.gethostname()} {format_host(host)}:{port}" if host else ""


def retry_after_s() -> int:
    """Seconds for one phone: another number for each, so that they do not come back together."""
    return secrets.randbelow(26) + 5


class RegistrarConsumer(SipApplication):
    _has_started = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """An instance that fails leaves nothing running beside the next one."""
        try:
            await super().__call__(scope, receive, send)
        except Exception:
            await self._abandon()
            raise

    async def sip_startup(self, event: dict[str, Any]) -> None:
        """Waits for the database: until it is there, no datagram is taken and nothing false is answered."""
        scope = cast(SipScope, self.scope)
        host, port = scope["server"]
        bind = f"{format_host(host)}:{port}" if host else WEB_SOCKETS
        name = socket_name(scope)
        queue = NotifyQueue(notify_key(settings.SECRET_KEY), uuid4)
        self.load = scope["load"]
        self.handing_over = scope["handing_over"]
        self.admission = Admission(nonce_key(settings.SECRET_KEY))
        self.surge = Surge()
        self.rounds = Rounds()

        async def beat(store: Store) -> None:
            """Before the first binding: a flow whose worker does not beat counts as closed."""
            kept = timedelta(days=settings.LEDGER_DAYS)
            self.tasks = WorkerTasks(
                store,
                scope["worker"],
                bind,
                name,
                scope["flows"],
                kept,
                lambda: self.admission.turned.total,
            )
            await self.tasks.beat()

        self.store = await opened_store(
            lambda: Store(settings.DATABASE_DIRECT_URL, queue, Ha1Keys(settings.CREDENTIAL_KEYS)), beat
        )
        chance = Chance(
            nonce_key(settings.SECRET_KEY),
            uuid4,
            retry_after_s,
            gruu_key(settings.SECRET_KEY),
            self.surge.spread,
        )
        own_hosts = frozenset({host, settings.SIP_PUBLIC_HOST} - WILDCARDS - {""})
        known_as = (host if host and host not in WILDCARDS else settings.SIP_PUBLIC_HOST or "", port)
        self.recorder = Recorder(self.store, known_as)
        self.notifies = NotifySender(self.store.pool, queue, self.send, scope["worker"], datagrams=bool(host))
        self.processor = BatchProcessor(
            self.store,
            chance,
            self.tasks.changed,
            own_hosts,
            self.notifies.wake,
            known_as,
            name,
            self.tasks.sightings,
            ALLOW if scope["handing_over"] is None else ALLOW_WITH_CALLS,
        )
        self.prober = Prober(
            self.store.pool,
            Reach(name, scope["worker"]),
            qualify_key(settings.SECRET_KEY),
            self.send,
            self.tasks.changed,
            known_as,
        )
        self.tasks.start()
        self.rounds.start(overload.OverloadLog(self.admission, self.load).tell, overload.TELL_EVERY_S)
        self.recorder.start()
        self.notifies.start()
        self.prober.start()
        self._has_started = True

    async def send(self, message: dict[str, Any]) -> None:
        if self.recorder.is_on:
            self.recorder.sent(message["datagrams"])
        await super().send(message)

    async def sip_datagrams(self, event: dict[str, Any]) -> None:
        self.prober.hear(event["datagrams"])  # first, for it tells the time
        if self.recorder.is_on:
            self.recorder.received(event["datagrams"])
        replies = read_replies(self.notifies.queue.key, event["datagrams"])
        await self._register(await self._hand_over(event["datagrams"]))
        if replies:
            await self.notifies.take_replies(replies)

    async def _hand_over(self, datagrams: list[Datagram]) -> list[Datagram]:
        """What stays here: all of it, where nobody takes calls."""
        if self.handing_over is None or not self.handing_over.is_possible:
            return datagrams
        mine, calls = sort_out(datagrams)
        if calls:
            await super().send({"type": "sip.hand_over", "datagrams": calls})
        return mine

    async def _register(self, datagrams: list[Datagram]) -> None:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        admitted = self.admission.admit(datagrams, self.load, began_s)
        self.surge.feel(began_s, pressed=admitted.is_chosen)
        if admitted.refused:
            refusals = overload.refusals(admitted.refused, retry_after_s, self.processor.blocks)
            await self.send({"type": "sip.send", "datagrams": refusals})
        answers = await self.processor.answers(admitted.datagrams) if admitted.datagrams else []
        answered_s = clock()
        self.admission.learn(admitted, answers, answered_s)
        # Others may have waited as long for their turn: together that is when phones begin to repeat themselves.
        if admitted.is_chosen or answered_s - began_s > T1_S / 2:
            self.tasks.sightings.pressed += 1
        if answers:
            await self.send({"type": "sip.send", "datagrams": answers})

    async def sip_flows_closed(self, event: dict[str, Any]) -> None:
        """Bindings that came over these connections lead nowhere any more (RFC 5626 §7)."""
        self.tasks.flows_closed(event["flows"])

    async def sip_shutdown(self, event: dict[str, Any]) -> None:
        await self._stop(self.tasks.stop())
        raise StopConsumer

    async def _abandon(self) -> None:
        if self._has_started:
            await self._stop(self.tasks.abandon())

    async def _stop(self, end_of_tasks: Awaitable[None]) -> None:
        await asyncio.gather(
            self.prober.stop(), self.notifies.stop(), end_of_tasks, self.recorder.stop(), self.rounds.stop()
        )
        await self.store.close()
