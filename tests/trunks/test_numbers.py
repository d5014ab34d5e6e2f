"""What a number becomes on its way in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trunks.numbers import ANY, Inbound, Mapped, Outbound, normal, read_lines

TABLE = {"+493012345": "1001", "493099": "1002"}


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("+49 (30) 123-45", "+493012345"),
        ("+49.30.123.45", "+493012345"),
        ("%2B493012345", "+493012345"),
        ("0301%2323", "0301#23"),
        ("1001;phone-context=example.com", "1001"),
        ("alice.smith", "alice.smith"),
        ("alice%20smith", None),
        ("%zz", None),
        ("%FF", None),
        ("%00", None),
        ("", None),
        ("+", "+"),
        ("1" * 32, "1" * 32),
        ("1" * 65, None),
        ("<script>", None),
        ("1001@example.com", None),
    ],
)
def test_a_user_part_is_read_as_what_it_stands_for(user: str, number: str | None) -> None:
    assert normal(user) == number


@pytest.mark.parametrize(
    ("number", "extension"),
    [
        ("+493012345", "1001"),
        ("493012345", "1001"),
        ("+493099", "1002"),
        ("+49 30 1007", "1007"),
        ("+4930", None),
        ("12", None),
        ("reception", "reception"),
        ("%FF", None),
    ],
)
def test_an_inbound_number_goes_by_the_table_and_then_by_the_rule(number: str, extension: str | None) -> None:
    assert Inbound(Mapped(strip=5), TABLE).extension_for(number) == extension


def test_without_a_rule_a_number_stays_as_it_is() -> None:
    assert Inbound().extension_for("1001") == "1001"
    assert Inbound(Mapped(strip=2, add="7")).extension_for("001001") == "71001"


@pytest.mark.parametrize(
    ("prefixes", "number", "fit"),
    [
        ((), "0301", None),
        (("0",), "0301", 1),
        (("0", "030"), "0301", 3),
        (("0",), "1001", None),
        ((ANY,), "1001", 0),
        ((ANY,), "alice", None),
        (("+",), "+4930", 1),
    ],
)
def test_a_number_goes_out_by_the_longest_prefix_it_begins_with(
    prefixes: tuple[str, ...], number: str, fit: int | None
) -> None:
    assert Outbound(prefixes).fit(number) == fit


def test_a_number_of_which_nothing_would_be_left_does_not_go_out() -> None:
    assert Outbound(("9",), Mapped(strip=1)).fit("9") is None
    assert Outbound(("9",), Mapped(strip=1)).fit("91") == 1


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("+49 30 5550, 1001\r\n+49 30 5551;1002\n", [("+49 30 5550", "1001"), ("+49 30 5551", "1002")]),
        ("number,extension\n+4930555\t1001", [("+4930555", "1001")]),
        ('"+4930555","1001"', [("+4930555", "1001")]),
        ("+49 30 555 = 1001", [("+49 30 555", "1001")]),
        ("+4930555 1001\n\n   \n", [("+4930555", "1001")]),
        ("+4930555", [("+4930555", "")]),
        (",,,", [(",,", "")]),
    ],
)
def test_numbers_are_pasted_as_lines(text: str, pairs: list[tuple[str, str]]) -> None:
    assert read_lines(text) == pairs


@given(st.text(max_size=300))
def test_whatever_is_dialled_is_read_or_refused(user: str) -> None:
    found = normal(user)
    assert found is None or (0 < len(found) <= 64 and found.isascii() and found.isprintable())
    assert found is None or normal(found.replace("%", "%25")) == found
