"""The calls' part of docs/interop.md from the rows of one run."""

import datetime as dt
import statistics
from collections.abc import Sequence
from itertools import groupby

from tests.interop.calls.cases import PAIR_STEPS, CallRow
from tests.interop.table import cell

INTRODUCTION = """\
## Calls

The same clients call each other through the product, as extensions of one domain; all that belongs to a call goes
through it, but its sound. A step counts as "yes" only if both sides say the same, and the binding of each is in the
database. A browser's calls (SIP over WebSocket through the web server, by a scripted client, to and from phones over
UDP) are in `./run test`. First one telephone calls another, again and again:

- **caller hangs up**, **called hangs up**: it rings, the caller hears so, it is answered, and the end of the one ends
  the other; **called back**: the same, with the call the other way;
- **refused**: the called one declines (486, linphonec 603), and the caller is told so;
- **given up**: the caller hangs up while it rings, and it rings no more;
- **not answered**: the called one gives up ringing, and the caller is told so.

**Rings after** is the middle of its calls, from the word to dial until the called telephone says that it rings: both
telephones are in it, the caller's challenge (407) and the look-up.
"""
FURTHER = """\
Then, each step with a call of its own:

- **three devices of an extension**: all ring; the first to answer has the call, and the others stop (CANCEL) while it
  goes on; one that is busy leaves the others ringing, and one of them answers; 603 ends it for all;
- **behind NAT**: the telephone is in a network namespace of its own, whose router gives it another port towards each
  address and lets nothing in; the database holds the router's address;
- **as a carrier**: a trunk trusted from 127.0.0.2 brings calls, and a number of its table leads to the telephone. The
  console says so: the refused call is among the unknown attempts, and among the trunk's refused neighbours.
"""


def section(pairs: Sequence[CallRow], others: Sequence[CallRow], today: dt.date) -> str:
    notes: list[str] = []
    lines = [
        f"| call | transport | {' | '.join(PAIR_STEPS)} | rings after | date |",
        "|" + " --- |" * (4 + len(PAIR_STEPS)),
    ]
    for row in pairs:
        cells = [cell(row.steps.get(step, "-: an earlier step failed"), notes) for step in PAIR_STEPS]
        lines.append(
            f"| {row.case} | {row.transport} | {' | '.join(cells)} | {_rings_after(row)} | {today.isoformat()} |"
        )
    lines += ["", FURTHER, "| case | transport | steps | result | date |", "|" + " --- |" * 5]
    for row in others:
        for result, steps in groupby(row.steps, key=row.steps.__getitem__):
            lines.append(
                f"| {row.case} | {row.transport} | {'; '.join(steps)} | {cell(result, notes)} | {today.isoformat()} |"
            )
    failed = sum(row.failed for row in (*pairs, *others))
    lines += ["", f"{len(pairs) + len(others)} cases, {failed} with a failure.", ""]
    if notes:
        lines += ["Notes:", "", *(f"{number}. {note}" for number, note in enumerate(notes, 1)), ""]
    return "\n".join([INTRODUCTION, *lines])


def _rings_after(row: CallRow) -> str:
    return f"{statistics.median(row.ring_ms):.0f} ms" if row.ring_ms else "-"
