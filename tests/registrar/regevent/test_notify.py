"""NOTIFYs: what each transaction causes, their bytes, and what becomes of their answers."""

import datetime as dt
from collections.abc import Sequence
from itertools import count
from uuid import UUID

import pytest

from apps.registrar.bindings import ChangeSet, Event, StoredBinding, end_events
from apps.registrar.outcomes import EndReason, EventKind
from apps.registrar.regevent.notify import is_our_branch, make_branch
from apps.registrar.regevent.queue import NOTIFY_EVERY, Cause, cause_of, notifications
from apps.registrar.regevent.replies import Reply, final_only, read_reply
from apps.registrar.regevent.values import EndOfSubscription, Notification, Subscribed, Taken, Way
from tests.registrar.regevent.subscriptions import (
    AOR,
    KEY,
    WAY,
    ReadNotify,
    Subscriptions,
    answer_to,
    read_notify,
    subscribe_request,
)
from tests.registrar.regevent.test_reginfo import BINDING
from tests.registrar.registrations import NOW

_new = count(1)
LATER = NOW + dt.timedelta(seconds=60)


def subscribed(headers: Sequence[str] = ("Event: reg",), way: Way = WAY) -> Subscribed:
    (told,) = Subscriptions().subscribe(subscribe_request(headers, expires=600), way=way).told
    return told


def written(
    cause: Cause,
    taken: Sequence[Taken] = (),
    bindings: Sequence[StoredBinding] = (BINDING,),
    now: dt.datetime = NOW,
) -> list[Notification]:
    return notifications(cause, taken, {AOR: bindings}, now, KEY, lambda: UUID(int=next(_new)))


def first(told: Subscribed) -> Notification:
    (notification,) = written(cause_of(ChangeSet(), [told]))
    return notification


def ended(binding: StoredBinding = BINDING) -> ChangeSet:
    return ChangeSet(deletes=[binding], events=[*end_events(binding, EndReason.UNREGISTERED, NOW)])


def read(notification: Notification) -> ReadNotify:
    return read_notify(notification.data)


def test_c111_the_first_notify_is_the_full_state_in_the_subscribers_dialog() -> None:
    told = subscribed(["Event: reg;id=7", "Record-Route: <sip:p1;lr>, <sip:p0;lr>"])
    notification = first(told)
    request = read(notification).request
    assert notification.next_at == NOW
    assert request.request_uri_text == "sip:1001@10.0.0.7:5062"
    assert (request.to.uri_text, request.to.tag) == (AOR, "theirs")
    assert (request.from_.uri_text, request.from_.tag) == (AOR, told.subscription.local_tag)
    assert (request.call_id, request.cseq) == ("dialog-1", 1)
    assert request.vias[0].text.startswith("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK")
    assert [
        request.value(name) for name in ("contact", "event", "max-forwards", "content-type", "route")
    ] == [
        "<sip:192.0.2.1:5060>",
        "reg;id=7",
        "70",
        "application/reginfo+xml",
        "<sip:p1;lr>, <sip:p0;lr>",
    ]
    assert read(notification).state == "active;expires=600"
    assert read(notification).document == ("full", 0)
    assert read(notification).contacts == [("sip:1001@10.0.0.7", "active", "registered")]


def test_c111_a_change_is_told_as_partial_state_with_the_next_version_and_cseq() -> None:
    before = first(subscribed()).subscription
    (notification,) = written(cause_of(ended()), [Taken(before)], bindings=[], now=LATER)
    assert read(notification).request.cseq == 2
    assert read(notification).document == ("partial", 1)
    assert read(notification).contacts == [("sip:1001@10.0.0.7", "terminated", "unregistered")]
    assert notification.next_at == LATER
    assert notification.subscription.version == 2


def test_c111_a_refresh_causes_nothing() -> None:
    assert not cause_of(ChangeSet(upserts=[BINDING]))


def test_c111_changes_are_told_no_more_often_than_every_5_s() -> None:
    before = first(subscribed()).subscription
    now = NOW + dt.timedelta(seconds=1)
    (notification,) = written(cause_of(ended()), [Taken(before)], now=now)
    assert notification.next_at == NOW + NOTIFY_EVERY


def test_c111_a_notify_not_sent_yet_is_replaced_by_the_whole_state_under_its_version() -> None:
    before = first(subscribed()).subscription
    (waiting,) = written(cause_of(ended()), [Taken(before)], now=NOW)
    event = Event(EventKind.REGISTERED, "registered", NOW, AOR, BINDING.peer_id, None, BINDING.binding_id)
    came_back = ChangeSet(upserts=[BINDING], events=[event])
    (notification,) = written(cause_of(came_back), [Taken(waiting.subscription, waiting.next_at)])
    assert read(waiting).document == ("partial", 1)
    assert read(notification).document == ("full", 1)
    assert read(notification).request.cseq == read(waiting).request.cseq + 1
    assert notification.next_at == waiting.next_at


def test_c111_who_refreshes_is_told_at_once() -> None:
    before = first(subscribed()).subscription
    taken = Taken(before, NOW + NOTIFY_EVERY)
    (notification,) = written(cause_of(ended(), [Subscribed(before)]), [taken], bindings=[])
    assert notification.next_at == NOW
    assert read(notification).document == ("full", 0)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (EndOfSubscription.TIMEOUT, "terminated;reason=timeout"),
        (EndOfSubscription.PROBATION, "terminated;reason=probation;retry-after=3600"),
    ],
)
def test_c111_the_last_notify_says_why(end: EndOfSubscription, state: str) -> None:
    notification = first(Subscribed(subscribed().subscription, end))
    assert read(notification).state == state
    assert read(notification).document == ("full", 0)
    assert notification.end is end


@pytest.mark.parametrize("end", [EndOfSubscription.REJECTED, EndOfSubscription.NORESOURCE])
def test_c111_a_peer_that_is_no_more_is_told_so_and_no_more(end: EndOfSubscription) -> None:
    before = first(subscribed()).subscription
    cause = cause_of(ChangeSet(), ended_peers={before.peer_id: end})
    (notification,) = written(cause, [Taken(before)])
    assert read(notification).state == f"terminated;reason={end}"
    assert notification.next_at == NOW


def test_c111_over_a_connection_the_via_and_contact_name_its_transport() -> None:
    request = read(first(subscribed(way=Way("203.0.113.7", 40000, "TCP", "w/1")))).request
    assert request.vias[0].text.startswith("SIP/2.0/TCP 192.0.2.1:5060;")
    assert request.value("contact") == "<sip:192.0.2.1:5060;transport=tcp>"


# -- answers


def branch_of(data: bytes) -> str:
    return read_notify(data).request.vias[0].branch or ""


@pytest.mark.parametrize(
    ("status", "provisional", "fatal"),
    [
        (100, True, False),
        (200, False, False),
        (202, False, False),
        (481, False, True),
        (404, False, True),
        (408, False, True),
        (500, False, False),
        (503, False, False),
    ],
)
def test_c111_an_answer_is_known_by_its_branch(status: int, provisional: bool, fatal: bool) -> None:
    data = first(subscribed()).data
    reply = read_reply(KEY, answer_to(data, status), WAY.host, None)
    assert reply == Reply(branch_of(data), status, None)
    assert (reply.is_provisional, reply.ends_subscription) == (provisional, fatal)


def test_c111_an_answer_from_another_host_is_not_believed() -> None:
    assert read_reply(KEY, answer_to(first(subscribed()).data), "198.51.100.66", None) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SIP/2.0 ",
        b"SIP/2.0 200",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 99999 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKn1\r\nCSeq: 1 NOTIFY\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: nonsense\r\nCSeq: 1 NOTIFY\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKnothing\r\nCSeq: NOTIFY\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nCSeq: \r\n\r\n",
        b"\xff" * 60,
    ],
)
def test_c18_an_answer_to_nothing_we_sent_is_nothing(data: bytes) -> None:
    assert read_reply(KEY, data, WAY.host, None) is None


def test_c18_a_branch_is_ours_only_with_our_proof() -> None:
    branch = make_branch(KEY, UUID(int=1), "203.0.113.7")
    assert is_our_branch(KEY, branch, "203.0.113.7")
    assert not is_our_branch(b"other", branch, "203.0.113.7")
    assert not is_our_branch(KEY, branch[:-1] + ("0" if branch[-1] != "0" else "1"), "203.0.113.7")


def test_c111_a_final_answer_wins_over_a_provisional_one() -> None:
    provisional, final = Reply("b", 100, None), Reply("b", 200, None)
    assert final_only([provisional, final, provisional]) == {"b": final}


def test_c111_an_aor_that_is_no_more_is_told_so_to_whoever_watches_it() -> None:
    before = first(subscribed()).subscription
    (notification,) = written(cause_of(ended(), ended_aors=[AOR]), [Taken(before)], bindings=[])
    assert notification.end is EndOfSubscription.NORESOURCE
    assert read(notification).state == "terminated;reason=noresource"
