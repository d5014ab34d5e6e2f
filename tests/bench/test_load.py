"""The load generator: built here, against a registrar that follows a script, and against the product."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bench import extensions, loader
from bench.database import Cluster
from bench.ledger import compare
from bench.loader import COMPILERS, BenchError, LoadRun, read_acknowledged
from bench.measuring import Load
from bench.servers import Product, answers, free_port
from tests.bench.registrar import scripted_registrar
from tests.interop.witness import comes_true
from tests.registrar.conftest import url_of_test_database
from tests.registrar.server import sip_server

HOST = "127.0.0.1"
ONE_PHONE = Load(users=1, window=1, seconds=1.0, extra=("--warmup", "0"))
ONCE = Load(users=1, window=1, extra=("--once",))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`./run test` brings a compiler, or says that this is left out; the build server fails without one."""
    if not any(map(shutil.which, COMPILERS)):
        pytest.skip("no C compiler: the load generator is not tested (apt-get install gcc libc6-dev)")
    return loader.build(tmp_path_factory.mktemp("load"))


def run(program: Path, address: str, mode: str, load: Load) -> LoadRun:
    return loader.run([str(program), *load.arguments(address, mode)])


def test_without_a_compiler_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BenchError, match="apt-get install gcc"):
        loader.build(tmp_path)


def test_nobody_outside_of_this_machine_is_loaded(program: Path) -> None:
    with pytest.raises(BenchError, match=r"only 127\.0\.0\.0/8 is loaded"):
        run(program, "192.0.2.1:5060", "initial", ONE_PHONE)


def test_the_first_challenge_it_can_answer_is_answered(program: Path) -> None:
    with scripted_registrar([]) as (address, registrar):
        told = run(program, address, "initial", ONCE)

    assert told.result["codes"] == {"200": 1, "401": 1}
    assert registrar.nonces == [("nonce1", 1)]


def test_a_request_without_an_answer_is_repeated_byte_for_byte(program: Path) -> None:
    with scripted_registrar(["silence"]) as (address, registrar):
        told = run(program, address, "initial", ONCE)

    assert told.result["retransmissions"] == 1
    assert registrar.requests[1] == registrar.requests[2]


def test_a_refresh_keeps_its_nonce_until_it_is_stale_or_followed_by_another(program: Path) -> None:
    with scripted_registrar(["ok", "ok", "stale", "ok", "next_nonce"]) as (address, registrar):
        run(program, address, "refresh", ONE_PHONE)

    assert registrar.nonces[:6] == [
        ("nonce1", 1),
        ("nonce1", 2),
        ("nonce2", 1),
        ("nonce2", 2),
        ("given-before", 1),
        ("given-before", 2),
    ]


def test_a_phone_told_503_comes_again_after_the_time_it_was_told(program: Path) -> None:
    with scripted_registrar(["503"]) as (address, registrar):
        told = run(program, address, "initial", ONCE)

    assert told.result["seconds"] >= 1
    assert (told.result["deferred"], told.result["failures"], told.result["done"]) == (1, 0, 1)
    assert len(registrar.nonces) == 1


def test_phones_left_to_themselves_refresh_before_their_registration_ends(program: Path) -> None:
    with scripted_registrar([]) as (address, registrar):
        load = replace(ONE_PHONE, seconds=1.5, extra=("--expires", "60", "--refresh-at", "0.005", "--series"))
        told = run(program, address, "phones", load)

    assert told.result["started"] >= 2
    assert registrar.nonces[:2] == [("nonce1", 1), ("nonce1", 2)]
    assert sum(second["refreshes"] for second in told.seconds) <= told.result["started"]


def test_a_wrong_password_is_a_failure(program: Path) -> None:
    with scripted_registrar([]) as (address, _):
        wrong = replace(ONE_PHONE, extra=("--warmup", "0", "--password-prefix", "no"))
        told = run(program, address, "initial", wrong)

    assert told.result["done"] == 0
    assert told.result["failures"] > 0


@pytest.mark.usefixtures("transactional_db")
def test_generated_phones_register_and_refresh_with_the_product(program: Path, tmp_path: Path) -> None:
    extensions.generate(url_of_test_database(), 100)
    address, path = (HOST, free_port()), tmp_path / "acknowledged"
    where = f"{HOST}:{address[1]}"
    load = Load(users=100, window=50, seconds=0.5, extra=("--warmup", "0", "--ack-file", str(path)))
    with sip_server(address, workers=1):
        assert comes_true(lambda: answers(where), within_s=20)

        told = run(program, where, "refresh", load)

    assert told.result["failures"] == 0
    assert told.result["acknowledged"] == 100
    assert told.result["challenges"] == 0  # they came before what is measured
    assert set(told.result["codes"]) == {"200", "401"}
    cluster = cast(Cluster, SimpleNamespace(url=url_of_test_database()))
    assert compare(read_acknowledged(path), Product(cluster).last_cseqs()).lost == 0
