"""What a SIP worker does besides answering: beat, sweep, end what came over closed connections, keep the overview,
publish.

Background tasks of one worker over its Store; a failure is logged and tried again, for the database may be away.
Must not answer SIP.
"""

import asyncio
import datetime as dt
import logging
import math
from collections.abc import Callable, Collection, Iterable
from typing import Final
from uuid import UUID

from apps.extensions.notices import REGISTRATIONS_CHANGED, payloads
from apps.registrar import sql
from apps.registrar.ledger import keep_months
from apps.registrar.overview.keeper import keep_overview, keep_sites
from apps.registrar.overview.sql import CLOSE_STEPS
from apps.registrar.rounds import DATABASE_TROUBLE, Rounds
from apps.registrar.sightings.flush import flush
from apps.registrar.sightings.notes import Sightings
from apps.registrar.store import Store
from apps.registrar.sweeper import WORKER_GOOD_FOR, end_flows, end_flows_of_dead_workers, sweep, tidy

logger = logging.getLogger(__name__)

BEAT_EVERY_S: Final = 2.0
SWEEP_EVERY_S: Final = 0.5
TIDY_EVERY_S: Final = 60.0
KEEP_MONTHS_EVERY_S: Final = 3600.0
OVERVIEW_EVERY_S: Final = 1.0
# In a storm the lists come a little later, and cost the database a third of one core.
OVERVIEW_REST_S: Final = 0.2
# Times what a step took.
OVERVIEW_RESTS: Final = 5
SITES_EVERY_S: Final = 5.0
PUBLISH_EVERY_S: Final = 0.05
# What came to nothing is written at most so often; a burst is gathered first.
NOTE_EVERY_S: Final = 1.0
GATHER_S: Final = 0.2
# What waits for news looks for itself now and then.
LOOK_AGAIN_S: Final = 5.0

WEB_SOCKETS: Final = "websocket"
"""Where a worker inside the web process is bound: it says nothing about the SIP server's health."""


class WorkerTasks:
    """`worker` is the first part of its flows' names; `bind` is shown to people; `server` names the UDP socket it
    shares, "" for none; `open_flows` is always up to date; `ledger_kept` is how long the ledger's rows are;
    `turned_away` counts the packets that found no place (admission.py)."""

    def __init__(
        self,
        store: Store,
        worker: str,
        bind: str,
        server: str,
        open_flows: Collection[str],
        ledger_kept: dt.timedelta,
        turned_away: Callable[[], int] = lambda: 0,
    ) -> None:
        self.store = store
        self.open_flows = open_flows
        self.bind = bind
        self.ledger_kept = ledger_kept
        self.turned_away = turned_away
        self.server = server
        self.id = worker
        self._beating_since_s: float | None = None
        self._closed_flows: set[str] = set()
        self._some_flow_closed = asyncio.Event()
        self._changed: set[UUID] = set()
        self._something_changed = asyncio.Event()
        self._something_seen = asyncio.Event()
        self._overview_is_behind = asyncio.Event()
        self._overview_behind = False
        self.sightings = Sightings(self._something_seen.set)
        self._rounds = Rounds()

    def start(self) -> None:
        self._rounds.start(self.beat, BEAT_EVERY_S)
        self._rounds.start(self._sweep, SWEEP_EVERY_S)
        self._rounds.start(self._tidy, TIDY_EVERY_S)
        self._rounds.start(self._find_lost_flows, TIDY_EVERY_S)
        self._rounds.start(self._keep_months, KEEP_MONTHS_EVERY_S)
        self._rounds.start(self._keep_sites, SITES_EVERY_S)
        self._rounds.start(
            self._keep_overview, OVERVIEW_EVERY_S, news=self._overview_is_behind, rest_s=OVERVIEW_REST_S
        )
        self._rounds.start(self._end_flows, LOOK_AGAIN_S, news=self._some_flow_closed, rest_s=PUBLISH_EVERY_S)
        self._rounds.start(
            self._note, NOTE_EVERY_S, news=self._something_seen, rest_s=NOTE_EVERY_S - GATHER_S
        )
        self._rounds.start(self._publish, LOOK_AGAIN_S, news=self._something_changed, rest_s=PUBLISH_EVERY_S)

    async def stop(self) -> None:
        await self._rounds.stop()
        try:
            await self._end_flows()
            self.changed(await flush(self.store, self.sightings))
            await self._publish()
            await self.store.execute(sql.DELETE_HEARTBEAT, {"id": self.id})
        except DATABASE_TROUBLE as error:
            logger.warning("could not sign off at the database: %s", error)

    async def abandon(self) -> None:
        """The next instance of this worker takes over its connections: it goes on beating, and finds what is left."""
        await self._rounds.stop()

    def changed(self, peer_ids: Iterable[UUID]) -> None:
        """These peers' registrations changed and are committed; the web hears of it within PUBLISH_EVERY_S."""
        self._changed.update(peer_ids)
        if self._changed:
            self._something_changed.set()

    def flows_closed(self, flows: Iterable[str]) -> None:
        """What was registered over these connections ends now, or as soon as the database is there."""
        self._closed_flows.update(flows)
        self._some_flow_closed.set()

    async def beat(self) -> None:
        """Say that this worker lives. Raises DATABASE_TROUBLE."""
        clock = asyncio.get_running_loop().time
        since_s, self._beating_since_s = self._beating_since_s, None
        row = {"id": self.id, "bind": self.bind, "server": self.server, "turned_away": self.turned_away()}
        await self.store.execute(sql.BEAT, row)
        self._beating_since_s = clock() if since_s is None else since_s

    async def _sweep(self) -> None:
        more = True
        while more:
            peer_ids, more = await sweep(self.store)
            self.changed(peer_ids)
        if self._others_had_time_to_beat():
            self.changed(await end_flows_of_dead_workers(self.store))

    def _others_had_time_to_beat(self) -> bool:
        """After an outage of the database all look dead until each has had its turn."""
        beating_s = asyncio.get_running_loop().time() - (self._beating_since_s or math.inf)
        return beating_s > WORKER_GOOD_FOR.total_seconds()

    async def _end_flows(self) -> None:
        flows = frozenset(self._closed_flows)
        if flows:
            self.changed(await end_flows(self.store, flows))
            self._closed_flows -= flows

    async def _find_lost_flows(self) -> None:
        """Connections of this worker whose end was told to an instance that failed before it acted."""
        stored = await self.store.flows_of_worker(self.id)
        self.flows_closed(flow for flow in stored if flow not in self.open_flows)

    async def _tidy(self) -> None:
        await tidy(self.store)
        await self.store.execute(CLOSE_STEPS)

    async def _keep_months(self) -> None:
        await keep_months(self.store, self.ledger_kept)

    async def _keep_overview(self) -> float:
        """After a storm the phones come first: lists may be behind, registrations not."""
        is_behind = self._overview_behind
        clock = asyncio.get_running_loop().time
        began_s = clock()
        async with self.store.pool.connection() as connection:
            self._overview_behind = await keep_overview(connection, is_behind=is_behind)
        if self._overview_behind:
            self._overview_is_behind.set()
        return OVERVIEW_RESTS * (clock() - began_s)

    async def _keep_sites(self) -> None:
        async with self.store.pool.connection() as connection:
            await keep_sites(connection)

    async def _note(self) -> None:
        await asyncio.sleep(GATHER_S)
        self.changed(await flush(self.store, self.sightings))

    async def _publish(self) -> None:
        peer_ids, self._changed = self._changed, set()
        try:
            for payload in payloads(peer_ids):
                await self.store.execute(sql.NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})
        except BaseException:  # also when stop() comes in between: it publishes once more
            self.changed(peer_ids)
            raise
