"""Two equal phones in two equal extensions: one is heard by a registrar with the short way, one by a registrar without.

The database's clock stands still but for what a script says, so that both are played at the very same time and all that
is stored can be compared to the microsecond.
"""

import datetime as dt
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from psycopg.conninfo import make_conninfo

from apps.registrar.batches import BatchProcessor
from apps.registrar.bindings import Address
from apps.registrar.deciding import Chance
from apps.registrar.renewals.deciding import Renewed
from apps.registrar.renewals.lane import Lane
from apps.registrar.renewals.reading import Renewal, RenewalReader
from apps.registrar.store import Directory, Store
from apps.sipserver.events import Datagram, Origin
from tests.registrar.conftest import NONCE_KEY, PASSWORD, url_of_test_database
from tests.registrar.phone import Phone, Reply, read_reply

CHANCE = Chance(NONCE_KEY, uuid4, lambda: 7, gruu_key=b"g" * 32)
# Of one length, and nowhere else in what they say.
USERS = ("1001", "7447")

FAKE_CLOCK = """
CREATE SCHEMA IF NOT EXISTS still;
CREATE TABLE IF NOT EXISTS still.clock (at timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION still.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT at FROM still.clock';
CREATE OR REPLACE FUNCTION still.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT at FROM still.clock';
DELETE FROM still.clock;
INSERT INTO still.clock VALUES (date_trunc('hour', pg_catalog.clock_timestamp()));
"""
PASS = "UPDATE still.clock SET at = at + %(seconds)s * interval '1 second'"

STORED = """
SELECT jsonb_build_object(
    'bindings', (SELECT jsonb_agg(b ORDER BY registered_at, contact) FROM registrar_binding b WHERE aor = %(aor)s),
    'events', (SELECT jsonb_agg(e ORDER BY event_id) FROM registrar_registrationevent e WHERE aor = %(aor)s),
    'activity', (SELECT jsonb_agg(a) FROM registrar_peeractivity a JOIN extensions_peer p ON p.id = a.peer_id
        WHERE p.name = %(user)s),
    'nonces', (SELECT jsonb_agg(u ORDER BY place) FROM registrar_nonceuse u
        JOIN unnest(%(nonces)s::text[]) WITH ORDINALITY AS asked(nonce, place) USING (nonce)))::text
"""
# What says whose row it is; and the key, which only one of the two keeps.
IDENTITIES = frozenset(
    {
        "binding_id",
        "peer_id",
        "extension_id",
        "event_id",
        "tx",
        "renewal_key",
        "nonce",
        "repeat_key",
        "request_key",
    }
)


class CountingLane(Lane):
    """Remembers how many it renewed without reading anything."""

    unread = 0

    async def _renew_remembered(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        found = await super()._renew_remembered(renewals)
        self.unread += len(found)
        return found


class CountingProcessor(BatchProcessor):
    """Remembers how many renewals it took the short way."""

    taken = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chance = self.means.chance
        self.lane = self.counting_lane = CountingLane(
            self.store, chance.nonce_key, chance.gruu_key, chance.spread
        )

    @property
    def unread(self) -> int:
        return self.counting_lane.unread

    async def _renew(self, renewals: Any) -> dict[int, Datagram]:
        found = await super()._renew(renewals)
        self.taken += len(found)
        return found


class BlindReader(RenewalReader):
    def read(self, data: bytes, origin: Address | Origin) -> Renewal | None:
        return None


class OrdinaryProcessor(BatchProcessor):
    """Finds no renewal, ever."""

    def _know(self, directory: Directory) -> Directory:
        known = super()._know(directory)
        self._reader = BlindReader({}, "", b"")
        return known


@asynccontextmanager
async def opened_store(**settings: Any) -> AsyncIterator[Store]:
    store = Store(url_of_test_database(), **settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def still_store() -> AsyncIterator[Store]:
    """A store whose database has a clock that stands still."""
    store = Store(make_conninfo(url_of_test_database(), options="-csearch_path=still,pg_catalog,public"))
    await store.open()
    await store.execute(FAKE_CLOCK)
    try:
        yield store
    finally:
        await store.execute("DROP SCHEMA still CASCADE")
        await store.close()


@dataclass
class Side:
    """One of the two: who hears, who speaks, and what was said last."""

    user: str
    processor: BatchProcessor
    phone: Phone = field(init=False)
    second: Phone = field(init=False)
    last: tuple[bytes, Address] = (b"", ("", 0))
    nonces: list[str] = field(default_factory=list)
    now: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    serial: int = 0

    def __post_init__(self) -> None:
        # Which stands as still as the database's.
        self.processor.lane.clock = lambda: self.now.timestamp()
        self.phone = Phone(self.user, PASSWORD, call_id=f"first-{self.user}@phone")
        self.second = Phone(
            self.user, PASSWORD, call_id=f"second-{self.user}@phone", source=("203.0.113.8", 5060)
        )

    def branch(self) -> str:
        self.serial += 1
        return f"z9hG4bK{self.user}x{self.serial}"

    def adopt(self, phone: Phone, nonce: str) -> None:
        phone.nonce, phone.nc = nonce, 0
        self.nonces.append(nonce)

    async def send(self, data: bytes, phone: Phone) -> tuple[Reply | None, Any]:
        self.last = data, phone.source
        answers = await self.processor.answers([(data, phone.source)])
        if not answers:
            return None, None
        (raw, way), reply = answers[0], read_reply(answers[0][0])
        if reply.status == 401:
            before = phone.nonce
            phone_again = replace(phone)
            phone_again.read_challenge(reply)
            if phone_again.nonce != before:
                self.adopt(phone, phone_again.nonce or "")
        return read_reply(raw), way

    def plain(self, text: str) -> str:
        """Without what is different for each phone by its nature."""
        text = re.sub(r"(;tag=)[0-9a-f]{16}(?=\r\n)|(nonce=\")[^\"]+", r"\1\2", text)
        text = re.sub(r"(temp-gruu=\"sip:tgruu\.)[^@]+", r"\1", text)
        return text.replace(self.user, "user")

    async def stored(self) -> dict[str, Any]:
        who = {"aor": f"sip:{self.user}@example.com", "user": self.user, "nonces": self.nonces}
        ((text,),) = await self.processor.store.fetch(STORED, who)
        return {name: [self._anybodys(row) for row in rows or ()] for name, rows in json.loads(text).items()}

    def _anybodys(self, row: dict[str, Any]) -> dict[str, Any]:
        own = {name: value for name, value in row.items() if name not in IDENTITIES}
        if own.get("temp_gruu"):
            own["temp_gruu"] = "some"
        return {name: self.plain(value) if isinstance(value, str) else value for name, value in own.items()}


def pair_of(store: Store) -> tuple[Side, Side]:
    """With the short way, and without."""
    heard: set[UUID] = set()
    quick, slow = (kind(store, CHANCE, heard.update) for kind in (CountingProcessor, OrdinaryProcessor))
    return Side(USERS[0], quick), Side(USERS[1], slow)
