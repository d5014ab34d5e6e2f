"""Path, Outbound, Service-Route and keep: how a call finds its way back to a phone. Pure."""

import pytest

from apps.registrar.answers import answering_keep
from apps.sip.response import build_response
from tests.registrar.registrations import DEVICE, EDGE, PHONE, SOURCE, Record, request, status, values

PATH = "Path: <sip:edge.example.net;lr>"
OB_PATH = "Path: <sip:edge.example.net;lr;ob>"
TAKES_PATH = "Supported: path"
OUTBOUND = "Supported: path, outbound"
FLOW_1 = f"{PHONE};{DEVICE};reg-id=1"
FLOW_2 = f"{PHONE};{DEVICE};reg-id=2"


def test_c103_path_is_stored_in_order_and_returned() -> None:
    record = Record()

    decision = record.register(
        PHONE, headers=["Path: <sip:p2;lr>, <sip:p1;lr>", "Path: <sip:edge;lr>", TAKES_PATH], source=EDGE
    )

    assert status(decision) == 200
    assert values(decision, "Path") == ["<sip:p2;lr>", "<sip:p1;lr>", "<sip:edge;lr>"]
    assert record.bindings[0].path == "<sip:p2;lr>, <sip:p1;lr>, <sip:edge;lr>"


def test_c103_path_without_support_for_it_is_a_bad_extension() -> None:
    record = Record()

    decision = record.register(PHONE, headers=[PATH], source=EDGE)

    assert status(decision) == 420
    assert values(decision, "Unsupported") == ["path"]
    assert record.bindings == ()


def test_c103_a_refresh_without_path_forgets_it() -> None:
    record = Record()
    record.register(PHONE, headers=[PATH, TAKES_PATH], source=EDGE)

    record.register(PHONE)

    assert record.bindings[0].path == ""


def test_c104_path_counts_only_from_an_edge_proxy() -> None:
    record = Record()

    stranger = record.register(PHONE, headers=[PATH, TAKES_PATH], source=SOURCE)
    nobody = Record().where(edge_proxies=()).register(PHONE, headers=[PATH, TAKES_PATH], source=EDGE)

    assert (status(stranger), status(nobody)) == (403, 403)
    assert [event.reason for event in stranger.events] == ["path_not_allowed"]
    assert record.bindings == ()


@pytest.mark.parametrize(
    "path",
    ["nonsense", "sip:edge;lr", "<tel:+49>", '<sip:edge;lr>, "', "<>", "", ", ".join(["<sip:edge;lr>"] * 11)],
)
def test_c103_malformed_or_endless_path_is_refused(path: str) -> None:
    assert status(Record().register(PHONE, headers=[f"Path: {path}", TAKES_PATH], source=EDGE)) == 400


def test_c103_path_longer_than_is_kept_is_refused() -> None:
    path = "Path: " + ", ".join([f"<sip:{'e' * 230}.example;lr>"] * 9)

    assert status(Record().register(PHONE, headers=[path, TAKES_PATH], source=EDGE)) == 400


def test_c105_same_instance_and_reg_id_replace_the_binding_though_the_uri_changed() -> None:
    record = Record()
    record.register(FLOW_1, headers=[OUTBOUND])
    first = record.bindings[0]

    record.register(f"<sip:1001@203.0.113.7:9999>;{DEVICE};reg-id=1", headers=[OUTBOUND])

    assert record.contacts == ["sip:1001@203.0.113.7:9999"]
    assert record.bindings[0].binding_id == first.binding_id


def test_c105_another_reg_id_is_another_binding_though_the_uri_is_the_same() -> None:
    record = Record()

    record.register(FLOW_1, headers=[OUTBOUND])
    record.register(FLOW_2, headers=[OUTBOUND])

    assert [binding.reg_id for binding in record.bindings] == [1, 2]
    assert len({binding.binding_key for binding in record.bindings}) == 2


def test_c105_one_flow_is_removed_alone() -> None:
    record = Record()
    record.register(FLOW_1, headers=[OUTBOUND])
    record.register(FLOW_2, headers=[OUTBOUND])

    record.register(f"{FLOW_1};expires=0", headers=[OUTBOUND])

    assert [binding.reg_id for binding in record.bindings] == [2]


def test_c105_a_phone_that_learns_outbound_keeps_its_one_binding() -> None:
    record = Record()
    record.register(PHONE)

    record.register(FLOW_1, headers=[OUTBOUND])

    assert len(record.bindings) == 1
    assert record.bindings[0].reg_id == 1


def test_c106_instances_are_compared_byte_by_byte_and_returned_whole() -> None:
    record = Record()
    record.register('<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:AB>";reg-id=1')
    decision = record.register('<sip:b@192.0.2.2>;+sip.instance="<urn:uuid:ab>";reg-id=1')

    assert len(record.bindings) == 2
    assert ';+sip.instance="<urn:uuid:AB>";reg-id=1' in values(decision, "Contact")[0]


def test_c107_reg_id_without_instance_is_ignored() -> None:
    record = Record()

    decision = record.register(f"{PHONE};reg-id=1", headers=[OUTBOUND])

    assert status(decision) == 200
    assert values(decision, "Require") == []
    assert record.bindings[0].binding_key == record.bindings[0].contact


@pytest.mark.parametrize("reg_id", ["0", "one", "-1", "99999999999"])
def test_c107_a_reg_id_that_is_no_positive_number_is_refused(reg_id: str) -> None:
    assert status(Record().register(f"{PHONE};{DEVICE};reg-id={reg_id}", headers=[OUTBOUND])) == 400


def test_c108_the_answer_says_that_outbound_was_applied() -> None:
    decision = Record().register(FLOW_1, headers=[OUTBOUND])

    assert values(decision, "Require") == ["outbound"]
    assert values(decision, "Supported") == ["gruu, outbound, path"]


@pytest.mark.parametrize("contact", [PHONE, f"{PHONE};{DEVICE}", f"{PHONE};reg-id=1"])
def test_c108_outbound_is_not_applied_without_instance_and_reg_id(contact: str) -> None:
    assert values(Record().register(contact, headers=[OUTBOUND]), "Require") == []


def test_c108_outbound_is_not_applied_unless_the_phone_supports_it() -> None:
    assert values(Record().register(FLOW_1), "Require") == []


def test_c108_a_first_hop_without_outbound_is_refused() -> None:
    record = Record()

    decision = record.register(FLOW_1, headers=[PATH, OUTBOUND], vias=2, source=EDGE)
    without_path = record.register(FLOW_1, headers=[OUTBOUND], vias=2)

    assert (status(decision), status(without_path)) == (439, 439)
    assert record.bindings == ()


def test_c108_a_first_hop_with_outbound_is_enough() -> None:
    decision = Record().register(FLOW_1, headers=[OB_PATH, OUTBOUND], vias=2, source=EDGE)

    assert status(decision) == 200
    assert values(decision, "Require") == ["outbound"]


def test_c108_outbound_required_but_switched_off_is_a_bad_extension() -> None:
    record = Record().where(outbound=False)

    decision = record.register(FLOW_1, headers=["Require: outbound"])

    assert status(decision) == 420
    assert values(decision, "Unsupported") == ["outbound"]


def test_c108_switched_off_outbound_leaves_plain_contacts() -> None:
    record = Record().where(outbound=False)

    decision = record.register(FLOW_1, headers=[OUTBOUND], vias=2)

    assert status(decision) == 200
    assert values(decision, "Require") == []
    assert record.bindings[0].binding_key == record.bindings[0].contact


def test_c109_flow_timer_is_given_on_a_connection_and_not_over_udp() -> None:
    over_tcp = Record(facts={"transport": "TCP", "flow": "w/1"})

    assert values(over_tcp.register(FLOW_1, headers=[OUTBOUND]), "Flow-Timer") == ["120"]
    assert over_tcp.bindings[0].flow == "w/1"
    assert values(Record().register(FLOW_1, headers=[OUTBOUND]), "Flow-Timer") == []


def test_c112_the_service_route_is_returned_as_configured_in_order() -> None:
    routes = ("<sip:proxy.example.com;lr>", "<sip:core.example.com;lr>")

    decision = Record().where(service_routes=routes).register(PHONE)

    assert values(decision, "Service-Route") == list(routes)
    assert values(Record().register(PHONE), "Service-Route") == []


@pytest.mark.parametrize(
    ("flow", "keep", "answered"),
    [
        ("w/1", ";keep", 30),
        ("w/1", "", None),
        ("w/1", ";keep=20", None),
        (None, ";keep", 30),
        (None, "", None),
    ],
)
def test_c109_keep_is_answered_to_who_offers_it_over_connections_and_udp_alike(
    flow: str | None, keep: str, answered: int | None
) -> None:
    record = Record(facts={"flow": flow, "transport": "TCP" if flow else "UDP"})

    decision = record.register(PHONE, top_via=f"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKk{keep}")

    assert decision.answer.keep_s == answered


def test_c109_the_value_of_keep_stands_in_the_answers_top_via_alone() -> None:
    asking = request(
        [PHONE], [], cseq=1, call_id="c", vias=2, top_via="SIP/2.0/TCP h;keep;branch=z9hG4bKk;Keepx=1"
    )

    answer = build_response(answering_keep(asking, 30), SOURCE, 200, "OK").decode()

    assert "SIP/2.0/TCP h;keep=30;branch=z9hG4bKk;Keepx=1;received=203.0.113.7\r\n" in answer
    assert answering_keep(asking, None) is asking
