"""docs/interop.md from the rows of one run."""

import datetime as dt
from collections.abc import Sequence

from tests.interop.cases import DONE, STEPS, Row

INTRODUCTION = """\
# Real clients

`./run interop` starts the product, lets real SIP clients register with it and call each other, and writes this page;
nothing here is written by hand. For each client, transport and algorithm the domain offers that algorithm alone, and
the client then, as far as it can (WSS is the same WebSocket behind a TLS proxy; IPv6 is `::1`, with `[::1]` as the
domain):

- **register**: it says it is registered, and the database holds one binding, with that transport;
- **refresh**: by its button or, without one, in time; the same binding has been refreshed;
- **query**: a REGISTER without Contact; it sees its binding, and nothing has changed;
- **unregister**: the binding is gone;
- **wrong password**: another device with a wrong password says it failed, the console has "wrong password", no binding.

A client counts as "yes" only if it and the database agree. `./run interop sipp linphone` tries only those
whose name begins like that, and prints the table instead of writing it; `./run interop calls` tries the calls below.
SIPp, sipsak and baresip over UDP are in `./run test` as well.
"""


def page(rows: Sequence[Row], today: dt.date) -> str:
    notes: list[str] = []
    lines = [
        f"| client | version | transport | algorithm | {' | '.join(STEPS)} | date |",
        "|" + " --- |" * (5 + len(STEPS)),
    ]
    for row in rows:
        cells = [row.client, row.version, row.transport, row.algorithm]
        cells += [cell(row.steps.get(step, "-: an earlier step failed"), notes) for step in STEPS]
        lines.append(f"| {' | '.join(cells)} | {today.isoformat()} |")
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    failed = sum(row.failed for row in rows)
    summary = f"{len(rows)} combinations, {failed} with a failure."
    return "\n".join(
        [INTRODUCTION, *lines, "", summary, "", *(["Notes:", "", *numbered, ""] if notes else [])]
    )


def cell(result: str, notes: list[str]) -> str:
    if result == DONE:
        return DONE
    verdict, _, note = result.partition(": ")
    if note not in notes:
        notes.append(note)
    return f"{verdict} ({notes.index(note) + 1})"
