"""SUBSCRIBE Event: reg by rule, without I/O (RFC 6665 §4.2.1, RFC 3680 §4)."""

import datetime as dt
from dataclasses import replace

import pytest

from apps.registrar.decisions import Answer
from apps.registrar.regevent.subscription import MOST_PER_PEER, SubscribeDecision, triage_subscribe
from apps.registrar.regevent.values import EndOfSubscription, Subscription, Way
from tests.registrar.regevent.subscriptions import (
    AOR,
    WAY,
    Subscriptions,
    in_dialog,
    subscribe_request,
)
from tests.registrar.registrations import ACCOUNT, DOMAIN, NOW


@pytest.fixture
def stored() -> Subscriptions:
    return Subscriptions()


def begin(stored: Subscriptions, **changes: object) -> Subscription:
    decision = stored.subscribe(subscribe_request(**changes))  # type: ignore[arg-type]
    assert decision.answer.outcome.status == 200
    return decision.told[-1].subscription


def header(decision: SubscribeDecision, name: str) -> list[str]:
    return [value for key, value in decision.answer.headers if key == name]


EVENTS_REFUSED = [["Event: presence"], ["Event: reg.winfo"], ["Event: "], ['Event: reg;id="a'], []]


@pytest.mark.parametrize("headers", EVENTS_REFUSED)
def test_c111_only_event_reg_is_taken(headers: list[str]) -> None:
    answer = triage_subscribe(subscribe_request(headers))
    assert isinstance(answer, Answer)
    assert answer.outcome.status == 489
    assert list(answer.headers) == [("Allow-Events", "reg")]


@pytest.mark.parametrize("headers", [["Event: reg"], ["o: reg;id=a7"], ["Event: REG"]])
def test_c111_event_reg_goes_on(headers: list[str]) -> None:
    assert triage_subscribe(subscribe_request(headers)) is None


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/reginfo+xml", None),
        ("application/pidf+xml, application/reginfo+xml;q=0.3", None),
        ("*/*", None),
        ("application/pidf+xml", 406),
    ],
)
def test_c111_who_accepts_no_reginfo_gets_406(accept: str, status: int | None) -> None:
    answer = triage_subscribe(subscribe_request(["Event: reg", f"Accept: {accept}"]))
    assert (answer and answer.outcome.status) == status


def test_c111_a_subscribe_begins_a_dialog_and_is_told_everything(stored: Subscriptions) -> None:
    decision = stored.subscribe(subscribe_request(["Event: reg;id=7"], expires=600))
    assert header(decision, "Expires") == ["600"]
    assert header(decision, "Contact") == ["<sip:192.0.2.1:5060>"]
    (told,) = decision.told
    assert told.end is None
    row = told.subscription
    assert (row.aor, row.call_id, row.remote_tag, row.event_id) == (AOR, "dialog-1", "theirs", "7")
    assert (row.target, row.way, row.version, row.cseq) == ("sip:1001@10.0.0.7:5062", WAY, 0, 0)
    assert row.expires_at == NOW + dt.timedelta(seconds=600)
    assert decision.subscriptions == (row,)


@pytest.mark.parametrize(
    ("asked", "granted"), [(None, 3600), (60, 60), (600, 600), (999999, 3600), ("2h", 3600), ("9" * 60, 3600)]
)
def test_c111_the_expiry_is_within_the_domains_limits(
    stored: Subscriptions, asked: int | str | None, granted: int
) -> None:
    decision = stored.subscribe(subscribe_request(expires=asked))
    assert header(decision, "Expires") == [str(granted)]


def test_c111_without_expires_the_packages_default_is_granted() -> None:
    decision = Subscriptions(replace(DOMAIN, max_expires_s=7200)).subscribe(subscribe_request())
    assert header(decision, "Expires") == ["3761"]


def test_c111_too_brief_gets_423_and_the_least(stored: Subscriptions) -> None:
    decision = stored.subscribe(subscribe_request(expires=59))
    assert decision.answer.outcome.status == 423
    assert header(decision, "Min-Expires") == ["60"]
    assert decision.subscriptions == ()
    assert decision.told == ()


def test_c111_where_brief_ones_are_raised_no_423(stored: Subscriptions) -> None:
    decision = Subscriptions(replace(DOMAIN, raise_brief=True)).subscribe(subscribe_request(expires=1))
    assert header(decision, "Expires") == ["60"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"to": "<sip:1002@example.com>", "uri": "sip:1002@example.com"}, 403),
        ({"to": "<sip:nobody@example.com>", "uri": "sip:nobody@example.com"}, 403),
        ({"uri": "sip:1002@example.com"}, 403),
        ({"to": "<sip:1002@example.com>"}, 403),
        ({"to": "<sip:1001@example.org>"}, 404),
        ({"to": "<tel:1001>"}, 400),
        ({"contact": None}, 400),
        ({"contact": "Contact: *"}, 400),
        ({"contact": "Contact: <sip:a@b>, <sip:c@d>"}, 400),
        ({"contact": "Contact: <tel:1001>"}, 400),
        ({"headers": ["Event: reg", "Record-Route: sip:proxy;lr"]}, 400),
        ({"to": f"<{AOR}>;tag=unknown"}, 481),
    ],
)
def test_c111_what_is_not_allowed_subscribes_nobody(
    stored: Subscriptions, changes: dict[str, str], status: int
) -> None:
    decision = stored.subscribe(subscribe_request(**changes))  # type: ignore[arg-type]
    assert decision.answer.outcome.status == status
    assert decision.subscriptions == ()
    assert decision.told == ()


ALICE = {"to": "<sip:1002@example.com>", "uri": "sip:1002@example.com"}


@pytest.mark.parametrize(
    ("changes", "is_served", "status"),
    [
        (ALICE, True, 200),
        (ALICE, False, 404),
        ({"to": "<sip:1002@example.org>"}, True, 404),
        ({}, False, 200),
    ],
)
def test_c111_a_watcher_subscribes_to_what_its_domain_serves(
    changes: dict[str, str], is_served: bool, status: int
) -> None:
    stored = Subscriptions(account=replace(ACCOUNT, may_watch=True), is_served=is_served)
    decision = stored.subscribe(subscribe_request(**changes))  # type: ignore[arg-type]
    assert decision.answer.outcome.status == status
    assert len(decision.told) == (status == 200)


def test_c111_who_may_watch_no_more_cannot_refresh() -> None:
    stored = Subscriptions(account=replace(ACCOUNT, may_watch=True))
    (told,) = stored.subscribe(subscribe_request(**ALICE)).told  # type: ignore[arg-type]
    stored.account = ACCOUNT
    to = f"<sip:1002@example.com>;tag={told.subscription.local_tag}"
    refused = stored.subscribe(subscribe_request(to=to, uri="sip:192.0.2.1:5060"))
    assert refused.answer.outcome.status == 403


def test_c111_a_refresh_keeps_the_dialog_and_is_told_everything(stored: Subscriptions) -> None:
    row = begin(stored, expires=600)
    elsewhere = Way("203.0.113.7", 40000)
    decision = stored.subscribe(
        subscribe_request(to=in_dialog(row), cseq=2, expires=900, contact="Contact: <sip:x@10.0.0.9>"),
        at_s=100,
        way=elsewhere,
    )
    (told,) = decision.told
    assert told.end is None
    assert told.subscription.subscription_id == row.subscription_id
    assert told.subscription.expires_at == NOW + dt.timedelta(seconds=1000)
    assert (told.subscription.target, told.subscription.way) == ("sip:x@10.0.0.9", elsewhere)
    assert decision.subscriptions == (told.subscription,)


def test_c111_expires_0_in_the_dialog_ends_it_with_a_last_notify(stored: Subscriptions) -> None:
    row = begin(stored)
    decision = stored.subscribe(subscribe_request(to=in_dialog(row), cseq=2, expires=0))
    assert header(decision, "Expires") == ["0"]
    assert [told.end for told in decision.told] == [EndOfSubscription.TIMEOUT]
    assert decision.subscriptions == ()


def test_c111_expires_0_without_a_dialog_fetches_once(stored: Subscriptions) -> None:
    decision = stored.subscribe(subscribe_request(expires=0))
    assert decision.answer.outcome.status == 200
    assert [told.end for told in decision.told] == [EndOfSubscription.TIMEOUT]
    assert decision.subscriptions == ()


@pytest.mark.parametrize(
    "changes",
    [{"call_id": "other"}, {"from_tag": "other"}, {"headers": ["Event: reg;id=2"]}],
    ids=["call-id", "from-tag", "event-id"],
)
def test_c111_a_request_of_another_dialog_is_481(stored: Subscriptions, changes: dict[str, str]) -> None:
    row = begin(stored)
    decision = stored.subscribe(subscribe_request(to=in_dialog(row), cseq=2, **changes))
    assert decision.answer.outcome.status == 481
    assert decision.subscriptions == (row,)


def test_c111_an_expired_subscription_cannot_be_refreshed(stored: Subscriptions) -> None:
    row = begin(stored, expires=60)
    decision = stored.subscribe(subscribe_request(to=in_dialog(row), cseq=2), at_s=61)
    assert decision.answer.outcome.status == 481


def test_c111_an_older_request_of_the_dialog_changes_nothing(stored: Subscriptions) -> None:
    row = begin(stored, cseq=5)
    decision = stored.subscribe(subscribe_request(to=in_dialog(row), cseq=4, expires=0))
    assert decision.answer.outcome.status == 500  # RFC 3261 §12.2.2
    assert decision.subscriptions == (row,)


def test_c111_the_route_is_recorded_and_given_back(stored: Subscriptions) -> None:
    routes = ["Record-Route: <sip:p2;lr>, <sip:p1;lr>", "Record-Route: <sip:p0;lr>"]
    decision = stored.subscribe(subscribe_request(["Event: reg", *routes]))
    assert header(decision, "Record-Route") == ["<sip:p2;lr>, <sip:p1;lr>", "<sip:p0;lr>"]
    assert decision.told[0].subscription.route_set == "<sip:p2;lr>, <sip:p1;lr>, <sip:p0;lr>"


def test_c111_who_subscribes_too_often_loses_the_oldest(stored: Subscriptions) -> None:
    first = begin(stored, call_id="first", expires=60)
    for number in range(MOST_PER_PEER - 1):
        begin(stored, call_id=f"next-{number}")
    decision = stored.subscribe(subscribe_request(call_id="one-more"))
    assert [(told.subscription.call_id, told.end) for told in decision.told] == [
        (first.call_id, EndOfSubscription.PROBATION),
        ("one-more", None),
    ]
    assert len(decision.subscriptions) == MOST_PER_PEER
