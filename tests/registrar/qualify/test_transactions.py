"""A probe as a client transaction: repeated as RFC 3261 §17.1.2 says, until it is answered or lost."""

from uuid import UUID

import pytest

from apps.registrar.qualify.transactions import Transaction, Transactions
from apps.sip.transactions import T1_S

ONE = UUID(int=1)


def begun(number: int = 1, interval_s: float = 60, t1_s: float | None = T1_S) -> Transactions:
    transactions = Transactions()
    transactions.add(
        Transaction.begin(
            ONE, number, b"", ("203.0.113.7", 5060), now_s=0.0, interval_s=interval_s, t1_s=t1_s
        )
    )
    return transactions


def sent_again_at(transactions: Transactions) -> list[float]:
    """Looking every quarter of a second, until it is lost."""
    times: list[float] = []
    for tick in range(200):
        now_s = tick * 0.25
        if transactions.take_lost(now_s):
            return [*times, now_s]
        for one in transactions.to_repeat(now_s):
            times.append(now_s)
            one.repeated()
    raise AssertionError("never lost")


def test_over_udp_it_is_repeated_with_t1_doubling_to_t2_and_lost_after_64_t1() -> None:
    *times, lost_at = sent_again_at(begun())
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert lost_at == 32


def test_it_is_lost_before_the_next_turn() -> None:
    assert sent_again_at(begun(interval_s=2)) == [0.5, 1.5]


def test_with_a_longer_t1_it_is_repeated_later() -> None:
    assert sent_again_at(begun(t1_s=2.0)) == [2, 6, 10, 14, 18, 22, 26, 30, 32]


def test_over_a_connection_it_is_sent_once() -> None:
    assert sent_again_at(begun(t1_s=None)) == [32]


@pytest.mark.parametrize(("number", "left"), [(1, 0), (2, 1)])
def test_an_answer_ends_the_probe_it_belongs_to(number: int, left: int) -> None:
    transactions = begun()
    transactions.end(ONE, number)
    transactions.end(UUID(int=2), number)
    assert len(transactions) == left
