"""Where an RFC leaves a choice: the default, and what the domain's or the peer's setting makes of it. Pure."""

import datetime as dt
from dataclasses import replace

import pytest

from apps.registrar.contact_policy import contact_allowed
from apps.sip.uri import parse_sip_uri
from tests.registrar.registrations import ACCOUNT, DOMAIN, NOW, PHONE, Record, status, values

OWN = frozenset({"192.0.2.53", "2001:db8::53", "pbx.example.com"})


@pytest.mark.parametrize("asked_s", [1, 59])
def test_c63_too_brief_an_expiry_is_answered_with_the_minimum(asked_s: int) -> None:
    record = Record()

    decision = record.register(f"{PHONE};expires={asked_s}")

    assert status(decision) == 423
    assert values(decision, "Min-Expires") == ["60"]
    assert record.bindings == ()


def test_c63_too_brief_an_expiry_is_raised_if_the_domain_says_so() -> None:
    record = Record().where(raise_brief=True)

    decision = record.register(f"{PHONE};expires=5")

    assert status(decision) == 200
    assert values(decision, "Contact") == [f"{PHONE};expires=60"]


@pytest.mark.parametrize("raise_brief", [False, True])
def test_c63_expires_0_signs_off_and_is_never_too_brief(raise_brief: bool) -> None:
    record = Record().where(raise_brief=raise_brief)
    record.register(PHONE)

    assert status(record.register(f"{PHONE};expires=0")) == 200
    assert record.bindings == ()


def test_c68_a_lower_cseq_of_the_same_call_changes_nothing() -> None:
    record = Record()
    record.register(PHONE, cseq=7)
    before = record.bindings

    decision = record.register(f"{PHONE};expires=0", cseq=6)

    assert status(decision) == 400
    assert record.bindings == before
    assert [event.reason for event in decision.events] == ["cseq_out_of_order"]


def test_c69_the_same_cseq_may_change_the_expiry() -> None:
    record = Record()
    record.register(PHONE, cseq=7)
    record.now = NOW + dt.timedelta(seconds=10)

    decision = record.register(f"{PHONE};expires=120", cseq=7)

    assert status(decision) == 200
    assert values(decision, "Contact") == [f"{PHONE};expires=120"]


@pytest.mark.parametrize(
    ("contact", "headers"),
    [(f"{PHONE};q=0.5", []), (PHONE, ["User-Agent: Another/1"]), (f"{PHONE[:-1]};x=1>", [])],
)
def test_c69_the_same_cseq_may_change_nothing_else(contact: str, headers: list[str]) -> None:
    record = Record()
    record.register(PHONE, cseq=7)
    before = record.bindings

    assert status(record.register(contact, headers=headers, cseq=7)) == 400
    assert record.bindings == before


def test_c69_strictly_the_same_cseq_changes_nothing_at_all() -> None:
    record = Record().where(strict_cseq=True)
    record.register(PHONE, cseq=7)

    assert status(record.register(f"{PHONE};expires=120", cseq=7)) == 400


def test_c56_another_call_id_updates_whatever_its_cseq() -> None:
    record = Record().where(strict_cseq=True)
    record.register(PHONE, cseq=7)
    record.call_id = "after-a-reboot"

    assert status(record.register(PHONE, cseq=1)) == 200
    assert (record.bindings[0].call_id, record.bindings[0].cseq) == ("after-a-reboot", 1)


def test_c67_equal_uris_of_other_text_never_make_two_rows_want_one_key() -> None:
    # given two contacts that differ from each other, but neither from the third (C84: not transitive)
    record = Record()
    record.register("<sip:a@192.0.2.1;x=1>", "<sip:a@192.0.2.1;x=2>")
    assert len(record.bindings) == 2

    record.register("<sip:a@192.0.2.1>")
    record.register("<sip:a@192.0.2.1;x=2>")

    keys = [binding.binding_key for binding in record.bindings]
    assert sorted(keys) == ["sip:a@192.0.2.1", "sip:a@192.0.2.1;x=2"]


def test_c66_a_full_peer_replaces_or_rejects_as_it_is_set() -> None:
    replacing = Record(account=replace(ACCOUNT, max_contacts=1))
    rejecting = Record(account=replace(ACCOUNT, max_contacts=1, replace_when_full=False))
    for record in (replacing, rejecting):
        record.register("<sip:1001@192.0.2.1>")

    assert status(replacing.register("<sip:1001@192.0.2.2>")) == 200
    assert replacing.contacts == ["sip:1001@192.0.2.2"]
    assert status(rejecting.register("<sip:1001@192.0.2.2>")) == 403
    assert rejecting.contacts == ["sip:1001@192.0.2.1"]


def test_c79_after_the_uri_come_only_parameters_of_the_binding() -> None:
    decision = Record().register('"Ann" <sip:a@192.0.2.1;x=1>;q=0.70;expires=90;methods="INVITE";+sip.x="y"')

    assert values(decision, "Contact") == ["<sip:a@192.0.2.1;x=1>;q=0.7;expires=90"]


def test_c80_a_refresh_updates_what_is_known_of_the_phone_and_a_sign_off_from_elsewhere_does_not() -> None:
    record = Record()
    record.register(PHONE, "<sip:other@192.0.2.9>", headers=["User-Agent: Old/1"])

    record.register(PHONE, headers=["User-Agent: New/2"], source=("203.0.113.7", 6000))
    record.register(
        "<sip:other@192.0.2.9>;expires=0", headers=["User-Agent: Web/3"], source=("192.0.2.99", 1)
    )

    (binding,) = record.bindings
    assert (binding.user_agent, binding.received, binding.transport) == (
        "New/2",
        ("203.0.113.7", 6000),
        "UDP",
    )
    assert binding.refresh_count == 1


@pytest.mark.parametrize(
    "contact",
    [
        "sip:a@127.0.0.1",
        "sip:a@127.9.9.9:5060",
        "sip:a@[::1]",
        "sip:a@[::ffff:127.0.0.1]",
        "sip:a@localhost",
        "sip:a@phone.localhost",
        "sip:a@0.0.0.0",
        "sip:a@[::]",
        "sip:a@169.254.169.254",
        "sip:a@[fe80::1]",
        "sip:a@224.0.1.75",
        "sip:a@[ff02::1]",
        "sip:a@255.255.255.255",
        "sip:a@192.0.2.53",
        "sip:a@[2001:DB8::53]",
        "sip:a@pbx.example.com",
        "sip:a@203.0.113.7;maddr=127.0.0.1",
        "sip:a@127.1",
        "sip:a@2130706433",
        "sip:a@0x7f.1",
        "sip:a@0x7f000001",
    ],
)
def test_f37_contacts_that_point_inward_or_at_everybody_are_refused(contact: str) -> None:
    assert not contact_allowed(parse_sip_uri(contact), "203.0.113.7", OWN)


@pytest.mark.parametrize(
    "contact",
    [
        "sip:a@203.0.113.7",
        "sip:a@192.168.1.20:5062",
        "sip:a@10.1.2.3",
        "sip:a@[2001:db8::7]",
        "sip:a@phone.example.net",
        "sip:a@df7jal23ls0d.invalid;transport=ws",
        "sip:a@127.0.0.1.example.net",
    ],
)
def test_f37_other_contacts_are_allowed(contact: str) -> None:
    assert contact_allowed(parse_sip_uri(contact), "203.0.113.7", OWN)


@pytest.mark.parametrize(
    ("contact", "source"),
    [
        ("sip:a@127.0.0.1:5099", "127.0.0.1"),
        ("sip:a@[::1]", "::1"),
        ("sip:a@192.0.2.53", "192.0.2.53"),
        ("sip:a@169.254.7.8", "169.254.7.8"),
        ("sip:a@192.0.2.53:5070", "127.0.0.1"),
        ("sip:a@[2001:db8::53]", "192.0.2.53"),
    ],
)
def test_f37_the_packets_own_source_is_always_allowed(contact: str, source: str) -> None:
    assert contact_allowed(parse_sip_uri(contact), source, OWN)


def test_f37_a_contact_not_allowed_is_refused_with_all_the_others_and_told_in_the_ledger() -> None:
    record = Record()

    decision = record.register(PHONE, "<sip:1001@example.com>")

    assert status(decision) == 403
    assert [event.reason for event in decision.events] == ["contact_not_allowed"]
    assert record.bindings == ()


def test_f37_a_domain_may_allow_any_contact_and_a_sign_off_needs_no_leave() -> None:
    record = Record().where(any_contact=True)
    record.register("<sip:1001@127.0.0.1>")
    assert record.contacts == ["sip:1001@127.0.0.1"]

    record.domain = DOMAIN
    assert status(record.register("<sip:1001@127.0.0.1>;expires=0")) == 200
    assert record.bindings == ()
