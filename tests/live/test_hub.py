"""What many open pages cost: each thing is read once, each browser holds one update, a bad one is closed alone."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Role, User
from apps.accounts.services import user_create
from apps.accounts.sessions import roles_of_sessions
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import extension_create
from apps.live import hub, reads
from apps.live.messages import Watch
from apps.live.viewer import MOST_ROWS, MOST_UNHEARD, FreshRow, Viewer
from apps.registrar.models import Binding
from tests.live.conftest import in_database, notify, open_page, signed_in, socket_of
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
UNSEEN = "00000000"


class Reads:
    """What was read, as it went through to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: dict[str, list[Any]] = {"read_rows": [], "read_roles": [], "read_page": []}
        for name in self.calls:
            monkeypatch.setattr(reads, name, partial(self._noted, name, getattr(reads, name)))

    async def _noted(self, name: str, read: Callable[[Any], Any], asked: Any) -> Any:
        self.calls[name].append(asked)
        return await read(asked)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


@pytest.fixture
def peers(domain: Domain, actor: Actor) -> list[Peer]:
    numbers = range(1001, 1001 + MOST_ROWS + 5)
    return [extension_create(domain=domain, number=str(number), actor=actor).peer for number in numbers]


def register(add: Callable[..., Binding], peer: Peer) -> None:
    add(peer)
    notify(peer.pk)


async def test_a_change_is_read_and_rendered_once_for_all_that_show_it(
    admin: User, peer: Peer, add_binding: Callable[..., Binding], noted: Reads
) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(open_page(client, {str(peer.pk): UNSEEN})) for _ in range(8)]
        for page in pages:
            await page.heard(lambda message: "rows" in message)
        noted.calls["read_rows"].clear()
        await in_database(partial(register, add_binding, peer))
        told = [await page.heard(lambda message: "rows" in message) for page in pages]
    rendering = [asked for asked in noted.calls["read_rows"] if peer.pk in asked]
    assert len({json.dumps(message["rows"]) for message in told}) <= len(rendering)
    assert len(rendering) <= 2  # the change, and at most one reconciling look


async def test_pages_of_one_list_share_its_reading(admin: User, peers: list[Peer], noted: Reads) -> None:
    client = await in_database(lambda: signed_in(admin))
    watch = {str(peer.pk): UNSEEN for peer in peers}
    async with AsyncExitStack() as stack:
        for _ in range(5):
            page = await stack.enter_async_context(open_page(client, dict(watch)))
            await page.heard(lambda message: message.get("new") == 0)
    assert len(noted.calls["read_page"]) <= 5
    assert len(set(noted.calls["read_page"])) == 1


async def test_all_that_speak_at_once_are_judged_by_one_look_that_began_after(noted: Reads) -> None:
    roles = reads.RoleReads()
    first = asyncio.create_task(roles.roles(["a" * 32]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first look is under way
    later = [asyncio.create_task(roles.roles([letter * 32])) for letter in "bcd"]
    await asyncio.gather(first, *later)
    assert [set(asked) for asked in noted.calls["read_roles"]] == [{"a" * 32}, {"b" * 32, "c" * 32, "d" * 32}]


def test_the_sessions_of_many_are_looked_at_in_two_queries(admin: User, actor: Actor) -> None:
    supervisor = user_create(
        username="sue", password="correct horse battery", role=Role.SUPERVISOR, actor=actor
    )
    keys = [str(signed_in(user).session.session_key) for user in (admin, admin, supervisor)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        roles = roles_of_sessions([*keys, "nobodys"])
    assert list(roles.values()).count("admin") == 2
    assert roles[keys[2]] == "supervisor"
    assert set(roles) == set(keys)
    assert len(queries) == 2


def end_session(client: Client, user: User) -> None:
    client.session.delete()


def age_session(client: Client, user: User) -> None:
    session = client.session
    session.set_expiry(-1)
    session.save()


def forge_session(client: Client, user: User) -> None:
    session = client.session
    session["_auth_user_hash"] = "0" * 64
    session.save()


def sign_in_by_a_way_that_is_off(client: Client, user: User) -> None:
    session = client.session
    session["_auth_user_backend"] = "example.Backend"
    session.save()


def switch_off(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def delete(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


@pytest.mark.parametrize(
    "happening", [end_session, age_session, forge_session, sign_in_by_a_way_that_is_off, switch_off, delete]
)
def test_a_session_that_may_not_be_used_has_no_role(
    happening: Callable[[Client, User], None], admin: User
) -> None:
    client = signed_in(admin)
    key = str(client.session.session_key)
    assert roles_of_sessions([key]) == {key: "admin"}
    happening(client, admin)
    assert roles_of_sessions([key]) == {}


async def test_f41_what_a_page_is_sent_before_it_answers_is_bounded(admin: User, peers: list[Peer]) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN for peer in peers}) as page:
        update: dict[str, Any] = {}
        while "rows" not in update:
            update = json.loads(await page.socket.receive_from(timeout=PATIENCE_S))
            if "n" in update and "rows" not in update:
                await page.say({"seen": update["n"]})
        assert len(update["rows"]) == MOST_ROWS
        await page.say({"seen": update["n"]})
        rest = await page.heard(lambda message: "rows" in message)
    assert len(rest["rows"]) == len(peers) - MOST_ROWS
    assert not update["rows"].keys() & rest["rows"].keys()


async def test_f41_one_that_reads_nothing_does_not_hold_up_another(
    admin: User, peer: Peer, add_binding: Callable[..., Binding]
) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN}), open_page(client, {str(peer.pk): UNSEEN}) as page:
        await page.heard(lambda message: "rows" in message)
        await in_database(partial(register, add_binding, peer))
        message = await page.heard(lambda message: "rows" in message)
    assert 'data-state="online"' in message["rows"][f"peer-{peer.pk}"]


async def test_f42_a_page_that_talks_without_end_is_closed(admin: User, peer: Peer) -> None:
    client = await in_database(lambda: signed_in(admin))
    socket = socket_of(client)
    await socket.connect(timeout=PATIENCE_S)
    for number in range(MOST_UNHEARD * 2):
        await socket.send_input({"type": "websocket.receive", "text": json.dumps({"seen": number})})
    while (event := await socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.send":
        pass
    assert event["code"] == hub.TOO_MANY
    await socket.disconnect()


def some_row(peer_id: UUID, version: str) -> FreshRow:
    return FreshRow(version, {"row": f'"peer-{peer_id}":"<tr>"'})


@pytest.fixture
def viewer() -> tuple[Viewer, list[UUID]]:
    viewer = Viewer("key", "admin")
    peer_ids = [UUID(int=number) for number in range(40)]
    viewer.starts_to_watch(Watch(dict.fromkeys(peer_ids, UNSEEN), "row", None))
    return viewer, peer_ids


def test_rows_that_others_show_are_taken_first(viewer: tuple[Viewer, list[UUID]]) -> None:
    one, peer_ids = viewer
    read = set(peer_ids[30:])
    taken = one.next_stale(read, room=True)
    assert read < taken
    assert len(taken) == MOST_ROWS
    assert one.next_stale(set(peer_ids), room=False) == set(peer_ids) - taken
    assert one.next_stale(set(peer_ids), room=True) == set()


def test_a_row_that_changed_while_it_was_read_stays_due(viewer: tuple[Viewer, list[UUID]]) -> None:
    one, _peer_ids = viewer
    taken = one.next_stale(set(), room=True)
    changed = next(iter(taken))
    one.mark([changed])
    found: dict[UUID, FreshRow | None] = {peer_id: some_row(peer_id, "1") for peer_id in taken}
    one.update(one.show(found, taken))
    assert changed in one.stale


def test_a_peer_that_is_gone_is_taken_away_once(viewer: tuple[Viewer, list[UUID]]) -> None:
    one, peer_ids = viewer
    assert one.show({peer_ids[0]: None}, {peer_ids[0]}) == [f'"removed":["peer-{peer_ids[0]}"]']
    assert one.show({peer_ids[0]: None}, {peer_ids[0]}) == []


def test_after_an_update_nothing_leaves_until_it_is_seen_but_a_close(
    viewer: tuple[Viewer, list[UUID]],
) -> None:
    one, _peer_ids = viewer
    one.update(['"new":1'])
    one.ping("ping")
    assert [event["text"] for event in one.leaving()] == ['{"n":1,"new":1}']
    one.ping("ping")
    assert one.leaving() == []
    one.saw(2)
    assert not one.is_ready
    one.saw(1)
    assert one.is_ready
    one.ping("ping")
    one.close(hub.STUCK)
    one.ping("ping")
    assert one.leaving() == [{"type": "websocket.close", "code": hub.STUCK}]
    assert one.leaving() == []
