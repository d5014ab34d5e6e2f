"""The feed as JSON and as a stream, through the whole ASGI application."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref import testing
from channels.db import database_sync_to_async
from rest_framework.test import APIClient

from apps.accounts.models import ApiToken, User
from apps.accounts.services import api_token_create, api_token_revoke
from apps.api import event_stream
from apps.extensions.audit import Actor
from apps.extensions.models import Peer
from tests.webhooks.conftest import Connection, event_of, write
from tests.webhooks.conftest import connect as connect

Connect = Callable[[], Connection]
Communicator = Any  # asgiref has no types for its own
PATH = "/api/v1/events/stream"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "ROUND_S", 0.02)
    monkeypatch.setattr("apps.webhooks.feed.REST", "0 seconds")


@pytest.fixture
def token(connect: Connect, supervisor: User, actor: Actor) -> str:
    return api_token_create(user=supervisor, name="stream", scopes=["read"], actor=actor)[1]


@pytest.fixture
def happen(connect: Connect, peer: Peer) -> Callable[..., None]:
    def happened(*kinds: str, **facts: Any) -> None:
        worker = connect()
        write(worker, *(event_of(peer, kind, **facts) for kind in kinds))
        worker.commit()

    return happened


class Listener:
    def __init__(self, communicator: Communicator) -> None:
        self.communicator = communicator
        self.text = ""

    async def next_event(self) -> dict[str, Any]:
        """Its id, event and data."""
        while True:
            block, end, rest = self.text.partition("\n\n")
            if not end:
                message = await self.communicator.receive_output(10)
                assert message["more_body"], "the stream ended"
                self.text += message["body"].decode()
                continue
            self.text = rest
            found = dict(line.split(": ", 1) for line in block.split("\n"))
            if "data" in found:
                return found | {"data": json.loads(found["data"])}

    async def ended(self) -> bool:
        while (await self.communicator.receive_output(10))["more_body"]:
            pass
        return True


def request(token: str, query: str = "", **headers: str) -> Communicator:
    from registrar_admin.asgi import application

    sent = {"host": "localhost", "accept": "text/event-stream", **headers}
    if token:
        sent["authorization"] = f"Token {token}"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    make: Any = testing.ApplicationCommunicator
    return make(application, scope)


async def started(communicator: Communicator) -> dict[str, Any]:
    await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
    answer: dict[str, Any] = await communicator.receive_output(10)
    return answer


@asynccontextmanager
async def listening(token: str, query: str = "", **headers: str) -> AsyncIterator[Listener]:
    before = event_stream.open_streams()
    communicator = request(token, query, **headers)
    answer = await started(communicator)
    assert answer["status"] == 200
    assert dict(answer["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert dict(answer["headers"])[b"Cache-Control"] == b"no-store"
    assert (await communicator.receive_output(10))["body"] == event_stream.BEGINNING
    try:
        yield Listener(communicator)
    finally:
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait(10)
    assert event_stream.open_streams() == before


async def test_what_happens_is_heard_with_its_cursor(token: str, happen: Callable[..., None]) -> None:
    happen("refused")  # before it listens
    async with listening(token, "after=0") as first, listening(token, "after=0&types=expired") as second:
        assert (await first.next_event())["event"] == "refused"
        happen("registered", "expired")
        heard = [await first.next_event() for _ in range(2)]
        alone = await second.next_event()

    assert {event["event"] for event in heard} == {"registered", "expired"}
    assert alone["event"] == "expired"
    assert alone["id"] == str(alone["data"]["id"])


async def test_it_goes_on_after_the_last_event_id_by_the_database(
    token: str, happen: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(*["registered"] * 5)
    async with listening(token, "after=0") as before:
        ids = [(await before.next_event())["id"] for _ in range(5)]

    async with listening(token, last_event_id=ids[1]) as again:
        assert [(await again.next_event())["id"] for _ in range(3)] == ids[2:]


async def test_filters_by_domain_and_extension(token: str, happen: Callable[..., None]) -> None:
    query = "after=0&extension=1001@example.com"
    async with listening(token, query) as mine, listening(token, "after=0&domain=example.org") as other:
        happen("registered")
        assert (await mine.next_event())["data"]["extension"] == "1001"
        assert await other.communicator.receive_nothing(0.1)


async def test_no_stream_keeps_a_thread(token: str, happen: Callable[..., None]) -> None:
    async with listening(token, "after=0") as first:
        happen("registered")
        await first.next_event()
        before = threading.active_count()
        async with listening(token), listening(token), listening(token):
            happen("expired")
            await first.next_event()
            assert threading.active_count() <= before + 1  # one for all rounds


async def test_silence_is_filled_with_heartbeats(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    async with listening(token) as listener:
        assert (await listener.communicator.receive_output(10))["body"] == event_stream.HEARTBEAT


async def test_a_revoked_token_ends_its_stream(
    token: str, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "JUDGED_EVERY_S", 0)
    async with listening(token) as listener:
        revoked = await database_sync_to_async(ApiToken.objects.get)()
        await database_sync_to_async(api_token_revoke)(token=revoked, actor=actor)
        assert await listener.ended()


async def test_a_stream_ends_after_so_many_bytes(
    token: str, happen: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "MOST_BYTES", 1000)
    async with listening(token, "after=0") as listener:
        happen(*["registered"] * 3)
        assert await listener.ended()


async def test_a_client_that_takes_nothing_is_dropped(
    token: str, happen: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "SLOW_S", 0.05)
    hub = event_stream.stream_hub()
    gone = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    token_id = str((await database_sync_to_async(ApiToken.objects.get)()).pk)
    allowed: dict[str, Any] = {
        "token_id": token_id,
        "types": [],
        "domain": "",
        "extension": "",
        "after": None,
    }
    await event_stream._serve(allowed, receive, send)

    assert hub.streams == set()


@pytest.mark.parametrize(
    ("query", "status"),
    [("after=-1", 400), ("types=registerd", 400), ("since=2026", 400), ("after=" + "9" * 30, 400)],
)
async def test_what_cannot_be_meant_is_refused(token: str, query: str, status: int) -> None:
    communicator = request(token, query)
    assert (await started(communicator))["status"] == status
    body = json.loads((await communicator.receive_output(10))["body"])
    assert body["code"] == "invalid"


async def test_who_may_not_read_gets_no_stream(token: str, admin: User, actor: Actor) -> None:
    make = database_sync_to_async(api_token_create)
    _, writer = await make(user=admin, name="writer", scopes=["write"], actor=actor)
    assert (await started(request("")))["status"] == 401
    assert (await started(request("ra_unknown")))["status"] == 401
    assert (await started(request(writer)))["status"] == 403
    assert (await started(request(token, host="elsewhere.example")))["status"] == 400


async def test_no_more_streams_than_a_process_serves(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.api.views.feed.MOST_STREAMS", 1)
    async with listening(token):
        communicator = request(token)
        assert (await started(communicator))["status"] == 503
        assert b"too_many_streams" in (await communicator.receive_output(10))["body"]


def test_the_feed_is_walked_by_its_cursor(connect: Connect, peer: Peer, reader: APIClient) -> None:
    worker = connect()
    write(worker, *(event_of(peer, kind) for kind in ("registered", "expired", "registered")))
    worker.commit()

    first = reader.get("/api/v1/events/feed/?limit=2").json()
    second = reader.get(f"/api/v1/events/feed/?after={first['cursor']}&types=registered,moved").json()

    assert [len(page["events"]) for page in (first, second)] == [2, 1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert reader.get(f"/api/v1/events/feed/?after={second['cursor']}").json() == {
        "cursor": second["cursor"],
        "has_more": False,
        "events": [],
    }
