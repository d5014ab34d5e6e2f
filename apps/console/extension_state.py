"""How an extension is doing, in a sentence, from the rows of its devices. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from apps.extensions.models import Extension
from apps.registrar.selectors import RegistrationRow
from apps.registrar.states import PeerState


@dataclass(frozen=True, slots=True)
class ExtensionLine:
    """A row of the Extensions list."""

    extension: Extension
    state: str
    words: str
    devices: int
    online: int


def extension_line(extension: Extension, rows: Sequence[RegistrationRow]) -> ExtensionLine:
    state = _state(extension, rows)
    return ExtensionLine(
        extension=extension,
        state=state.value,
        words=state.label,
        devices=len(rows),
        online=sum(row.state == PeerState.ONLINE for row in rows),
    )


def extension_sentence(extension: Extension, rows: Sequence[RegistrationRow]) -> tuple[str, str]:
    """(state for the dot, sentence). The best device speaks first; what is wrong is said with it."""
    state = _state(extension, rows)
    refused = next((row.refused_words for row in rows if row.refused_words), None)
    match state:
        case PeerState.DISABLED:
            sentence = "Disabled: its phones are refused."
        case PeerState.ONLINE:
            sentence = _online(rows) + (f" A phone is refused: {refused}." if refused else "")
        case PeerState.LATE:
            sentence = "Late: the phone's renewal is overdue."
        case PeerState.UNREACHABLE:
            sentence = "Registered, but the phone does not answer."
        case PeerState.REFUSED:
            sentence = f"Not reachable: the phone is refused, {refused}."
        case PeerState.OFFLINE:
            gone = max((row for row in rows if row.offline_since), key=_offline_since, default=None)
            sentence = f"Offline: {gone.end_words}." if gone else "Offline."
        case _:
            sentence = "No phone has registered yet."
    return state.value, sentence


def _state(extension: Extension, rows: Sequence[RegistrationRow]) -> PeerState:
    """Of the device that is doing best; one online device makes the extension reachable."""
    if not extension.enabled:
        return PeerState.DISABLED
    states = {row.state for row in rows}
    order = (
        PeerState.ONLINE,
        PeerState.LATE,
        PeerState.UNREACHABLE,
        PeerState.REFUSED,
        PeerState.OFFLINE,
        PeerState.NEVER_REGISTERED,
    )
    return next((state for state in order if state in states), PeerState.NEVER_REGISTERED)


def _online(rows: Sequence[RegistrationRow]) -> str:
    devices = sum(row.state == PeerState.ONLINE for row in rows)
    contacts = sum(len(row.bindings) for row in rows)
    words = f"Online on {devices} device{'' if devices == 1 else 's'}"
    return f"{words}." if contacts == devices else f"{words}, {contacts} contacts."


def _offline_since(row: RegistrationRow) -> dt.datetime:
    return row.offline_since or dt.datetime.min.replace(tzinfo=dt.UTC)
