"""The supervisor with real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.sipserver.supervisor import Child, ChildEvent, Supervisor
from registrar_admin.config import PROJECT_DIR
from tests.patience import PATIENCE_S, wait_until

SLEEP = ["sleep", "600"]
STUBBORN = [sys.executable, "-c", "import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('ready', flush=True)\nsignal.pause()"]  # fmt: skip


class Watcher:
    """Takes the events and runs the supervisor's turns until something is true."""

    def __init__(self) -> None:
        self.events: list[ChildEvent] = []

    def pids(self, name: str) -> list[int]:
        return [event.pid for event in self.events if event.kind == "started" and event.name == name]

    def kinds(self, name: str) -> list[str]:
        return [event.kind for event in self.events if event.name == name]

    def turn_until(self, supervisor: Supervisor, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.events
            supervisor.step(0.05)


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    for event in watcher.events:
        if event.kind == "started":
            assert not is_running(event.pid), f"{event.name} was left behind"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def test_a_dead_child_is_started_again(watcher: Watcher) -> None:
    supervisor = Supervisor(on_event=watcher.events.append)

    with supervisor:
        supervisor.start(Child("one", SLEEP))
        os.kill(watcher.pids("one")[0], signal.SIGKILL)
        watcher.turn_until(supervisor, lambda: len(watcher.pids("one")) == 2)

    assert watcher.kinds("one") == ["started", "died", "started", "stopped"]
    assert watcher.events[1].returncode == -signal.SIGKILL


def test_a_child_that_keeps_dying_is_retried_ever_more_slowly(watcher: Watcher) -> None:
    supervisor = Supervisor(on_event=watcher.events.append)

    with supervisor:
        supervisor.start(Child("one", ["false"]))
        watcher.turn_until(supervisor, lambda: watcher.kinds("one").count("died") == 4)

    pauses = [event.retry_in_s for event in watcher.events if event.kind == "died"]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_a_command_that_cannot_be_executed_at_all_is_the_callers_error(watcher: Watcher) -> None:
    with Supervisor(on_event=watcher.events.append) as supervisor, pytest.raises(FileNotFoundError):
        supervisor.start(Child("one", ["/nonexistent/program"]))


def test_the_child_that_stops_last_outlives_the_others(watcher: Watcher) -> None:
    with Supervisor(on_event=watcher.events.append) as supervisor:
        supervisor.start(Child("database", SLEEP, stops_last=True))
        supervisor.start(Child("web", SLEEP))
        supervisor.start(Child("sip", SLEEP))

    stopped = [event.name for event in watcher.events if event.kind == "stopped"]
    assert stopped == ["sip", "web", "database"]


def test_a_child_that_ignores_the_signal_is_killed_in_time(watcher: Watcher, tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    supervisor = Supervisor(on_event=watcher.events.append, stop_within_s=0.5)
    with supervisor:
        supervisor.start(Child("stubborn", STUBBORN, log=log))
        watcher.turn_until(supervisor, lambda: log.read_text() == "ready\n")

    assert watcher.kinds("stubborn") == ["started", "killed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_run_ends_with_0_when_a_stop_signal_comes(watcher: Watcher, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:  # these tests themselves run under nohup
        signal.signal(number, signal.SIG_DFL)
    before = signal.getsignal(number)

    def stop_when_started(event: ChildEvent) -> None:
        watcher.events.append(event)
        if event.kind == "started":
            os.kill(os.getpid(), number)

    assert Supervisor([Child("one", SLEEP)], stop_when_started).run() == 0

    assert watcher.kinds("one") == ["started", "stopped"]
    assert signal.getsignal(number) is before


def test_a_stop_signal_interrupts_the_callers_own_work(watcher: Watcher) -> None:
    finished = False

    with Supervisor(on_event=watcher.events.append) as supervisor:
        supervisor.start(Child("one", SLEEP))
        with supervisor.interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            finished = True

    assert not finished
    assert watcher.kinds("one") == ["started", "stopped"]


def test_a_child_with_niceness_leaves_the_cpu_to_the_others(watcher: Watcher, tmp_path: Path) -> None:
    program = (
        "import os, pathlib, time\nprint(os.nice(0))\ngroup = pathlib.Path('/proc/self/autogroup')\n"
        "print(group.read_text() if group.exists() else 'nice 5', flush=True)\ntime.sleep(600)"
    )
    log = tmp_path / "log"
    with Supervisor(on_event=watcher.events.append) as supervisor:
        supervisor.start(Child("one", [sys.executable, "-c", program], log=log, niceness=5))
        watcher.turn_until(supervisor, lambda: log.read_text().count("\n") >= 2)
    niceness, group, *_ = log.read_text().splitlines()
    assert int(niceness) == os.nice(0) + 5
    assert group.endswith("nice 5")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_the_children_die_when_the_supervisor_is_killed() -> None:
    program = (
        "from apps.sipserver.supervisor import Child, Supervisor\n"
        "Supervisor([Child('one', ['sleep', '600'])], lambda event: print(event.pid, flush=True)).run()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=PROJECT_DIR)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.kill()
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not is_running(child), "the end of the child")
