"""What else is at the addresses of a trunk: other trunks, phones, blocked networks. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.trunks.trust import Entry, Network

MOST_NAMED: Final = 3


class ConflictCode(StrEnum):
    SAME_ADDRESS = "same_address"
    OVERLAP = "overlap"
    PHONES = "phones"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Conflict:
    """`network` is the trunk's; the sentence says what follows from it."""

    code: ConflictCode
    network: Network
    sentence: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """others: what other enabled trunks trust, with their names. phones: names of SIP peers registered from a network
    of the trunk. blocked: the blocked networks."""

    others: Sequence[Entry] = ()
    names: Mapping[UUID, str] | None = None
    phones: Mapping[Network, Sequence[str]] | None = None
    blocked: Sequence[Network] = ()


def conflicts(entries: Iterable[Entry], around: Surroundings) -> list[Conflict]:
    """Of each entry, in their order."""
    return [found for entry in entries for found in _of_entry(entry, around)]


def _of_entry(entry: Entry, around: Surroundings) -> Iterator[Conflict]:
    names, shown = around.names or {}, show(entry.network)
    for other in around.others:
        name = names.get(other.peer_id, "another trunk")
        if entry.ties(other):
            words = f"{name} is trusted from {shown} as well: as long as both are, neither is."
            yield Conflict(ConflictCode.SAME_ADDRESS, entry.network, words)
        elif entry.meets(other):
            words = f"{name} is trusted from {show(other.network)}, too: {_winner(entry, other, name)}"
            yield Conflict(ConflictCode.OVERLAP, entry.network, words)
    if phones := (around.phones or {}).get(entry.network):
        yield Conflict(ConflictCode.PHONES, entry.network, _phones(phones, shown))
    for network in around.blocked:
        if network.version == entry.network.version and network.overlaps(entry.network):
            words = f"{show(network)} is blocked: nothing from there is answered, whoever trusts it."
            yield Conflict(ConflictCode.BLOCKED, entry.network, words)


def show(network: Network) -> str:
    """A single address without its prefix."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _winner(entry: Entry, other: Entry, name: str) -> str:
    if entry.network.prefixlen == other.network.prefixlen:
        more = "this trunk names" if entry.named > other.named else f"{name} names"
        return f"what both lines fit is whose line names more of port and transport, and {more} more."
    narrower = "this trunk's" if entry.network.prefixlen > other.network.prefixlen else f"{name}'s"
    return f"a packet that fits both is {narrower}, whose network is the smaller one."


def _phones(names: Sequence[str], shown: str) -> str:
    named = ", ".join(names[:MOST_NAMED])
    more = " and more" if len(names) > MOST_NAMED else ""
    are = "is" if len(names) == 1 else "are"
    follows = "calls from there would count as the trunk's, without a password."
    return f"{named}{more} {are} registered from {shown}: {follows}"
