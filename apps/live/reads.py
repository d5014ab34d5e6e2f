"""Reads for the push, each once for all viewers of this process, in threads of their own."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from apps.accounts.sessions import roles_of_sessions
from apps.live.messages import ShownList, View
from apps.live.versions import row_version
from apps.live.viewer import ELEMENTS, FreshRow
from apps.registrar import selectors
from apps.registrar.overview.listing import catch_up, list_page
from apps.trunks.uplink.selectors import page_versions

TEMPLATES: Final[dict[View, str]] = {
    "row": "console/registrations/_row.html",
    "line": "console/extensions/_live_line.html",
}
# One for each kind of read: none waits for what another costs.
_threads: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="live")
# By peer: the views that show it, each with a version it is shown in.
Shown = Mapping[UUID, Collection[tuple[View, str]]]


def in_thread(work: Callable[..., Any]) -> Any:
    return database_sync_to_async(work, thread_sensitive=False, executor=_threads)


class RoleReads:
    """Roles by session. Those who ask in one moment share a query, and it begins after each of them has asked."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Mapping[str, str]] | None = None

    async def roles(self, session_keys: Collection[str]) -> Mapping[str, str]:
        """Also those others asked for; a session that may no longer be used is missing."""
        self._wanted.update(session_keys)
        if self._next is None:
            self._next = asyncio.create_task(self._read(), name="roles of sessions")
        return await asyncio.shield(self._next)

    async def _read(self) -> Mapping[str, str]:
        async with self._lock:
            wanted, self._wanted, self._next = self._wanted, set(), None
            roles: Mapping[str, str] = await read_roles(wanted)
            return roles


read_roles = in_thread(roles_of_sessions)


@in_thread
def read_rows(shown: Shown) -> dict[UUID, FreshRow | None]:
    """None for a peer that is no more. A row is rendered only for views that show it in another version."""
    found: dict[UUID, FreshRow | None] = dict.fromkeys(shown)
    trunk_ids = [peer_id for peer_id, views in shown.items() if any(view == "trunk" for view, _ in views)]
    for peer_id, version in page_versions(trunk_ids).items():
        found[peer_id] = FreshRow(version, {})
    for row in selectors.rows_of(shown.keys() - trunk_ids):
        peer_id, version = row.peer.pk, row_version(row)
        views = {view for view, shown_version in shown[peer_id] if shown_version != version}
        found[peer_id] = FreshRow(version, {view: _member(view, row) for view in views if view in TEMPLATES})
    return found


def _member(view: View, row: selectors.RegistrationRow) -> str:
    html = render_to_string(TEMPLATES[view], {"row": row}).strip()
    return f"{json.dumps(ELEMENTS[view].format(row.peer.pk))}:{json.dumps(html)}"


@in_thread
def read_counters() -> str:
    """As JSON."""
    catch_up()
    counters = selectors.counters()
    return json.dumps({**asdict(counters), "total": counters.total}, separators=(",", ":"))


@in_thread
def read_page(shown: ShownList) -> tuple[UUID, ...]:
    """The peers that the page would show if it were loaded now."""
    if not shown.size:
        return ()
    listed = list_page(
        search=shown.search, state=shown.state, order=shown.order, place=shown.place, size=shown.size
    )
    return tuple(listed.ids)
