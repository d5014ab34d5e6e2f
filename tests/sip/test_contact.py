"""Contacts of a REGISTER: groups A and E of the checklist, as far as reading goes."""

from __future__ import annotations

import pytest

from apps.sip.contact import STAR, Contact, ContactError, parse_contacts, parse_expires
from apps.sip.uri import uris_equal


def contacts(*values: str) -> tuple[Contact, ...]:
    parsed = parse_contacts(values)
    assert isinstance(parsed, tuple)
    return parsed


def contact(value: str) -> Contact:
    (only,) = contacts(value)
    return only


def why(*values: str) -> str:
    with pytest.raises(ContactError) as caught:
        parse_contacts(values)
    return caught.value.why


def test_c04_lines_commas_and_both_give_the_same_contacts_in_order() -> None:
    a, b, c = "<sip:a@h>;q=0.1", '"x, y" <sip:b@h>', "sip:c@h;expires=5"

    assert contacts(a, b, c) == contacts(f"{a},{b} , {c}") == contacts(f"{a}, {b}", c)
    assert [each.uri_text for each in contacts(a, b, c)] == ["sip:a@h", "sip:b@h", "sip:c@h"]


def test_c05_separators_in_a_quoted_display_name_separate_nothing() -> None:
    read = contacts(r'"a, b; <c> \", \\" <sip:1,x@h;y=1>;expires=9, <sip:2@h>')[1]

    assert read.uri_text == "sip:2@h"


def test_c06_parameters_without_brackets_are_the_headers() -> None:
    bare, bracketed = contact("sip:a@h;unknownparam;expires=9"), contact("<sip:a@h;unknownparam>;expires=9")

    assert bare.uri is not None
    assert bracketed.uri is not None
    assert (bare.uri.params, bare.params) == ((), (("unknownparam", None), ("expires", "9")))
    assert (bracketed.uri.params, bracketed.params) == ((("unknownparam", None),), (("expires", "9"),))
    assert bare.expires_s == bracketed.expires_s == 9


def test_c07_question_mark_without_brackets_is_refused() -> None:
    assert why("sip:user@example.com?Route=%3Csip:sip.example.com%3E") == "bad_contact"
    assert contact("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>").uri is not None


def test_c14_escaped_nuls_make_contacts_of_their_own() -> None:
    one, two = contacts("<sip:%00@host5.example.com>", "<sip:%00%00@host5.example.com>")

    assert (one.uri_text, two.uri_text) == ("sip:%00@host5.example.com", "sip:%00%00@host5.example.com")
    assert one.uri is not None
    assert two.uri is not None
    assert not uris_equal(one.uri, two.uri)


def test_c16_more_than_20_contacts_are_refused() -> None:
    assert len(contacts(*["<sip:a@h>"] * 20)) == 20
    assert why(*["<sip:a@h>"] * 21) == "too_many_contacts"
    assert why(", ".join(["<sip:a@h>"] * 100)) == "too_many_contacts"


def test_c58_star_alone_is_star() -> None:
    assert parse_contacts([" * ".strip()]) is STAR


@pytest.mark.parametrize("values", [("*", "<sip:a@h>"), ("<sip:a@h>, *",), ("*, *",), ("*", "*")])
def test_c60_star_with_other_contacts_is_refused(values: tuple[str, ...]) -> None:
    assert why(*values) == "star_with_contacts"


def test_c60_star_with_parameters_is_refused() -> None:
    assert why("*;expires=0") == "bad_contact"


def test_no_contact_is_an_empty_tuple() -> None:
    assert parse_contacts([]) == ()


@pytest.mark.parametrize(
    ("text", "expires_s"),
    [
        ("0", 0),
        ("3600", 3600),
        ("0003600", 3600),
        ("4294967295", 2**32 - 1),
        ("4294967296", 2**32 - 1),
        ("9" * 7000, 2**32 - 1),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
        ("Sat, 01 Dec 2040 16:00:00 GMT", None),
        (None, None),
    ],
)
def test_c65_malformed_expires_is_none_and_huge_is_the_largest(
    text: str | None, expires_s: int | None
) -> None:
    assert parse_expires(text) == expires_s
    if text is not None:
        assert contact(f'<sip:a@h>;expires="{text}"').expires_s == expires_s


@pytest.mark.parametrize(
    ("text", "q"),
    [("0", 0), ("1", 1000), ("0.5", 500), ("0.", 0), ("0.001", 1), ("1.000", 1000), ("0.33", 330)],
)
def test_c75_q_is_kept_in_thousandths(text: str, q: int) -> None:
    assert contact(f"<sip:a@h>;Q={text}").q == q


@pytest.mark.parametrize("text", ["1.5", "-1", "abc", "0.1234", "1.001", "2", ".5", "٠", '""', ""])
def test_c75_bad_q_is_refused(text: str) -> None:
    assert why(f"<sip:a@h>;q={text}") in ("bad_q", "bad_contact")
    assert why("<sip:a@h>;q") == "bad_q"


def test_c78_other_schemes_are_kept_as_not_routable() -> None:
    assert [each.uri for each in contacts("<tel:+15551234>", "mailto:a@b.c")] == [None, None]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "<>",
        "sip:",
        "<sip:a@h",
        "sip:a@h>",
        '"x" sip:a@h',
        '"unbalanced <sip:a@h>',
        "<sip:a@h>;;;;",
        "<sip:a@h>;=1",
        "<sip:a@h>x",
        "1001",
        "<sip:a@h>,",
        "<tel:" + "1" * 600 + ">",
    ],
)
def test_bad_contacts_are_refused(value: str) -> None:
    assert why(value) == "bad_contact"


def test_one_trailing_semicolon_is_forgiven() -> None:
    assert contact("<sip:a@h>;expires=60; ").expires_s == 60


def test_doubled_parameters_are_refused() -> None:
    assert why("<sip:a@h>;expires=60;Expires=0") == "duplicate_parameter"


def test_c105_c106_instance_is_kept_byte_by_byte_without_its_quotes() -> None:
    read = contact('<sip:a@h>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=2')

    assert (read.instance_id, read.reg_id) == ("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>", 2)


def test_c107_reg_id_without_instance_is_ignored_and_bad_with_one_refused() -> None:
    assert contact("<sip:a@h>;reg-id=0").reg_id is None
    for bad in ("0", "x", "-1", "2147483648", "9" * 5000):
        assert why(f'<sip:a@h>;+sip.instance="<urn:x>";reg-id={bad}') == "bad_reg_id"


def test_instance_that_no_index_could_hold_is_refused() -> None:
    assert why(f'<sip:a@h>;+sip.instance="<{"x" * 3000}>"') == "instance_id_too_long"
