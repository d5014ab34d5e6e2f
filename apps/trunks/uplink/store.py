"""Registrations with carriers in PostgreSQL: what is asked for, and what became of it. Knows rows, not SIP.

Times in rows are the database's, in the rest the keeper's clock, `ahead_s` behind it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from apps.extensions.notices import REGISTRATIONS_CHANGED, payloads
from apps.registrar.sql import NOTIFY, to_json
from apps.sipserver.events import Address
from apps.trunks.sealing import TrunkKeys
from apps.trunks.uplink import sql
from apps.trunks.uplink.probes import Asking, ProbeState
from apps.trunks.uplink.strings import parse_server
from apps.trunks.uplink.values import Account, Standing, UplinkReason, UplinkState

AnyConnection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A registration as people asked for it, and how it stood when it was last written: standing_version says what
    was asked for then. is_on: also the trunk is."""

    trunk_id: UUID
    version: int
    is_on: bool
    fields: tuple[Any, ...]
    standing_version: int | None
    standing: Standing | None

    @property
    def transport(self) -> str:
        return str(self.fields[-2])

    def account(self, keys: TrunkKeys) -> Account:
        """Raises CannotOpenPassword."""
        return account_of(self.trunk_id, self.version, self.fields, keys)


def account_of(trunk_id: UUID, version: int, fields: Sequence[Any], keys: TrunkKeys) -> Account:
    """fields: the columns sql.ACCOUNT. Raises CannotOpenPassword."""
    registrar, proxy, username, auth_username, contact_user, expires_s, transport, sealed = fields
    return Account(
        trunk_id=trunk_id,
        version=version,
        registrar=parse_server(registrar),
        username=username,
        password=keys.open(sealed, trunk_id),
        auth_username=auth_username,
        outbound_proxy=parse_server(proxy) if proxy else None,
        contact_user=contact_user,
        expires_s=expires_s,
        transport=transport,
    )


async def take_lease(connection: AnyConnection, holder: str) -> float | None:
    """The database's time in seconds since the epoch if `holder` keeps the registrations now, None if another does."""
    cursor = await connection.execute(sql.TAKE_LEASE, {"holder": holder, "lease_s": sql.LEASE_S})
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def leave_lease(connection: AnyConnection, holder: str) -> None:
    await connection.execute(sql.LEAVE_LEASE, {"holder": holder})


async def read_registrations(connection: AnyConnection, ahead_s: float) -> list[Asked]:
    rows = await (await connection.execute(sql.REGISTRATIONS)).fetchall()
    return [_asked(row, ahead_s) for row in rows]


async def read_probed(connection: AnyConnection) -> dict[UUID, Asking]:
    """The trunks whose servers are asked."""
    rows = await (await connection.execute(sql.PROBED)).fetchall()
    return {trunk_id: Asking(interval_s, domain) for trunk_id, interval_s, domain in rows}


async def read_probes(connection: AnyConnection, ahead_s: float) -> dict[tuple[UUID, Address], ProbeState]:
    rows = await (await connection.execute(sql.PROBES)).fetchall()
    states = [_probe_state(row, ahead_s) for row in rows]
    return {(state.trunk_id, state.server): state for state in states}


async def write(
    connection: AnyConnection,
    standings: Mapping[tuple[UUID, int], Standing],
    probes: Collection[ProbeState],
    changed: Iterable[UUID],
    ahead_s: float,
) -> None:
    """What became of registrations, by trunk and version, and of probes; pages hear of the trunks that changed."""
    async with connection.transaction():
        if standings:
            rows = [_standing_row(key, standing, ahead_s) for key, standing in standings.items()]
            await connection.execute(sql.WRITE_STATES, {"rows": to_json(rows)})
        if probes:
            rows = [_probe_row(state, ahead_s) for state in probes]
            await connection.execute(sql.WRITE_PROBES, {"rows": to_json(rows)})
        for payload in payloads(changed):
            await connection.execute(NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})


async def forget_probes(connection: AnyConnection, but: Collection[UUID]) -> None:
    await connection.execute(sql.FORGET_PROBES, {"ids": list(but)})


def _asked(row: tuple[Any, ...], ahead_s: float) -> Asked:
    trunk_id, version, is_on, *fields = row[:11]
    return Asked(trunk_id, version, is_on, tuple(fields), row[11], _standing(row[12:], ahead_s))


def _standing(row: tuple[Any, ...], ahead_s: float) -> Standing | None:
    state, reason, status, phrase, server, contact, failures, since, until, next_attempt = row
    if state is None:
        return None
    return Standing(
        state=UplinkState(state),
        since_s=since - ahead_s,
        reason=UplinkReason(reason),
        status=status,
        phrase=phrase,
        server=server,
        contact=contact,
        registered_until_s=_moved(until, -ahead_s),
        next_attempt_s=_moved(next_attempt, -ahead_s),
        failures=failures,
    )


def _standing_row(key: tuple[UUID, int], standing: Standing, ahead_s: float) -> dict[str, Any]:
    return {
        "trunk_id": key[0],
        "version": key[1],
        "state": standing.state,
        "reason": standing.reason,
        "status": standing.status,
        "phrase": standing.phrase,
        "server": standing.server,
        "contact": standing.contact,
        "failures": standing.failures,
        "since": standing.since_s + ahead_s,
        "registered_until": _moved(standing.registered_until_s, ahead_s),
        "next_attempt_at": _moved(standing.next_attempt_s, ahead_s),
    }


def _probe_state(row: tuple[Any, ...], ahead_s: float) -> ProbeState:
    probe_id, trunk_id, host, port, state, since, answered_at, status, rtt_ms, average, lost = row
    return ProbeState(
        probe_id,
        trunk_id,
        (host, port),
        since - ahead_s,
        state,
        _moved(answered_at, -ahead_s),
        status,
        rtt_ms,
        average,
        lost,
    )


def _probe_row(state: ProbeState, ahead_s: float) -> dict[str, Any]:
    return {
        "id": state.id,
        "trunk_id": state.trunk_id,
        "host": state.server[0],
        "port": state.server[1],
        "state": state.state,
        "since": state.since_s + ahead_s,
        "answered_at": _moved(state.answered_s, ahead_s),
        "status": state.status,
        "rtt_ms": state.rtt_ms,
        "rtt_avg_ms": state.rtt_avg_ms,
        "lost": state.lost,
    }


def _moved(at_s: float | None, by_s: float) -> float | None:
    return None if at_s is None else at_s + by_s
