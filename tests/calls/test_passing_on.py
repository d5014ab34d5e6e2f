"""RFC 3261 §16.6: what goes on, and what of it is ours to change."""

import pytest

from apps.calls.values import Forward, Hop
from apps.sipserver.events import Origin
from tests.calls.scene import US, Heard, Phone, Scene, hop, methods

ALICE = Phone("1001")
BOB = Phone("1002", ("203.0.113.9", 5062), "10.0.0.9")
BROWSER = Phone("1001", Origin("198.51.100.7", 50000, "WSS", "w:7"), "x.invalid")


def passed(data: bytes, *hops: Hop, caller: Phone = ALICE) -> Heard:
    (sent,) = Scene().place(caller, *(hops or (hop(BOB),)), data=data)
    return sent


def test_p19_the_request_uri_is_the_hops_without_header_fields() -> None:
    sent = passed(ALICE.invite(), Hop("sip:1002@10.0.0.9;ob?Subject=x", BOB.way))
    assert sent.start == "INVITE sip:1002@10.0.0.9;ob SIP/2.0"
    assert sent.way == BOB.way


def test_p20_everything_else_leaves_byte_for_byte() -> None:
    odd = [
        "sUbJeCt :  two  spaces",
        "X-Folded: one\r\n  two\r\n\tthree",
        "x-odd;name: no token",
        "Allow: INVITE,ACK",
        "Record-Route: <sip:before.example;lr>",
        "k: replaces, 100rel",
        "P-Asserted-Identity: <sip:me@carrier.example>",
    ]
    odd.remove("x-odd;name: no token")
    body = bytes(range(256)) + b"\r\n\r\nSIP/2.0"
    data = ALICE.request("INVITE", more=odd, body=body).replace(b"Contact", b"X-Bytes: \xff\xfe\r\nm", 1)
    sent = passed(data)
    kept = data.partition(b"\r\n\r\n")[0].split(b"\r\n")[3:]
    assert b"\r\n".join(kept) in sent.data
    assert sent.data.endswith(b"\r\n\r\n" + body)


def test_p20_what_lies_beyond_content_length_is_left_behind() -> None:
    sent = passed(ALICE.invite() + b"beyond")
    assert sent.data.endswith(b"s=-\r\n")


@pytest.mark.parametrize(("came", "goes"), [("70", "69"), ("1", "0"), ("255", "254"), (None, "70")])
def test_p21_max_forwards_is_one_less_or_70(came: str | None, goes: str) -> None:
    assert passed(ALICE.invite(forwards=came)).one("Max-Forwards") == goes


def test_p22_our_record_route_stands_above_others() -> None:
    sent = passed(ALICE.invite(more=["Record-Route: <sip:before.example;lr>"]))
    first, second = sent.all("Record-Route")
    assert first.endswith(f"@{US};lr>")
    assert second == "<sip:before.example;lr>"


@pytest.mark.parametrize(
    ("method", "is_there"), [("SUBSCRIBE", True), ("REFER", True), ("MESSAGE", False), ("OPTIONS", False)]
)
def test_p22_only_what_forms_a_dialog_is_given_a_record_route(method: str, is_there: bool) -> None:
    assert bool(passed(ALICE.request(method)).all("Record-Route")) is is_there


def test_p23_each_side_gets_the_name_we_have_there() -> None:
    ahead, back = passed(BROWSER.invite(), caller=BROWSER).all("Record-Route")
    assert ahead.endswith("@192.0.2.1:5060;lr>")
    assert back.endswith("@192.0.2.1:443;transport=ws;lr>")


def test_p24_a_sips_uri_gives_a_sips_record_route() -> None:
    assert passed(ALICE.invite("sips:1002@pbx.example")).one("Record-Route").startswith("<sips:")
    assert passed(ALICE.invite(), Hop("sips:1002@10.0.0.9", BOB.way)).one("Record-Route").startswith("<sips:")


def test_p25_the_hops_routes_are_put_before_it() -> None:
    path = ("<sip:edge.example;lr;ob>", "<sip:inner.example;lr>")
    sent = passed(ALICE.invite(), hop(BOB, path))
    assert sent.all("Route") == list(path)
    assert sent.start == f"INVITE {BOB.contact} SIP/2.0"


def test_p26_our_via_is_on_top_with_a_branch_of_its_own_for_each_hop() -> None:
    carol = Phone("1003", Origin("203.0.113.10", 41000, "TCP", "w:3"))
    over_udp, over_tcp = Scene().place(ALICE, hop(BOB), hop(carol))
    assert over_udp.vias[0].startswith("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKcall.")
    assert over_tcp.vias[0].startswith("SIP/2.0/TCP 192.0.2.1:5060;rport;branch=z9hG4bKcall.")
    assert over_udp.vias[0][-20:] != over_tcp.vias[0][-20:]
    assert [len(sent.vias) for sent in (over_udp, over_tcp)] == [2, 2]


def test_p27_a_missing_content_length_is_added() -> None:
    sent = passed(ALICE.invite().replace(b"Content-Length: 39\r\n", b""))
    assert sent.one("Content-Length") == "39"


def test_p28_credentials_for_us_go_no_further() -> None:
    ours = 'Digest username="1001", realm="pbx.example", nonce="n", uri="sip:x", response="0"'
    theirs = 'Digest username="1001",realm="carrier.example",nonce="n",uri="sip:x",response="0"'
    sent = passed(ALICE.invite(more=[f"Proxy-Authorization: {ours}", f"Proxy-Authorization: {theirs}"]))
    assert sent.all("Proxy-Authorization") == [theirs]


def test_p29_the_identity_is_the_one_the_verdict_says() -> None:
    more = [
        "P-Asserted-Identity: <sip:boss@pbx.example>",
        "P-Preferred-Identity: <sip:ceo@pbx.example>",
        "X-A: b",
    ]
    proven = "<sip:1001@pbx.example>"
    sent = passed(ALICE.invite(more=more), hop(BOB, (), proven))
    assert (sent.all("P-Asserted-Identity"), sent.all("P-Preferred-Identity")) == ([proven], [])
    assert sent.one("X-A") == "b"
    assert passed(ALICE.invite(more=more)).one("P-Asserted-Identity") == "<sip:boss@pbx.example>"


def test_p82_an_identity_that_is_withheld_takes_any_that_came_with_it() -> None:
    sent = passed(ALICE.invite(more=["P-Asserted-Identity: <sip:boss@pbx.example>"]), hop(BOB, (), ""))
    assert sent.all("P-Asserted-Identity") == []


def test_p31_the_via_before_ours_says_where_the_packet_came_from() -> None:
    via = passed(ALICE.invite()).vias[1]
    assert ";rport=5060" in via
    assert via.endswith(";received=198.51.100.7")


def test_p31_of_several_vias_in_one_line_only_the_top_one_is_touched() -> None:
    via = "SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKa,SIP/2.0/UDP deeper.example;branch=z9hG4bKb"
    vias = passed(ALICE.invite(via=via)).vias
    assert vias[1].endswith("received=198.51.100.7")
    assert vias[2] == "SIP/2.0/UDP deeper.example;branch=z9hG4bKb"


def test_p30_a_verdict_with_a_line_break_is_500_and_sends_nothing() -> None:
    scene = Scene()
    scene.say(ALICE.invite(), ALICE.way)
    sent = scene.decide(Forward(((Hop("sip:a@b\r\nEvil: 1", BOB.way),),)))
    assert (methods(sent), sent[0].way) == (["500"], ALICE.way)
    scene.say(ALICE.invite(cseq=2), ALICE.way)
    assert methods(scene.decide(Forward(((hop(BOB, (), "x\r\nEvil: 1"),),)))) == ["500"]
