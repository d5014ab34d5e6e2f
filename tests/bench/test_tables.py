"""Medians, ratios and what is said of a machine that others used, from figures made up here."""

from typing import Any

from bench import tables
from bench.measuring import Measurement


def measurement(server: str = "ours", mode: str = "refresh", **changes: Any) -> Measurement:
    """1,000 registrations in a second, 100 µs of the server and 50 µs of the database for each."""
    load = {
        "per_s": changes.pop("per_s", 1000.0),
        "done": 1000,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "p999_ms": 3.0,
        "retransmissions": 0,
        "deferred": 0,
        "stalled_ms": changes.pop("stalled_ms", 1.0),
        "failures": 0,
        "client_cpu_s": 0.01,
    }
    figures = {"server_cpu_s": 0.1, "database_cpu_s": 0.05, "others_cores": 0.0, "stolen_cores": 0.0}
    return Measurement(server, mode, load, **{**figures, **changes})


def test_cpu_time_is_told_for_one_registration() -> None:
    one = measurement()

    assert (round(one.server_us), round(one.database_us), round(one.client_us)) == (100, 50, 10)
    assert round(one.cost_us) == 150


def test_a_row_is_the_median_of_its_rounds() -> None:
    rounds = [measurement(per_s=rate) for rate in (900.0, 4000.0, 1000.0)]

    (row,) = tables.rows(rounds)

    assert row[:4] == ["ours", "refresh", "1,000", "900-4,000"]


def test_disturbed_rounds_count_only_where_there_is_no_other() -> None:
    disturbed = measurement(per_s=1.0, others_cores=0.5)
    calm = measurement(per_s=1000.0)

    assert tables.undisturbed([disturbed, calm]) == [calm]
    assert tables.undisturbed([disturbed]) == [disturbed]


def test_a_loader_that_stood_still_disturbs_its_own_measurement() -> None:
    assert measurement(stalled_ms=4000.0).is_disturbed
    assert not measurement().is_disturbed


def test_the_reader_is_told_of_disturbed_rounds() -> None:
    assert tables.disturbance([measurement()]) == "The machine was left alone."
    assert tables.disturbance([measurement(), measurement(stolen_cores=0.3)]).startswith("1 of 2 ")


def test_ratios_compare_the_same_mode_of_ours_and_others() -> None:
    measured = [
        measurement(per_s=4000.0),
        measurement("other", per_s=1000.0, server_cpu_s=0.4, database_cpu_s=0.2),
        measurement("other", mode="initial"),
    ]

    assert tables.ratios(measured, "ours") == [
        "refresh: ours / other: rate 4.00x; CPU of server and database 0.25x"
    ]


def test_a_ratio_is_the_median_of_what_is_found_round_by_round() -> None:
    mine = [measurement(per_s=rate, round=number) for number, rate in enumerate((100.0, 2000.0, 900.0))]
    other = [
        measurement("other", per_s=rate, round=number) for number, rate in enumerate((50.0, 1000.0, 100.0))
    ]

    assert tables.ratio_of(mine, other, lambda one: one.per_s) == 2.0


def test_a_round_in_which_one_was_disturbed_is_compared_only_where_there_is_no_other() -> None:
    mine = [measurement(per_s=1000.0, round=0), measurement(per_s=9000.0, round=1)]
    other = [measurement("other", per_s=500.0, round=0), measurement("other", round=1, others_cores=1.0)]

    assert tables.ratio_of(mine, other, lambda one: one.per_s) == 2.0
    assert tables.ratio_of(mine[1:], other[1:], lambda one: one.per_s) == 9.0


def test_a_small_difference_is_called_a_tie() -> None:
    measured = [measurement(per_s=1100.0), measurement("other")]

    assert "1.10x, a tie" in tables.ratios(measured, "ours")[0]


def test_ours_is_measured_at_the_lower_ceiling() -> None:
    measured = [
        measurement(per_s=5_000.0),
        measurement("echo server", "echo", per_s=100_000.0),
        measurement("database", "writes", per_s=20_000.0),
    ]

    assert tables.shares_of_ceiling(measured, "ours") == [
        "refresh: 25% of the lower ceiling (database, 20,000/s)"
    ]
    assert tables.shares_of_ceiling(measured[:1], "ours") == []


def test_a_table_is_markdown() -> None:
    text = tables.markdown(["a", "b"], [[1, "two"]])

    assert text.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | two |"]
