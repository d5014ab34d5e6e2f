"""OPTIONS to carriers' servers (RFC 3261 §11.1): whose turn it is, and what the answers say. Sans-IO.

Whoever holds Probes gives it time by `due` and reads `known`. Judged as phones are (apps/registrar/qualify).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from apps.registrar.qualify.answers import NOBODY_THERE
from apps.registrar.qualify.options import Target, build_options
from apps.registrar.qualify.schedule import Schedule
from apps.registrar.qualify.sql import LAGGING_ABOVE_MS, LAGGING_UNTIL_MS, UNREACHABLE_AFTER
from apps.registrar.qualify.transactions import Transaction, Transactions
from apps.registrar.regevent.values import Way
from apps.sip.branches import UPLINK_MAGIC
from apps.sip.reply import SipReply
from apps.sip.transactions import T1_S
from apps.sip.uri import format_host
from apps.sipserver.events import Address, Datagram, Origin
from apps.trunks.uplink.values import server_name


@dataclass(frozen=True, slots=True)
class ProbeState:
    """What is known of one server. state: unknown, reachable, lagging or unreachable; lost: in a row; rtt_ms: None
    where a repeat had left before the answer came (Karn's algorithm)."""

    id: UUID
    trunk_id: UUID
    server: Address
    since_s: float
    state: str = "unknown"
    answered_s: float | None = None
    status: int | None = None
    rtt_ms: float | None = None
    rtt_avg_ms: float | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Asking:
    """How often a server is asked, the domain that asks, and the connection, if it is asked over one."""

    interval_s: int
    domain: str
    way: Origin | None = None


Targets = Mapping[tuple[UUID, Address], Asking]
SMOOTHING: Final = 8


def answered(known: ProbeState, status: int, rtt_ms: float | None, now_s: float) -> ProbeState:
    average = known.rtt_avg_ms
    if rtt_ms is not None:
        average = rtt_ms if average is None else average + (rtt_ms - average) / SMOOTHING
    limit = LAGGING_UNTIL_MS if known.state == "lagging" else LAGGING_ABOVE_MS
    state = "lagging" if average is not None and average > limit else "reachable"
    changed = replace(
        known, answered_s=now_s, status=status, rtt_ms=rtt_ms, rtt_avg_ms=average, lost=0, state=state
    )
    return changed if state == known.state else replace(changed, since_s=now_s)


def lost(known: ProbeState, now_s: float) -> ProbeState:
    count = known.lost + 1
    if count < UNREACHABLE_AFTER or known.state == "unreachable":
        return replace(known, lost=count)
    return replace(known, lost=count, state="unreachable", since_s=now_s)


class Probes:
    """`token` gives 32 hex digits, `new_id` an id, both by chance. ahead_s: how far the epoch is ahead of our clock, so
    that a server's turns stay where they were after a restart."""

    def __init__(self, token: Callable[[], str], new_id: Callable[[], UUID]) -> None:
        self.known: dict[UUID, ProbeState] = {}
        self.ahead_s = 0.0
        self._token, self._new_id = token, new_id
        self._asking: dict[UUID, Asking] = {}
        self._schedule = Schedule({})
        self._looked_until_s: float | None = None
        self._under_way = Transactions()
        self._sent: dict[str, tuple[UUID, int, float]] = {}
        self._numbers = 0

    def aim(self, targets: Targets, kept: Mapping[tuple[UUID, Address], ProbeState], now_s: float) -> bool:
        """These servers from now on; kept: what is known of some of them. Whether that is a change."""
        ours = {(state.trunk_id, state.server): state for state in self.known.values()}
        states = {key: ours.get(key) or kept.get(key) or self._new(*key, now_s) for key in targets}
        asking = {states[key].id: one for key, one in targets.items()}
        if asking == self._asking:
            return False
        self.known, self._asking = {state.id: state for state in states.values()}, asking
        intervals: dict[int, list[UUID]] = {}
        for probe_id, one in asking.items():
            intervals.setdefault(one.interval_s, []).append(probe_id)
        self._schedule = Schedule(intervals)
        self._sent = {branch: sent for branch, sent in self._sent.items() if sent[0] in asking}
        return True

    def due(self, own: Address, now_s: float) -> list[Datagram]:
        """Repeats, and OPTIONS to those whose turn has come; a server not heard of yet is asked at once."""
        for one in self._under_way.take_lost(now_s):
            self._forget(one.binding_id, one.number)
            if one.binding_id in self.known:
                self.known[one.binding_id] = lost(self.known[one.binding_id], now_s)
        datagrams: list[Datagram] = []
        for one in self._under_way.to_repeat(now_s):
            one.repeated()
            datagrams.append((one.data, one.destination))
        return datagrams + [self._ask(probe_id, own, now_s) for probe_id in self._turns(now_s)]

    def hear(self, reply: SipReply, now_s: float) -> None:
        """An answer to one of them counts, from whomever is behind the server, but for what says that nobody is."""
        sent = self._sent.get(reply.branch or "")
        if sent is None or reply.status < 200:
            return
        probe_id, number, sent_s = sent
        self._under_way.end(probe_id, number)
        self._forget(probe_id, number)
        known = self.known.get(probe_id)
        if known is None:
            return
        if reply.status in NOBODY_THERE:
            self.known[probe_id] = lost(known, now_s)
            return
        took_s = now_s - sent_s
        rtt_ms = took_s * 1000 if took_s < T1_S else None
        self.known[probe_id] = answered(known, reply.status, rtt_ms, now_s)

    def _new(self, trunk_id: UUID, server: Address, now_s: float) -> ProbeState:
        return ProbeState(self._new_id(), trunk_id, server, now_s)

    def _turns(self, now_s: float) -> list[UUID]:
        until_s = now_s + self.ahead_s
        since_s, self._looked_until_s = self._looked_until_s, until_s
        under_way = {probe_id for probe_id, _, _ in self._sent.values()}
        turns = set() if since_s is None else set(self._schedule.due(since_s, until_s))
        turns |= {
            probe_id for probe_id, state in self.known.items() if state.state == "unknown" and not state.lost
        }
        return sorted((turns & self.known.keys()) - under_way)

    def _ask(self, probe_id: UUID, own: Address, now_s: float) -> Datagram:
        state, asking = self.known[probe_id], self._asking[probe_id]
        self._numbers += 1
        branch, uri = f"{UPLINK_MAGIC}{self._token()}", f"sip:{server_name(state.server)}"
        destination: Address | Origin = asking.way or state.server
        target = Target(uri, uri, Way(*destination), asker=asking.domain)
        data = build_options(target, f"{format_host(own[0])}:{own[1]}", branch, self._token())
        self._sent[branch] = probe_id, self._numbers, now_s
        self._under_way.add(
            Transaction.begin(
                probe_id,
                self._numbers,
                data,
                destination,
                now_s=now_s,
                interval_s=asking.interval_s,
                t1_s=T1_S if asking.way is None else None,
            )
        )
        return data, destination

    def _forget(self, probe_id: UUID, number: int) -> None:
        self._sent = {branch: sent for branch, sent in self._sent.items() if sent[:2] != (probe_id, number)}
