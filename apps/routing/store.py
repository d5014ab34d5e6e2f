"""Where calls go, as the database says now: many addresses in one statement. Knows rows, not SIP.

For the processes that carry calls; what they do with an answer is theirs. Must not use Django's ORM.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncConnection

from apps.registrar.sql import to_json
from apps.routing import sql
from apps.routing.answer import (
    Owner,
    Question,
    RouteAnswer,
    Target,
    Wanted,
    WantedContact,
    answer,
    dialled,
    is_dial_address,
    of_device,
)
from apps.sip.params import split_list
from apps.sip.uri import aor_of, format_host
from apps.sipserver.events import Origin, Transport

Row = Mapping[str, Any]


async def look_up(
    connection: AsyncConnection[Any], questions: Sequence[Question], gruu_key: bytes
) -> list[RouteAnswer]:
    """One for each, in their order. `connection`: of a Store's hot_pool."""
    rows = await (await connection.execute(sql.LOOK_UP, params(questions))).fetchall()
    return answers(questions, *rows[0], gruu_key=gruu_key)


def params(questions: Sequence[Question]) -> dict[str, str]:
    """Of ROUTES_AND_DIALLED."""
    asked = [
        {"number": number, "domain": one.domain, "host": format_host(one.domain), "username": one.user}
        for number, one in enumerate(questions)
        if isinstance(one, Wanted)
    ]
    contacts = [
        {"number": number, "host": one.uri.host, "port": one.uri.port}
        for number, one in enumerate(questions)
        if isinstance(one, WantedContact) and is_dial_address(one.uri)
    ]
    return {"asked": to_json(asked), "dialled": to_json(contacts)}


def answers(
    questions: Sequence[Question], routes: Iterable[Row], contacts: Iterable[Row], *, gruu_key: bytes
) -> list[RouteAnswer]:
    """From the two lists of ROUTES_AND_DIALLED."""
    by_number: dict[int, list[Row]] = defaultdict(list)
    for row in (*routes, *contacts):
        by_number[row["number"]].append(row)
    return [_answer(one, by_number[number], gruu_key) for number, one in enumerate(questions)]


def _answer(question: Question, rows: Sequence[Row], gruu_key: bytes) -> RouteAnswer:
    targets = [_target(row) for row in rows if row["binding_id"] is not None]
    if isinstance(question, WantedContact):
        return dialled(question.uri, question.domain, targets)
    whole = answer(
        aor_of(question.user, question.domain),
        _owner(rows[0]),
        targets,
        is_our_domain=rows[0]["domain_id"] is not None,
        redirects=bool(rows[0]["redirects"]),
    )
    return whole if question.gruu is None else of_device(whole, question.gruu, gruu_key)


def _owner(row: Row) -> Owner | None:
    if row["extension_id"] is None:
        return None
    return Owner(None if row["is_peer"] else UUID(row["extension_id"]), row["enabled"])


def _target(row: Row) -> Target:
    local = None if row["local"] is None else bytes.fromhex(row["local"])
    transport = cast(Transport, row["transport"])
    return Target(
        aor=row["aor"],
        uri=row["contact"],
        destination=Origin(row["received_addr"], row["received_port"], transport, row["flow"], local),
        server=row["server"],
        path=tuple(split_list(row["path"])) if row["path"] else (),
        q=row["q"],
        refreshed_at=dt.datetime.fromtimestamp(row["refreshed_at"], dt.UTC),
        reachable=not row["is_lost"],
        binding_id=UUID(row["binding_id"]),
        peer_id=UUID(row["peer_id"]),
        peer_name=row["peer_name"],
        instance_id=row["instance_id"],
        call_id=row["call_id"],
    )
