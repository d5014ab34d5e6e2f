"""Our REGISTERs to a carrier, rule by rule, in virtual time."""

import random

import pytest

from apps.sip.digest import Algorithm
from apps.sipserver.addresses import way_to
from apps.trunks.uplink.strings import parse_server
from apps.trunks.uplink.values import Standing, UplinkReason, UplinkState
from tests.trunks.uplink.carrier import FIRST, SECOND, Carrier, challenge, proves

NAMES = ("WWW-Authenticate", "Contact", "Expires", "Min-Expires", "Retry-After", "Authentication-Info", "Via")
WORDS = (
    "Digest ",
    "nonce=",
    "realm=",
    "nextnonce=",
    '"',
    ",",
    ";",
    "<",
    ">",
    "sip:a@b",
    "=",
    "\\",
    "*",
    "9",
    "\u202e",
    "é",
)


def registered(expires_s: int = 3600) -> Carrier:
    return Carrier().wait().say(401, challenge()).accept(expires_s)


def test_a_register_names_the_address_of_record_and_our_contact() -> None:
    """RFC 3261 §10.2."""
    carrier = Carrier(
        registrar=parse_server("SIP.carrier.example:5070"), contact_user="trunk", expires_s=600
    ).wait()
    request = carrier.last
    assert request.request_uri_text == "sip:sip.carrier.example:5070"
    assert request.to.uri_text == request.from_.uri_text == "sip:4940@sip.carrier.example"
    assert (request.value("contact"), request.value("expires")) == (
        "<sip:trunk@198.51.100.5:5060>;expires=600",
        "600",
    )
    assert request.value("authorization") is None
    assert (carrier.state, carrier.destination) == (("trying", ""), FIRST)


def test_packets_go_to_the_outbound_proxy_and_the_request_to_the_registrar() -> None:
    carrier = Carrier(outbound_proxy=parse_server("proxy.carrier.example")).wait()
    assert carrier.looked_up == ["proxy.carrier.example"]
    assert carrier.last.request_uri_text == "sip:sip.carrier.example"


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize(
    ("status", "asked", "answered"),
    [
        (401, "WWW-Authenticate", "authorization"),
        (407, "Proxy-Authenticate", "proxy-authorization"),
    ],
)
def test_a_challenge_is_answered(algorithm: Algorithm, status: int, asked: str, answered: str) -> None:
    """RFC 3261 §22.2, §22.3, RFC 8760: MD5, SHA-256 and SHA-512-256; opaque goes back as it came."""
    carrier = Carrier(auth_username="auth7").wait().say(status, (asked, challenge(algorithm=algorithm)[1]))
    assert proves(carrier.last, answered, "auth7")
    assert 'opaque="o\\"1"' in (carrier.last.value(answered) or "")
    first, second = carrier.requests
    assert (second.call_id, second.cseq, second.from_.tag) == (first.call_id, first.cseq + 1, first.from_.tag)
    assert carrier.accept().state == ("registered", "")


def test_of_several_challenges_the_first_that_can_be_answered_is() -> None:
    """RFC 8760 §2.4."""
    unknown = ("WWW-Authenticate", 'Digest realm="carrier", nonce="n", algorithm=AKAv1-MD5, qop="auth"')
    carrier = Carrier().wait().say(401, unknown, challenge("n2", "SHA-256"), challenge("n3", "MD5"))
    assert 'nonce="n2"' in (carrier.last.value("authorization") or "")


def test_a_proxy_and_a_registrar_may_both_challenge() -> None:
    carrier = Carrier().wait().say(407, ("Proxy-Authenticate", challenge("p")[1])).say(401, challenge("r"))
    assert proves(carrier.last, "authorization")
    assert proves(carrier.last, "proxy-authorization")


@pytest.mark.parametrize("headers", [(), (("WWW-Authenticate", "Basic realm=x"),)])
def test_a_challenge_that_cannot_be_answered_ends_the_attempt(headers: tuple[tuple[str, str], ...]) -> None:
    assert Carrier().wait().say(401, *headers).state == ("refused", "unknown_challenge")


def test_a_second_challenge_after_right_credentials_is_a_refusal_and_no_loop() -> None:
    carrier = Carrier().wait().say(401, challenge("n1")).say(401, challenge("n2"))
    assert (carrier.state, len(carrier.requests)) == (("refused", "wrong_password"), 2)
    assert carrier.next_in_s >= 600
    carrier.wait(599, 7)
    assert len(carrier.requests) == 2


def test_a_wrong_password_is_tried_ever_more_seldom() -> None:
    carrier, pauses = Carrier().wait(), []
    for _ in range(4):
        carrier.say(401, challenge("a")).say(401, challenge("b"))
        pauses.append(carrier.next_in_s)
        carrier.wait(pauses[-1], 100)
    assert pauses == [600, 1200, 2400, 3000]
    # Two at a time: the question and the answer; a nonce that came to nothing is not used again.
    assert [request.value("authorization") is None for request in carrier.requests] == [True, False] * 4 + [
        True
    ]


def test_a_stale_nonce_is_no_refusal_but_stale_for_ever_is_a_failure() -> None:
    """RFC 7616 §3.3."""
    carrier = Carrier().wait().say(401, challenge("n1")).say(401, challenge("n2", stale=True))
    assert proves(carrier.last)
    assert 'nonce="n2"' in (carrier.last.value("authorization") or "")
    carrier.say(401, challenge("n3", stale=True)).say(401, challenge("n4", stale=True))
    assert carrier.state == ("failing", "stale_nonces")
    assert len(carrier.requests) == 4


def test_a_refresh_leaves_well_before_the_expiry_under_the_nonce_it_has() -> None:
    """RFC 3261 §10.2.4; RFC 7616 §3.4: nc counts the requests under a nonce."""
    carrier = registered(3600)
    assert carrier.next_in_s == pytest.approx(3600 * 0.85 * 0.9)
    carrier.wait(carrier.next_in_s, 60)
    assert len(carrier.requests) == 3
    assert proves(carrier.last)
    assert "nc=00000002" in (carrier.last.value("authorization") or "")
    since_s = carrier.uplink.standing.since_s
    assert carrier.state == ("registered", "")
    assert carrier.accept().uplink.standing.since_s == since_s


def test_a_new_nonce_at_a_refresh_is_answered_even_if_the_carrier_does_not_call_the_old_one_stale() -> None:
    carrier = registered()
    carrier.wait(carrier.next_in_s, 60).say(401, challenge("n2"))
    assert "nc=00000001" in (carrier.last.value("authorization") or "")
    assert carrier.accept().state == ("registered", "")


def test_the_nonce_the_carrier_offers_is_used_next() -> None:
    """RFC 7616 §3.5."""
    carrier = Carrier().wait().say(401, challenge()).accept(600, ("Authentication-Info", 'nextnonce="n9"'))
    carrier.wait(carrier.next_in_s, 60)
    assert 'nonce="n9"' in (carrier.last.value("authorization") or "")
    assert "nc=00000001" in (carrier.last.value("authorization") or "")


@pytest.mark.parametrize(
    ("headers", "granted_s"),
    [
        ((("Contact", "<sip:4940@198.51.100.5>;expires=120"), ("Expires", "7")), 120),
        ((("Contact", "<sip:4940@198.51.100.5:5060;transport=udp>"), ("Expires", "300")), 300),
        ((("Contact", "<sip:x@203.0.113.1>;expires=9, <sip:4940@198.51.100.5>;expires=130"),), 130),
        ((("Contact", "<sip:rewritten@10.0.0.1:9>;expires=140"),), 140),
        ((("Service-Route", "<sip:sr.example;lr>"), ("Path", "<sip:p.example;lr>")), 3600),
        ((("Contact", "broken <"), ("Expires", "many")), 3600),
    ],
)
def test_the_carrier_decides_for_how_long(headers: tuple[tuple[str, str], ...], granted_s: int) -> None:
    """RFC 3261 §10.2.4: beside our contact, else Expires, else what we asked for."""
    carrier = Carrier().wait().say(200, *headers)
    assert carrier.uplink.standing.registered_until_s == carrier.now_s + granted_s


def test_a_200_that_keeps_nothing_is_a_failure() -> None:
    assert Carrier().wait().accept(0).state == ("failing", "not_kept")


@pytest.mark.parametrize(("granted_s", "next_s"), [(60, 27), (120, 72), (30, 13.5)])
def test_short_times_leave_room_for_a_timeout(granted_s: int, next_s: float) -> None:
    assert registered(granted_s).next_in_s == pytest.approx(next_s)


def test_too_brief_an_interval_is_raised_once() -> None:
    """RFC 3261 §10.2.8."""
    carrier = Carrier(expires_s=60).wait().say(423, ("Min-Expires", "1800"))
    assert (carrier.last.value("contact") or "").endswith(";expires=1800")
    assert carrier.say(423, ("Min-Expires", "7200")).state == ("refused", "too_brief")
    assert len(carrier.requests) == 2


def test_423_without_a_greater_time_is_a_refusal() -> None:
    assert Carrier().wait().say(423, ("Min-Expires", "60")).state == ("refused", "too_brief")


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "forbidden"), (404, "unknown_user"), (400, "rejected"), (603, "rejected")]
)
def test_a_refusal_is_followed_by_a_long_pause(status: int, reason: str) -> None:
    carrier = Carrier().wait().say(status, reason="No\u202e way" if status == 400 else "No")
    assert (carrier.state, carrier.next_in_s) == (("refused", reason), 600)
    assert carrier.uplink.standing.phrase.isprintable()
    assert len(carrier.wait(599, 9).requests) == 1


def test_failures_back_off_from_half_a_minute_to_half_an_hour() -> None:
    carrier, pauses = Carrier().wait(), []
    for _ in range(9):
        pauses.append(carrier.say(500).next_in_s)
        carrier.wait(pauses[-1], 100)
    assert pauses == [30, 60, 120, 240, 480, 960, 1200, 1200, 1200]
    assert carrier.say(200).uplink.standing.failures == 0


@pytest.mark.parametrize(
    ("value", "pause_s"), [("300", 300), ("90 (soon);duration=9", 90), ("5", 30), ("x", 30), ("9" * 30, 3600)]
)
def test_retry_after_is_kept_to(value: str, pause_s: int) -> None:
    """RFC 3261 §20.33, and never sooner than half a minute, later than an hour."""
    assert Carrier().wait().say(503, ("Retry-After", value)).next_in_s == pause_s


@pytest.mark.parametrize("status", [503, 408])
def test_the_next_server_is_asked_when_one_is_unavailable(status: int) -> None:
    """RFC 3263 §4.3."""
    carrier = Carrier(servers=(FIRST, SECOND)).wait().say(status)
    assert carrier.destination == SECOND
    assert carrier.accept().state == ("registered", "")
    # The one that knows us is asked first at the refresh.
    assert carrier.wait(carrier.next_in_s, 60).destination == SECOND


def test_the_challenge_of_the_next_server_is_no_wrong_password() -> None:
    carrier = (
        Carrier(servers=(FIRST, SECOND)).wait().say(401, challenge("a")).say(503).say(401, challenge("b"))
    )
    assert proves(carrier.last)
    assert carrier.accept().state == ("registered", "")


def test_who_does_not_answer_is_asked_again_and_given_up_after_timer_f() -> None:
    """RFC 3261 §17.1.2.2: after 0.5, 1.5, 3.5, 7.5 s, then each 4 s; 32 s."""
    carrier = Carrier(servers=(FIRST, SECOND)).wait(31.5)
    assert [to for _, to in carrier.sent] == [FIRST] * 11
    assert len(carrier.requests) == 1
    carrier.wait(0.5)
    assert carrier.destination == SECOND
    carrier.wait(32)
    assert carrier.state == ("failing", "no_answer")
    assert carrier.uplink.standing.server == "192.0.2.2:5060"
    assert carrier.next_in_s == 30


def test_a_provisional_answer_slows_the_repeats() -> None:
    carrier = Carrier().wait().say(100).wait(8)
    assert len(carrier.sent) == 3


@pytest.mark.parametrize("status", [301, 302])
def test_a_redirection_is_followed_once(status: int) -> None:
    """RFC 3261 §8.1.3.4. The other server gets credentials only when it asks."""
    there = ("Contact", "<sip:other.example:5090;transport=udp>")
    carrier = Carrier().wait().say(401, challenge()).say(status, there)
    assert carrier.looked_up[-1] == "other.example:5090"
    assert carrier.last.request_uri_text == "sip:other.example:5090"
    assert carrier.last.value("authorization") is None
    assert carrier.say(status, there).state == ("failing", "redirected")


@pytest.mark.parametrize(
    "contact", ["<sips:o.example>", "<sip:o.example;transport=tcp>", "<tel:1>", "*", "<"]
)
def test_a_redirection_to_no_udp_server_is_a_failure(contact: str) -> None:
    assert Carrier().wait().say(302, ("Contact", contact)).state == ("failing", "redirected")


def test_a_name_without_an_address_is_a_failure() -> None:
    carrier = Carrier(servers=()).wait()
    assert (carrier.state, carrier.sent) == (("failing", "name_unknown"), [])


def test_a_failing_refresh_leaves_what_the_carrier_still_has() -> None:
    carrier = registered()
    carrier.wait(carrier.next_in_s, 60).say(500)
    assert carrier.state == ("failing", "unavailable")
    assert carrier.uplink.standing.is_registered(carrier.now_s)


def test_leaving_takes_the_contact_back() -> None:
    """RFC 3261 §10.2.2."""
    carrier = registered()
    carrier.sent += carrier.uplink.leave(carrier.now_s)
    carrier.wait()
    assert "expires=0" in (carrier.last.value("contact") or "")
    assert proves(carrier.last)
    carrier.say(401, challenge("n2"))
    assert not carrier.uplink.is_over
    carrier.say(200)
    assert (carrier.uplink.is_over, carrier.state) == (True, ("unregistered", ""))
    assert len(carrier.wait(7200, 60).requests) == 4


@pytest.mark.parametrize("status", [401, 403, 500, 423, 302])
def test_leaving_never_takes_long(status: int) -> None:
    carrier = registered()
    carrier.uplink.leave(carrier.now_s)
    carrier.wait()
    if status == 401:
        carrier.say(401, challenge("n2"))
    carrier.say(status, challenge("n3"))
    assert carrier.uplink.is_over


def test_who_was_never_registered_leaves_without_a_word() -> None:
    carrier = Carrier()
    assert carrier.uplink.leave(carrier.now_s) == []
    assert carrier.uplink.is_over


def test_whoever_takes_over_goes_on_where_the_other_was() -> None:
    known = Standing(
        UplinkState.REFUSED, 900.0, UplinkReason.FORBIDDEN, status=403, next_attempt_s=1500.0, failures=3
    )
    carrier = Carrier(known=known).wait(499, 10)
    assert carrier.sent == []
    assert len(carrier.wait(1).requests) == 1


def test_only_the_answer_to_the_register_under_way_counts() -> None:
    carrier = Carrier().wait()
    stranger = Carrier(carrier.uplink)
    stranger.sent = [(carrier.sent[0][0].replace(b"z9hG4bKcall.uplink.", b"z9hG4bKcall.uplink.0"), FIRST)]
    assert stranger.say(200).state == ("trying", "")


def test_whatever_a_carrier_says_it_is_never_hammered() -> None:
    chance = random.Random(7)

    def header() -> tuple[str, str]:
        return chance.choice(NAMES), "".join(chance.choices(WORDS, k=chance.randrange(12)))

    for _ in range(300):
        carrier = Carrier().wait()
        for _ in range(chance.randrange(6)):
            headers = [header() for _ in range(chance.randrange(4))]
            carrier.say(chance.choice([100, 200, 302, 401, 423, 503]), *headers)
        assert carrier.uplink.standing.phrase.isprintable()
        assert len(carrier.requests) <= 6


OVER_TLS = way_to(("192.0.2.1", 5061), "TLS", "sip.carrier.example")
OTHER = way_to(("192.0.2.2", 5061), "TLS", "sip.carrier.example")


def over_tls() -> Carrier:
    return Carrier(servers=(OVER_TLS, OTHER), transport="tls").wait()


def test_over_a_connection_nothing_is_repeated_and_the_contact_says_how() -> None:
    carrier = over_tls().wait(20)
    assert len(carrier.sent) == 1
    assert carrier.destination == OVER_TLS
    assert carrier.last.vias[0].transport == "TLS"
    assert "sip:4940@198.51.100.5:5060;transport=tls" in (carrier.last.value("contact") or "")
    assert carrier.accept().state == ("registered", "")


def test_a_connection_that_is_gone_leads_to_the_next_server() -> None:
    carrier = over_tls()
    carrier.sent += carrier.uplink.flows_closed(["another"], carrier.now_s)
    assert carrier.destination == OVER_TLS
    carrier.sent += carrier.uplink.flows_closed([OVER_TLS.flow or ""], carrier.now_s)
    assert carrier.destination == OTHER
    carrier.sent += carrier.uplink.flows_closed([OTHER.flow or ""], carrier.now_s)
    assert carrier.wait().state == ("failing", "no_answer")


def test_a_registration_whose_connection_is_gone_is_made_anew_but_not_at_once() -> None:
    carrier = over_tls().accept()
    carrier.sent += carrier.uplink.flows_closed([OVER_TLS.flow or ""], carrier.now_s)
    assert carrier.state == ("registered", "")
    assert 10 < carrier.next_in_s <= 30
    before = len(carrier.sent)
    assert len(carrier.wait(30).sent) == before + 1


def test_who_is_asked_over_tls_sends_us_on_to_tls_alone() -> None:
    plain, same = "<sip:other.example;transport=udp>", "<sip:other.example;transport=tls>"
    assert over_tls().say(302, ("Contact", plain)).state == ("failing", "redirected")
    carrier = over_tls().say(302, ("Contact", same))
    assert carrier.last.request_uri_text == "sip:other.example"
