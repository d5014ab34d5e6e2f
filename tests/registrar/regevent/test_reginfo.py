"""application/reginfo+xml: what a subscriber reads about an AOR (RFC 3680 §5)."""

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest

from apps.registrar.bindings import ChangeSet, Event, StoredBinding, end_events
from apps.registrar.outcomes import EndReason, EventKind
from apps.registrar.regevent.reginfo import ContactChange, contact_changes, full_state, partial_state
from tests.registrar.regevent.subscriptions import AOR, NS, read_reginfo
from tests.registrar.registrations import NOW

BINDING = StoredBinding(
    aor=AOR,
    binding_id=UUID(int=7),
    binding_key="sip:1001@10.0.0.7",
    peer_id=UUID(int=2),
    extension_id=None,
    contact="sip:1001@10.0.0.7",
    q=500,
    received_addr="203.0.113.7",
    received_port=5062,
    transport="UDP",
    path="",
    instance_id="<urn:uuid:0f1a>",
    reg_id=1,
    call_id="call-1",
    cseq=4,
    user_agent="x",
    registered_at=NOW - dt.timedelta(seconds=90),
    refreshed_at=NOW,
    expires_at=NOW + dt.timedelta(seconds=60),
)
HOSTILE = '"><contact state="active"/>&amp;\x01\ufffe]]>\''


def began(binding: StoredBinding, kind: EventKind = EventKind.REGISTERED) -> Event:
    return Event(kind, kind, NOW, binding.aor, binding.peer_id, None, binding.binding_id)


def test_c111_full_state_lists_every_live_contact_with_its_facts() -> None:
    root = read_reginfo(full_state(AOR, [BINDING], [], 0, NOW))
    (registration,) = root
    (contact,) = registration
    assert (root.attrib["state"], root.attrib["version"]) == ("full", "0")
    assert (registration.attrib["aor"], registration.attrib["state"]) == (AOR, "active")
    assert contact.attrib == {
        "id": UUID(int=7).hex,
        "state": "active",
        "event": "registered",
        "duration-registered": "90",
        "expires": "60",
        "q": "0.5",
        "callid": "call-1",
        "cseq": "4",
    }
    assert [(child.tag, child.text) for child in contact] == [
        (f"{NS}uri", "sip:1001@10.0.0.7"),
        (f"{NS}unknown-param", '"<urn:uuid:0f1a>"'),
        (f"{NS}unknown-param", "1"),
    ]


def test_c111_a_contact_that_was_refreshed_says_so() -> None:
    root = read_reginfo(full_state(AOR, [replace(BINDING, refresh_count=3)], [], 0, NOW))
    assert root[0][0].attrib["event"] == "refreshed"


def test_c111_nobody_registered_is_the_state_init() -> None:
    root = read_reginfo(full_state(AOR, [], [], 0, NOW))
    assert root[0].attrib["state"] == "init"
    assert len(root[0]) == 0


def test_c111_partial_state_has_only_what_changed() -> None:
    other = replace(BINDING, binding_id=UUID(int=8))
    root = read_reginfo(
        partial_state(AOR, [BINDING, other], [ContactChange(other, EventKind.REGISTERED)], 5, NOW)
    )
    assert (root.attrib["state"], root.attrib["version"]) == ("partial", "5")
    assert [contact.attrib["id"] for contact in root[0]] == [other.binding_id.hex]


def test_c111_the_last_contact_that_goes_terminates_the_registration() -> None:
    root = read_reginfo(partial_state(AOR, [], [ContactChange(BINDING, EventKind.UNREGISTERED)], 1, NOW))
    assert root[0].attrib["state"] == "terminated"
    assert (root[0][0].attrib["state"], root[0][0].attrib["event"]) == ("terminated", "unregistered")
    assert "expires" not in root[0][0].attrib


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (EndReason.EXPIRED, "expired"),
        (EndReason.UNREGISTERED, "unregistered"),
        (EndReason.REPLACED, "rejected"),
        (EndReason.DROPPED, "deactivated"),
        (EndReason.DISABLED, "deactivated"),
        (EndReason.FLOW_CLOSED, "deactivated"),
    ],
)
def test_c111_each_end_has_its_word_of_rfc_3680(reason: EndReason, word: str) -> None:
    changes = ChangeSet(deletes=[BINDING], events=[*end_events(BINDING, reason, NOW)])
    root = read_reginfo(partial_state(AOR, [], contact_changes(changes)[AOR], 1, NOW))
    assert root[0][0].attrib["event"] == word


def test_c111_what_a_phone_wrote_is_text_and_never_markup() -> None:
    hostile = replace(BINDING, contact=HOSTILE, call_id=HOSTILE, instance_id=f"<{HOSTILE}>")
    root = read_reginfo(full_state(AOR, [hostile], [], 0, NOW))
    (contact,) = root[0]
    wanted = HOSTILE.replace("\x01", "\ufffd").replace("\ufffe", "\ufffd")
    assert contact[0].text == wanted
    assert contact.attrib["callid"] == wanted


def test_c111_a_refresh_or_a_refusal_is_no_change() -> None:
    refreshed = ChangeSet(upserts=[BINDING])
    refused = ChangeSet(events=[replace(began(BINDING, EventKind.REFUSED), binding_id=None)])
    assert contact_changes(refreshed) == {}
    assert contact_changes(refused) == {}
    assert contact_changes(ChangeSet(upserts=[BINDING], events=[began(BINDING, EventKind.LATE)])) == {}


def test_a_contact_registered_for_a_shorter_time_is_active_and_shortened() -> None:
    changes = ChangeSet(upserts=[BINDING], events=[began(BINDING, EventKind.SHORTENED)])
    root = read_reginfo(partial_state(AOR, [BINDING], contact_changes(changes)[AOR], 1, NOW))
    assert (root[0][0].attrib["state"], root[0][0].attrib["event"]) == ("active", "shortened")


def test_c111_what_came_and_went_in_one_batch_was_never_there() -> None:
    changes = ChangeSet(events=[began(BINDING), *end_events(BINDING, EndReason.UNREGISTERED, NOW)])
    assert contact_changes(changes) == {}


def test_c111_the_last_event_of_a_contact_counts() -> None:
    changes = ChangeSet(upserts=[BINDING], events=[began(BINDING), began(BINDING, EventKind.MOVED)])
    assert contact_changes(changes) == {AOR: [ContactChange(BINDING, EventKind.MOVED)]}
