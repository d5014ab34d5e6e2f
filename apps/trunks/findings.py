"""Why a carrier's calls do not come in, or ours do not go out: facts about a trunk to findings, worst first. Pure.

Shaped like the findings about phones (apps.diagnosis.facts): code, severity, sentence, dated evidence, fix.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.trunks.conflicts import Conflict, ConflictCode, show
from apps.trunks.trust import Entry, Network, source_address

# A refusal shows what is wrong now, not what was once.
REFUSALS_OF: Final = dt.timedelta(days=7)
NAMED: Final = 3


class Severity(StrEnum):
    BROKEN = "broken"
    ATTENTION = "attention"
    FINE = "fine"


class RefusalState(StrEnum):
    """What the trunk's list says of a refused address now."""

    OUTSIDE = "outside"
    OTHER_PORT = "other_port"
    TRUSTED_NOW = "trusted_now"
    OTHER_TRUNK = "other_trunk"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Calls from an address near one of the trunk's that were challenged (407) or refused (403)."""

    host: str
    port: int
    status: int
    count: int
    first_at: dt.datetime
    last_at: dt.datetime
    state: RefusalState


@dataclass(frozen=True, slots=True)
class Name:
    """A host name the trunk is trusted by or called at."""

    name: str
    addresses: tuple[str, ...] = ()
    resolved_at: dt.datetime | None = None
    tried_at: dt.datetime | None = None
    problem: str = ""
    is_good: bool = False


@dataclass(frozen=True, slots=True)
class Packet:
    at: dt.datetime
    host: str
    port: int
    transport: str
    method: str


@dataclass(frozen=True, slots=True)
class CallsRefused:
    """Calls that went out since the carrier last took one. status, phrase, proven as of calls.values.CarrierAnswer."""

    since: dt.datetime
    last_at: dt.datetime
    count: int
    status: int | None
    phrase: str = ""
    proven: bool = False


@dataclass(frozen=True, slots=True)
class TrunkFacts:
    enabled: bool
    entries: Sequence[Entry]
    names: Sequence[Name] = ()
    last_packet: Packet | None = None
    refusals: Sequence[Refusal] = ()
    conflicts: Sequence[Conflict] = ()
    calls_refused: CallsRefused | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    at: dt.datetime
    text: str
    count: int = 1
    last_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`add`: an address that the fix would add to the list."""

    code: str
    severity: Severity
    sentence: str
    evidence: list[Evidence] = field(default_factory=list)
    fix: str = ""
    add: str = ""


def findings(facts: TrunkFacts) -> list[Finding]:
    """The verdict first; never empty."""
    found = [*_switched_off(facts), *_names(facts), *_conflicts(facts), *_calls_out(facts), *_refused(facts)]
    found.sort(key=lambda one: list(Severity).index(one.severity))
    if not any(one.severity is Severity.BROKEN for one in found):
        found += _heard(facts)
    return found


def neighbourhood(network: Network) -> Network:
    """The /24, of IPv6 the /48, that a network lies in; a wider one itself."""
    least = 24 if network.version == 4 else 48
    return network if network.prefixlen <= least else network.supernet(new_prefix=least)


def _switched_off(facts: TrunkFacts) -> Iterator[Finding]:
    if not facts.enabled:
        yield Finding(
            "disabled",
            Severity.BROKEN,
            "The trunk is switched off: its calls are refused.",
            fix="Switch it on in its settings.",
        )
    elif not facts.entries and not facts.names:
        yield Finding(
            "trusted_from_nowhere",
            Severity.BROKEN,
            "It is trusted from nowhere: every call of it is refused.",
            fix="Add the addresses that the carrier says it sends calls from.",
        )


def _names(facts: TrunkFacts) -> Iterator[Finding]:
    for name in facts.names:
        if not name.problem and (name.is_good or name.tried_at is None):
            continue
        evidence = (
            [Evidence(name.tried_at, f"{name.name}: {name.problem}")]
            if name.tried_at and name.problem
            else []
        )
        if name.is_good:
            words = f"The name {name.name} leads nowhere right now. Its last addresses stay good for an hour."
            yield Finding(
                "name_failing", Severity.ATTENTION, words, evidence, "Ask the carrier, or the name server."
            )
        else:
            words = f"The name {name.name} leads nowhere: nobody is trusted by it, and no call goes there."
            fix = "Check how it is written, and that this server reaches its name servers; or give addresses instead."
            yield Finding("name_unresolved", Severity.BROKEN, words, evidence, fix)


def _conflicts(facts: TrunkFacts) -> Iterator[Finding]:
    for conflict in facts.conflicts:
        if conflict.code in (ConflictCode.SAME_ADDRESS, ConflictCode.BLOCKED):
            fix = (
                "Remove the address from one of the two."
                if conflict.code is ConflictCode.SAME_ADDRESS
                else ("Unblock the network in the settings, or remove the address here.")
            )
            yield Finding(str(conflict.code), Severity.BROKEN, conflict.sentence, fix=fix)
        else:
            yield Finding(str(conflict.code), Severity.ATTENTION, conflict.sentence)


def _refused(facts: TrunkFacts) -> Iterator[Finding]:
    for one in facts.refusals:
        evidence = [Evidence(one.first_at, _what_happened(one), one.count, one.last_at)]
        if one.state is RefusalState.OUTSIDE:
            yield Finding(
                "neighbour_refused",
                Severity.ATTENTION,
                f"Calls from {one.host} are refused: the address is near the trunk's, but not in its list.",
                evidence,
                f"If {one.host} is the carrier's, too, add it. Trusted is {_trusted(facts)}.",
                add=one.host,
            )
        elif one.state is RefusalState.OTHER_PORT:
            yield Finding(
                "other_port_refused",
                Severity.ATTENTION,
                f"Calls from {one.host} are refused: the address is in the list, but for another port or transport.",
                evidence,
                f"Its packets come from port {one.port}. Carriers often change it: trust any port unless they say not.",
                add=one.host,
            )


def _calls_out(facts: TrunkFacts) -> Iterator[Finding]:
    refused = facts.calls_refused
    if refused is None:
        return
    said = "no answer" if refused.status is None else f"{refused.status} {refused.phrase}".rstrip()
    code, sentence, fix = _why_refused(refused, said)
    evidence = [Evidence(refused.since, f"Call out: {said}", refused.count, refused.last_at)]
    yield Finding(code, Severity.ATTENTION, sentence, evidence, fix)


def _why_refused(refused: CallsRefused, said: str) -> tuple[str, str, str]:
    """Code, sentence and fix."""
    if refused.status is None:
        return (
            "calls_unanswered",
            "Nobody answers the calls that go out: the carrier's server says nothing.",
            "Check the server, its port and transport under Calls out, and that no firewall is in between.",
        )
    if refused.status in (401, 407):
        words = (
            "does not take the trunk's password"
            if refused.proven
            else "asks for a password the trunk does not have"
        )
        return (
            "calls_challenged",
            f"For calls that go out the carrier {words}.",
            "Enter the user name and password that it gave for calls under Registration with the carrier.",
        )
    if refused.status < 500:
        return (
            "calls_refused",
            f"The carrier refuses the calls that go out: {said}.",
            "Ask the carrier. Often the caller's number has to be one of theirs, or they do not know this server's "
            "address, or the account has no credit.",
        )
    return (
        "calls_failing",
        f"The carrier cannot take the calls that go out: {said}.",
        "Ask the carrier. Another trunk that takes the same numbers is tried next.",
    )


def _heard(facts: TrunkFacts) -> Iterator[Finding]:
    packet = facts.last_packet
    if packet is None:
        words = "Nothing was heard of it yet."
        fix = "Have a call made to one of its numbers. If it does not come in, what was refused is said here."
        yield Finding("never_heard", Severity.ATTENTION, words, fix=fix)
    else:
        yield Finding("heard", Severity.FINE, "Its packets come in and are known as its own.")


def state_of(host: str, entries: Sequence[Entry], is_ours: bool, is_anothers: bool) -> RefusalState:
    """is_ours, is_anothers: whose a packet from there is by now."""
    if is_ours:
        return RefusalState.TRUSTED_NOW
    if is_anothers:
        return RefusalState.OTHER_TRUNK
    address = source_address(host)
    inside = any(address in entry.network for entry in entries) if address else False
    return RefusalState.OTHER_PORT if inside else RefusalState.OUTSIDE


def _what_happened(one: Refusal) -> str:
    words = "asked for a password" if one.status == 407 else "refused"
    return f"Call from {one.host} port {one.port}: {words} ({one.status})"


def _trusted(facts: TrunkFacts) -> str:
    shown = list(dict.fromkeys(show(entry.network) for entry in facts.entries))
    return (", ".join(shown[:NAMED]) + (" and more" if len(shown) > NAMED else "")) or "nothing"
