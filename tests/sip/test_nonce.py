"""Nonces that carry their own proof (C87, C92, C93)."""

from __future__ import annotations

import pytest

from apps.sip.nonce import NonceState, issue_time, make_nonce, nonce_issued_at_s, nonce_salt, nonce_state

KEY = b"k" * 32
NOW = 1_800_000_000
NONCE = make_nonce(KEY, NOW, b"12345678", "192.0.2.1", "example.com")


def state(
    nonce: str = NONCE, now_s: int = NOW, host: str = "192.0.2.1", realm: str = "example.com"
) -> NonceState:
    return nonce_state(nonce_issued_at_s(KEY, nonce, host, realm), now_s, 300)


def test_equal_arguments_give_the_same_short_hex() -> None:
    again = make_nonce(KEY, NOW, b"12345678", "192.0.2.1", "example.com")

    assert again == NONCE
    assert len(make_nonce(KEY, NOW, b"x" * 16, "192.0.2.1", "example.com")) == 74
    assert bytes.fromhex(NONCE).hex() == NONCE


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, NonceState.FRESH),
        (300, NonceState.FRESH),
        (301, NonceState.EXPIRED),
        (10**8, NonceState.EXPIRED),
        (-5, NonceState.FRESH),
        (-6, NonceState.FOREIGN),
    ],
)
def test_c87_age_decides_between_fresh_and_expired(age_s: int, expected: NonceState) -> None:
    assert state(now_s=NOW + age_s) is expected


def test_c93_other_source_realm_or_key_is_foreign_whatever_its_age() -> None:
    assert state(host="192.0.2.2") is NonceState.FOREIGN
    assert state(realm="example.org") is NonceState.FOREIGN
    assert nonce_issued_at_s(b"other", NONCE, "192.0.2.1", "example.com") is None
    assert state(host="192.0.2.2", now_s=NOW + 1000) is NonceState.FOREIGN


def test_c93_every_changed_character_is_foreign() -> None:
    for position, character in enumerate(NONCE):
        other = "A" if character != "A" else "B"
        assert state(NONCE[:position] + other + NONCE[position + 1 :]) is NonceState.FOREIGN


@pytest.mark.parametrize(
    "nonce",
    [
        "",
        "A",
        "abc",
        "=",
        "é" * 30,
        "\0",
        "A" * 63,
        "A" * 64,
        "A" * 9000,
        NONCE + "=",
        NONCE + "A",
        " " + NONCE,
        "!" + NONCE,
    ],
)
def test_c95_any_other_text_is_foreign(nonce: str) -> None:
    assert state(nonce) is NonceState.FOREIGN


def test_c92_a_nonce_has_one_spelling() -> None:
    # 26 bytes leave unused bits in the last character: the same bytes could be spelled in four ways.
    nonce = make_nonce(KEY, NOW, b"12345", "192.0.2.1", "example.com")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    accepted = [last for last in alphabet if state(nonce[:-1] + last) is NonceState.FRESH]

    assert accepted == [nonce[-1]]


def test_host_and_realm_cannot_trade_characters() -> None:
    a = make_nonce(KEY, NOW, b"", "h1", "realm")

    assert nonce_issued_at_s(KEY, a, "h", "1realm") is None


def test_c46_salt_is_the_same_for_a_repeat_and_other_for_another_request() -> None:
    assert nonce_salt(KEY, b"t1") == nonce_salt(KEY, b"t1") != nonce_salt(KEY, b"t2")
    assert nonce_salt(KEY, b"t1") != nonce_salt(b"other", b"t1")
    assert len(nonce_salt(KEY, b"t1")) == 8


@pytest.mark.parametrize(("lifetime_s", "step_s"), [(300, 32), (80, 10), (8, 1), (1, 1), (0, 1)])
def test_issue_time_is_rounded_down_in_steps_the_lifetime_can_bear(lifetime_s: int, step_s: int) -> None:
    start = NOW - NOW % step_s

    assert {issue_time(start + offset, lifetime_s) for offset in range(step_s)} == {start}
    assert issue_time(start + step_s, lifetime_s) == start + step_s


def test_salt_that_would_make_the_text_too_long_is_our_fault() -> None:
    with pytest.raises(ValueError, match="salt"):
        make_nonce(KEY, NOW, b"x" * 17, "h", "r")
