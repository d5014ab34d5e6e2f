"""How an extension is doing, in a sentence, from the rows of its devices. Pure."""

from collections.abc import Sequence

from apps.extensions.models import Extension
from apps.registrar.selectors import RegistrationRow
from apps.registrar.states import PeerState


def extension_sentence(extension: Extension, rows: Sequence[RegistrationRow]) -> tuple[str, str]:
    """(state for the dot, sentence). The best device speaks first; what is wrong is said with it."""
    if not extension.enabled:
        return PeerState.DISABLED.value, "Disabled: its phones are refused."
    refused = next((row.refused_words for row in rows if row.refused_words), None)
    online = [row for row in rows if row.state == PeerState.ONLINE]
    if online:
        contacts = sum(len(row.bindings) for row in online)
        where = "1 contact" if contacts == 1 else f"{contacts} contacts"
        devices = "1 device" if len(online) == 1 else f"{len(online)} devices"
        sentence = f"Online on {devices}" + (f", {where}" if contacts != len(online) else "")
        return PeerState.ONLINE.value, sentence + (f". A phone is refused: {refused}." if refused else ".")
    if refused:
        return PeerState.REFUSED.value, f"Not reachable: the phone is refused, {refused}."
    gone = max(
        (row for row in rows if row.offline_since), key=lambda row: str(row.offline_since), default=None
    )
    if gone is not None:
        return PeerState.OFFLINE.value, f"Offline: {gone.end_words}."
    return PeerState.NEVER_REGISTERED.value, "No phone has registered yet."
