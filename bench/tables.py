"""Measurements as what a reader wants: ratios first, then one table of medians. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Final

from bench.measuring import Measurement

TIE: Final = (0.85, 1.15)
CEILINGS: Final = ("echo", "writes")
HEAD: Final = (
    "server",
    "mode",
    "per second",
    "min-max",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "repeated",
    "503",
    "failed",
    "server µs",
    "PostgreSQL µs",
    "client µs",
    "others' cores",
    "rounds",
)


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def grouped(measured: Iterable[Measurement]) -> dict[tuple[str, str], list[Measurement]]:
    """By server and mode, in the order they first came."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in measured:
        groups.setdefault((one.server, one.mode), []).append(one)
    return groups


def undisturbed(group: Sequence[Measurement]) -> Sequence[Measurement]:
    """Those during which others left the machine alone; all of them if there is none."""
    return [one for one in group if not one.is_disturbed] or group


def median_of(group: Sequence[Measurement], value: Callable[[Measurement], float]) -> float:
    return median(value(one) for one in undisturbed(group))


def rows(measured: Iterable[Measurement]) -> list[list[str]]:
    """The medians under HEAD. CPU times are microseconds for one registration."""
    return [_row(*key, group) for key, group in grouped(measured).items()]


def ratio_of(
    mine: Sequence[Measurement], other: Sequence[Measurement], value: Callable[[Measurement], float]
) -> float:
    """The median of what is found round by round: the machine is another from hour to hour. Rounds in which both were
    left alone, if there are any."""
    pairs = [(one, another) for one in mine for another in other if one.round == another.round]
    calm = [(one, another) for one, another in pairs if not (one.is_disturbed or another.is_disturbed)]
    return median(value(one) / (value(another) or 1.0) for one, another in calm or pairs)


def ratios(measured: Sequence[Measurement], ours: str) -> list[str]:
    """One sentence for each other server and mode: how many times its rate, and its CPU time, ours are."""
    groups = grouped(measured)
    lines = []
    for (server, mode), group in groups.items():
        mine = groups.get((ours, mode))
        if server == ours or mine is None:
            continue
        rate = ratio_of(mine, group, lambda one: one.per_s)
        cost = ratio_of(mine, group, lambda one: one.cost_us)
        tie = ", a tie" if TIE[0] <= rate <= TIE[1] else ""
        lines.append(
            f"{mode}: {ours} / {server}: rate {rate:.2f}x{tie}; CPU of server and database {cost:.2f}x"
        )
    return lines


def shares_of_ceiling(measured: Sequence[Measurement], ours: str) -> list[str]:
    """What part of the lower ceiling our refreshes reach; a registration is one datagram in, one out, and one row."""
    groups = grouped(measured)
    ceilings = [group for (_, mode), group in groups.items() if mode in CEILINGS]
    mine = groups.get((ours, "refresh"))
    if mine is None or not ceilings:
        return []
    lowest = min(ceilings, key=lambda group: median_of(group, lambda one: one.per_s))
    share = ratio_of(mine, lowest, lambda one: one.per_s)
    rate = median_of(lowest, lambda one: one.per_s)
    return [f"refresh: {share:.0%} of the lower ceiling ({lowest[0].server}, {rate:,.0f}/s)"]


def disturbance(measured: Sequence[Measurement]) -> str:
    """How many measurements count for less, because others used the machine."""
    count = sum(one.is_disturbed for one in measured)
    if not count:
        return "The machine was left alone."
    return (
        f"{count} of {len(measured)} measurements were disturbed: others took more than 0.2 cores, or the machine "
        "stood still. Medians are of the undisturbed, where there are any; on a busy machine CPU times tell more than "
        "rates."
    )


def line(one: Measurement) -> str:
    """One measurement for the person who waits."""
    load = one.load
    return (
        f"{one.round + 1}  {one.server}, {one.mode}: {one.per_s:,.0f}/s, p50 {load['p50_ms']:.1f} ms, "
        f"p99 {load['p99_ms']:.1f} ms, server {one.server_us:.0f} µs + PostgreSQL {one.database_us:.0f} µs, "
        f"others {one.others_cores:.2f} cores"
    )


def _row(server: str, mode: str, group: Sequence[Measurement]) -> list[str]:
    chosen = undisturbed(group)
    rates = [one.per_s for one in chosen]
    clean = sum(not one.is_disturbed for one in group)

    def ms(name: str) -> str:
        return f"{median(float(one.load[name]) for one in chosen):.1f}"

    return [
        server,
        mode,
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}-{max(rates):,.0f}",
        ms("p50_ms"),
        ms("p99_ms"),
        ms("p999_ms"),
        str(sum(int(one.load["retransmissions"]) for one in chosen)),
        str(sum(int(one.load["deferred"]) for one in chosen)),
        str(sum(int(one.load["failures"]) for one in chosen)),
        f"{median(one.server_us for one in chosen):.0f}",
        f"{median(one.database_us for one in chosen):.0f}",
        f"{median(one.client_us for one in chosen):.0f}",
        f"{median(one.others_cores for one in chosen):.2f}",
        f"{clean}/{len(group)}",
    ]
