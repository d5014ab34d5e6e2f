"""application/reginfo+xml (RFC 3680 §5): an AOR's bindings as a document, all of them or what changed. Pure.

Must not decide who gets it. Whatever a phone wrote into its Contact comes out as text, never as markup.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from apps.registrar.bindings import ChangeSet, Event, StoredBinding
from apps.registrar.outcomes import EventKind

NAMESPACE: Final = "urn:ietf:params:xml:ns:reginfo"

RegistrationState = Literal["init", "active", "terminated"]

# RFC 3680 §5.1: the contact's state after each event, and the event's word.
CONTACT_EVENTS: Final[dict[EventKind, tuple[str, str]]] = {
    EventKind.REGISTERED: ("active", "registered"),
    EventKind.SHORTENED: ("active", "shortened"),
    EventKind.MOVED: ("active", "refreshed"),
    EventKind.EXPIRED: ("terminated", "expired"),
    EventKind.UNREGISTERED: ("terminated", "unregistered"),
    EventKind.DEACTIVATED: ("terminated", "deactivated"),
    EventKind.REJECTED: ("terminated", "rejected"),
}


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A binding, and what became of it."""

    binding: StoredBinding
    event: EventKind


def full_state(
    aor: str,
    bindings: Sequence[StoredBinding],
    ended: Iterable[ContactChange],
    version: int,
    now: dt.datetime,
) -> bytes:
    """All live bindings of the AOR, and those that ended just now."""
    contacts = [
        _contact(row, "active", "refreshed" if row.refresh_count else "registered", now) for row in bindings
    ]
    contacts += [_changed(change, now) for change in ended if not _is_active(change)]
    return _document("full", version, aor, "active" if bindings else "init", contacts)


def partial_state(
    aor: str,
    bindings: Sequence[StoredBinding],
    changes: Iterable[ContactChange],
    version: int,
    now: dt.datetime,
) -> bytes:
    """What changed alone (§5.2); `bindings` are the live ones afterwards."""
    contacts = [_changed(change, now) for change in changes]
    return _document("partial", version, aor, "active" if bindings else "terminated", contacts)


def contact_changes(changes: ChangeSet) -> dict[str, list[ContactChange]]:
    """What a change set does to the contacts of each AOR, as subscribers see it: refreshes and refusals are nothing.

    Each binding's last event counts; one that came and went within the change set was never there.
    """
    last: dict[object, Event] = {
        event.binding_id: event
        for event in changes.events
        if event.event in CONTACT_EVENTS and event.binding_id is not None
    }
    if not last:
        return {}
    rows = [*changes.upserts, *changes.deletes]
    by_aor: dict[str, list[ContactChange]] = {}
    for row in rows:
        event = last.get(row.binding_id)
        if event is not None:
            by_aor.setdefault(row.aor, []).append(ContactChange(row, event.event))
    return by_aor


def _is_active(change: ContactChange) -> bool:
    return CONTACT_EVENTS[change.event][0] == "active"


def _changed(change: ContactChange, now: dt.datetime) -> str:
    return _contact(change.binding, *CONTACT_EVENTS[change.event], now)


def _contact(binding: StoredBinding, state: str, event: str, now: dt.datetime) -> str:
    attributes = {
        "id": binding.binding_id.hex,
        "state": state,
        "event": event,
        "duration-registered": str(max(0, (now - binding.registered_at) // dt.timedelta(seconds=1))),
        "callid": binding.call_id,
        "cseq": str(binding.cseq),
    }
    if state == "active":
        attributes["expires"] = str(max(0, binding.expires_s(now)))
    if binding.q is not None:
        attributes["q"] = f"{binding.q / 1000:.3f}".rstrip("0").rstrip(".")
    return (
        f"<contact{_attributes(attributes)}><uri>{_text(binding.contact)}</uri>{_params(binding)}</contact>"
    )


def _params(binding: StoredBinding) -> str:
    """What tells devices of one user apart (RFC 5628 §4)."""
    params = {"+sip.instance": f'"{binding.instance_id}"' if binding.instance_id else None}
    params["reg-id"] = str(binding.reg_id) if binding.reg_id is not None else None
    return "".join(
        f"<unknown-param{_attributes({'name': name})}>{_text(value)}</unknown-param>"
        for name, value in params.items()
        if value is not None
    )


def _document(
    kind: Literal["full", "partial"],
    version: int,
    aor: str,
    state: RegistrationState,
    contacts: Sequence[str],
) -> bytes:
    registration = {"aor": aor, "id": _registration_id(aor), "state": state}
    reginfo = {"xmlns": NAMESPACE, "version": str(version), "state": kind}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<reginfo{_attributes(reginfo)}>",
        f"<registration{_attributes(registration)}>",
        *contacts,
        "</registration>",
        "</reginfo>",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _registration_id(aor: str) -> str:
    """The same in every document about the AOR, and unlike any other's."""
    return "r" + blake2b(aor.encode(), digest_size=8, person=b"reginfo").hexdigest()


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_xml_chars(value))}" for name, value in values.items())


def _text(value: str) -> str:
    return escape(_xml_chars(value))


def _xml_chars(text: str) -> str:
    """XML 1.0 §2.2 has no place for control characters, not even escaped, nor for U+FFFE and U+FFFF."""
    return "".join(
        char
        if char >= " " and char not in "\x7f\ufffe\uffff" and not "\ud800" <= char <= "\udfff"
        else "\ufffd"
        for char in text
    )
