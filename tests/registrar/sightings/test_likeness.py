"""Which name a mistyped one means: pure."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.extensions.look_alike import fold
from apps.registrar.sightings.likeness import LONGEST_VARIED, Candidate, nearest, variants

SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzOIL*+._~!-"
NAMES = st.text(SIGNS, min_size=1, max_size=12)


def candidate(number: int, name: str, *, own: bool = True, online: bool = False) -> Candidate:
    return Candidate(UUID(int=number), "example.com", name, own, online)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("100", "1001"),
        ("10001", "1001"),
        ("1011", "1001"),
        ("0101", "1001"),
        ("1OO1", "1001"),
        ("l0I1", "1011"),
        ("Anna", "anna"),
        ("ana", "Anna"),
        ("1001-dsek", "1001-desk"),
        ("1001_desk", "1001-desk"),
        ("1001 ", "1001"),
        ("100é", "1001"),
    ],
)
def test_a_name_at_distance_1_is_found(typed: str, name: str) -> None:
    assert fold(name) in variants(fold(typed))


@pytest.mark.parametrize(
    ("typed", "name"), [("1001", "1010-x"), ("1234", "4321"), ("10", "1001"), ("", "10")]
)
def test_a_name_farther_off_is_not(typed: str, name: str) -> None:
    assert fold(name) not in variants(fold(typed))


@given(NAMES, st.data())
def test_one_slip_of_any_kind_is_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    sign = data.draw(st.sampled_from(SIGNS))
    slips = [name[:at] + name[at + 1 :], name[:at] + sign + name[at:], name[:at] + sign + name[at + 1 :]]
    slips.append(name[:at] + name[at : at + 2][::-1] + name[at + 2 :])
    for typed in slips:
        assert fold(name) in variants(fold(typed))


def test_an_endless_name_has_no_variants() -> None:
    assert len(variants("1" * (LONGEST_VARIED + 1))) == 1
    assert len(variants("1" * LONGEST_VARIED)) < 2500


def test_the_nearest_wins_over_one_that_is_offline() -> None:
    names = [candidate(1, "1011"), candidate(2, "1001", online=True)]
    assert nearest("1OO1", names) == UUID(int=2)


def test_of_equally_near_ones_the_one_that_is_not_online_is_meant() -> None:
    names = [candidate(1, "1002", online=True), candidate(2, "1003"), candidate(3, "1004", online=True)]
    assert nearest("100", names) == UUID(int=2)


def test_nobody_is_meant_when_several_are_as_good() -> None:
    assert nearest("100", [candidate(1, "1002"), candidate(2, "1003")]) is None
    assert nearest("100", []) is None


def test_a_peers_own_name_is_nearer_than_its_extensions_number() -> None:
    names = [candidate(1, "1001"), candidate(1, "1001", own=False), candidate(2, "1001", own=False)]
    assert nearest("1001", names) == UUID(int=1)
