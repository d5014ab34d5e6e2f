"""The real SIP server on the test database, the peers that things happen to, and the verdicts as they change."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from asgiref.sync import sync_to_async

from apps.diagnosis.facts import Finding
from apps.diagnosis.selectors import diagnoses
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import credential_rotate, extension_create
from apps.registrar.models import Binding
from apps.registrar.services import bindings_drop, peer_update
from tests.acceptance.laboratory.network import Address, LabPhone, Router, no_delay
from tests.registrar.phone import Phone
from tests.registrar.server import StreamClient

PASSWORD: Final = "Tr0ub4dor&3x"
ACTOR: Final = Actor.of_command("laboratory")
READ_EVERY_S: Final = 1.0


class Laboratory:
    """`verdicts`: the findings about each peer, by name, read again every second."""

    def __init__(self, server: Address, domain: Domain) -> None:
        self.server, self.domain = server, domain
        self.verdicts: dict[str, tuple[Finding, ...]] = {}
        self._own_hosts: dict[str, str] = {}
        self._closing: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def until_it_answers(self) -> None:
        (await StreamClient.open(self.server)).writer.close()

    def peer(self, name: str) -> Peer:
        new = extension_create(domain=self.domain, number=name, password=PASSWORD, actor=ACTOR)
        return peer_update(peer=new.peer, actor=ACTOR, qualify_interval_s=2)

    async def phone(
        self,
        username: str,
        *,
        password: str = PASSWORD,
        router: Router | None = None,
        before_answering: Callable[[], Awaitable[None]] = no_delay,
        **given: Any,
    ) -> LabPhone:
        """Alone at its address, unless `host` or a router says otherwise."""
        server = router.address if router else self.server
        given.setdefault("host", "127.0.0.1" if router else self.own_host(username))
        phone = LabPhone(server, username, password, before_answering=before_answering, **given)
        self._closing.append(phone.close)
        return await phone.open()

    def own_host(self, name: str) -> str:
        number = len(self._own_hosts)
        return self._own_hosts.setdefault(name, f"127.60.{number // 250}.{number % 250 + 1}")

    async def router(self, public: str) -> Router:
        router = await Router(self.server, public).start()
        self._closing.append(router.close)
        return router

    def go_on(self, again: Callable[[], Awaitable[object]], every_s: float) -> None:
        """The phone does so until the laboratory closes."""

        async def forever() -> None:
            while True:
                await again()
                await asyncio.sleep(every_s)

        self._tasks.append(asyncio.create_task(forever()))

    async def settings(self, name: str, **fields: Any) -> None:
        await self._in_database(lambda: peer_update(peer=_peer(name), actor=ACTOR, **fields))

    async def disable(self, name: str) -> None:
        await self.settings(name, enabled=False)

    async def new_password(self, name: str) -> None:
        await self._in_database(lambda: credential_rotate(peer=_peer(name), actor=ACTOR))

    async def drop(self, name: str) -> None:
        await self._in_database(
            lambda: bindings_drop(bindings=list(Binding.objects.filter(peer__name=name)), actor=ACTOR)
        )

    async def register_over_tcp_and_close(self, name: str) -> None:
        client = StreamClient(
            *await asyncio.open_connection(*self.server, local_addr=(self.own_host(name), 0))
        )
        phone = Phone(name, PASSWORD, source=client.address)
        reply = await client.request(phone.register())
        phone.read_challenge(reply)
        assert (await client.request(phone.register())).status == 200
        client.writer.close()
        await client.writer.wait_closed()

    async def read_verdicts(self, names: Iterable[str]) -> None:
        wanted = list(names)

        def read() -> dict[str, tuple[Finding, ...]]:
            peers = Peer.objects.filter(name__in=wanted).select_related("domain", "extension")
            return {each.peer.name: each.findings for each in diagnoses(peers)}

        self.verdicts = await self._in_database(read)

    async def _in_database(self, work: Callable[[], Any]) -> Any:
        return await sync_to_async(work, thread_sensitive=True)()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in self._closing:
            close()


def _peer(name: str) -> Peer:
    return Peer.objects.select_related("domain", "extension").get(name=name)
