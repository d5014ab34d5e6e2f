"""GRUUs (RFC 5627, C110): made for who understands them, read without a look-up, ended by another Call-ID. Pure."""

import re
from dataclasses import replace

import pytest

from apps.registrar.gruu import bindings_of_gruu, gruu_key, pub_gruu, read_temp_gruu, temp_gruu
from apps.sip.uri import parse_sip_uri
from tests.registrar.registrations import DEVICE, PHONE, Record, values

KEY = b"k" * 32
GRUU = ["Supported: gruu"]
DESK = f"{PHONE};{DEVICE}"


def gruus(contact: str) -> tuple[str, str]:
    public = re.search(r';pub-gruu="([^"]+)"', contact)
    temporary = re.search(r';temp-gruu="([^"]+)"', contact)
    assert public is not None
    assert temporary is not None
    return public[1], temporary[1]


def test_c110_a_device_that_supports_gruu_gets_both() -> None:
    record = Record()

    (contact,) = values(record.register(DESK, headers=GRUU), "Contact")

    public, temporary = gruus(contact)
    assert public == "sip:1001@example.com;gr=urn:uuid:0f1a"
    assert re.fullmatch(r"sip:tgruu\.[\w-]+@example\.com;gr", temporary)
    assert "1001" not in temporary
    assert (record.bindings[0].pub_gruu, record.bindings[0].temp_gruu) == (public, temporary)


@pytest.mark.parametrize(("contact", "headers"), [(DESK, []), (PHONE, GRUU)])
def test_c110_without_support_or_instance_there_is_none(contact: str, headers: list[str]) -> None:
    record = Record()

    (answered,) = values(record.register(contact, headers=headers), "Contact")

    assert "gruu" not in answered
    assert record.bindings[0].temp_gruu is None


def test_c110_each_register_gives_another_temporary_gruu_and_the_same_public_one() -> None:
    record = Record()
    first = gruus(values(record.register(DESK, headers=GRUU), "Contact")[0])
    second = gruus(values(record.register(DESK, headers=GRUU), "Contact")[0])

    assert first[0] == second[0]
    assert first[1] != second[1]


def test_c110_both_lead_back_to_the_binding() -> None:
    record = Record()
    record.register(DESK, headers=GRUU)
    record.register('<sip:x@192.0.2.9>;+sip.instance="<urn:uuid:other>"', headers=GRUU)
    desk = record.bindings[0]

    for text in (desk.pub_gruu, desk.temp_gruu):
        assert bindings_of_gruu(KEY, parse_sip_uri(text or ""), record.bindings) == [desk]


def test_c110_an_older_temporary_gruu_lives_until_the_call_id_changes() -> None:
    record = Record()
    record.register(DESK, headers=GRUU)
    older = parse_sip_uri(record.bindings[0].temp_gruu or "")
    public = parse_sip_uri(record.bindings[0].pub_gruu or "")

    record.register(DESK, headers=GRUU)
    assert bindings_of_gruu(KEY, older, record.bindings) == [record.bindings[0]]

    record.call_id = "after-a-reboot"
    record.register(DESK, headers=GRUU)
    assert bindings_of_gruu(KEY, older, record.bindings) == []
    assert bindings_of_gruu(KEY, public, record.bindings) == [record.bindings[0]]


def test_c110_a_temporary_gruu_reaches_all_flows_of_its_device() -> None:
    record = Record()
    record.register(f"{DESK};reg-id=1", headers=["Supported: gruu, outbound"])
    record.register(f"{DESK};reg-id=2", headers=["Supported: gruu, outbound"])

    reached = bindings_of_gruu(KEY, parse_sip_uri(record.bindings[0].temp_gruu or ""), record.bindings)

    assert [binding.reg_id for binding in reached] == [1, 2]


def test_a_temporary_gruu_of_another_key_domain_or_hand_says_nothing() -> None:
    text = temp_gruu(KEY, "sip:1001@example.com", "<urn:uuid:0f1a>", "c", 1)
    uri = parse_sip_uri(text)
    assert read_temp_gruu(KEY, uri) is not None
    user = uri.user or ""

    assert read_temp_gruu(gruu_key("another"), uri) is None
    assert read_temp_gruu(KEY, replace(uri, host="example.net")) is None
    for position in range(len("tgruu."), len(user), 5):
        forged = user[:position] + ("A" if user[position] != "A" else "B") + user[position + 1 :]
        assert read_temp_gruu(KEY, replace(uri, user=forged)) is None
    for other in (None, "", "1001", "tgruu.", "tgruu.!!", "tgruu.ü", "tgruu." + "A" * 400):
        assert read_temp_gruu(KEY, replace(uri, user=other)) is None


def test_the_length_of_a_temporary_gruu_does_not_tell_the_user_name() -> None:
    short, longer = (temp_gruu(KEY, f"sip:{user}@h", "<i>", "c", 1) for user in ("1", "1001-desk"))

    assert len(short) == len(longer)


def test_a_temporary_gruu_knows_a_long_or_escaped_user() -> None:
    for aor in (f"sip:{'u' * 64}@example.com", "sip:a%20b@[2001:db8::1]"):
        found = read_temp_gruu(KEY, parse_sip_uri(temp_gruu(KEY, aor, "<i>", "c", 2**32 - 1)))

        assert found is not None
        assert (found.aor, found.cseq) == (aor, 2**32 - 1)


def test_c110_an_instance_that_is_no_urn_is_escaped_into_the_uri() -> None:
    text = pub_gruu("sip:1001@example.com", '<a b;c="ü">')

    assert dict(parse_sip_uri(text).params) == {"gr": 'a b;c="ü"'}
