"""What the benchmark reads: the loader's lines, /proc, the configuration it writes, the series of a scenario."""

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import kamailio, machine, writes
from bench.database import Cluster
from bench.ledger import Kept, compare
from bench.loader import read_acknowledged, read_lines
from bench.machine import Busy
from bench.options import parse
from bench.processes import read_usage
from bench.scenarios.expiry import p99s
from bench.scenarios.powercut import first_wave, when_back

CLUSTER = cast(Cluster, SimpleNamespace(host="127.54.0.1", url="postgresql://", folder=Path("/nowhere")))


def second(at_s: float, **changes: float) -> dict[str, Any]:
    return {"at_s": at_s, "done": 1, "refreshes": 0, "first_done": 0, "p99_ms": 1.0, **changes}


def test_the_loaders_lines_become_its_result_and_its_seconds() -> None:
    heard = []
    lines = [
        {"event": "begin"},
        {"event": "second", "done": 3},
        {"event": "end"},
        {"event": "result", "done": 3},
    ]

    told = read_lines(map(json.dumps, lines), lambda event, _: heard.append(event))

    assert told is not None
    assert (told.result, told.seconds) == ({"done": 3}, [{"done": 3}])
    assert heard == ["begin", "second", "end"]


def test_lines_without_a_result_are_none() -> None:
    assert read_lines(['{"event": "begin"}']) is None


def test_an_acknowledged_registration_that_is_missing_or_older_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "acknowledged"
    path.write_text("100000 4 50\n100001 4 50\n100002 4 50\n100003 4 50\n")

    kept = compare(read_acknowledged(path), {"100000": 4, "100001": 3, "100002": 5})

    assert kept == Kept(acknowledged=4, missing=1, older=1, later=1)
    assert kept.lost == 2


def test_what_has_ended_since_may_be_gone(tmp_path: Path) -> None:
    path = tmp_path / "acknowledged"
    path.write_text("100000 4 -3\n100001 4 50\n")

    assert read_acknowledged(path) == {"100001": 4}


def test_a_process_may_be_called_anything() -> None:
    fields = "S 7 1 1 0 -1 0 0 0 0 0 100 50 25 25 20 0 1 0"

    usage = read_usage(f"42 (a) b (c)) {fields}")

    assert usage.parent == 7
    assert usage.cpu_s == pytest.approx(2.0, rel=0.5)  # of 100 ticks a second on almost every system


def test_time_spent_idle_or_waiting_for_a_disk_is_not_busy() -> None:
    busy = Busy.read("cpu  100 0 100 9999 9999 100 100 300 0 0\ncpu0 1 1 1 1\n")

    assert busy.stolen_s / busy.busy_s == pytest.approx(300 / 400)


@pytest.mark.parametrize("variant", kamailio.VARIANTS, ids=lambda variant: variant.key)
def test_kamailios_configuration_is_filled_in(variant: kamailio.Variant) -> None:
    text = kamailio.configuration(variant, "127.0.0.1:5999", CLUSTER)

    assert re.search(r"@[A-Z_]+@", text.replace("@…@", "")) is None
    assert "listen=udp:127.0.0.1:5999" in text
    assert f'modparam("usrloc", "db_mode", {variant.db_mode})' in text
    assert ("127.54.0.1" in text) is not variant.unix_socket


def test_one_way_to_run_kamailio_promises_nothing() -> None:
    assert [variant.key for variant in kamailio.VARIANTS if not variant.is_durable] == ["write-back"]


def test_rows_written_count_as_registrations() -> None:
    told = writes.result([writes.Written(256, [0.010], 0.001), writes.Written(512, [0.02, 0.03], 0.002)], 2.0)

    assert (told["done"], told["per_s"], told["p50_ms"], told["client_cpu_s"]) == (768, 384.0, 20.0, 0.003)


def test_phones_are_back_when_so_many_had_an_answer() -> None:
    seconds = [second(1.0, first_done=50), second(2.0, first_done=99), second(3.0, first_done=99)]

    assert [when_back(seconds, count) for count in (50, 99, 100)] == [1.0, 2.0, None]


def test_the_first_wave_of_refreshes_is_each_phone_once() -> None:
    begun = [0, 5, 40, 30, 20, 5, 50]

    wave = first_wave([second(at, refreshes=count) for at, count in enumerate(begun)], count=100)

    assert (wave.peak_per_s, wave.mean_per_s, wave.took_s) == (40, 20, 5)
    assert wave.ratio == 2


def test_no_refreshes_are_no_wave() -> None:
    assert first_wave([second(1.0)], count=100).ratio == 0


def test_latencies_meanwhile_are_those_of_seconds_with_answers() -> None:
    heard = [(1.0, second(1)), (2.0, second(2, p99_ms=5.0)), (3.0, second(3, done=0)), (9.0, second(9))]

    assert p99s(heard, since=1.0, until=4.0) == [5.0]


def test_nothing_chosen_is_the_whole_table() -> None:
    options = parse([], {"table": "all", "side": "less"})

    assert (options.what, options.rounds, options.workers) == ("table", 3, None)
    assert options.modes == ("first", "refresh", "initial")


def test_an_unknown_scenario_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(["everything"], {"table": "all"})

    assert stopped.value.code == 2


def test_without_kamailio_its_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kamailio, "program", lambda: None)

    assert kamailio.servers(CLUSTER, kamailio.VARIANTS) == []


def test_a_calm_machine_or_the_end_of_patience_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count()
    monkeypatch.setattr(machine, "LOOK_S", 0.01)

    monkeypatch.setattr(machine.Busy, "now", lambda: Busy(float(next(looks)), 0.0))
    machine.wait_for_calm(0.05)
    tried = next(looks)
    monkeypatch.setattr(machine.Busy, "now", lambda: Busy(0.0 * next(looks), 0.0))
    machine.wait_for_calm(60.0)

    assert tried >= 2
    assert next(looks) == tried + 3
