"""A small supervisor: starts child processes, restarts those that die, stops all of them in time.

One thread, one turn at a time. It must not know what its children do, and it logs nothing itself: `on_event`
does. On Linux the children die with this process (PR_SET_PDEATHSIG), however it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Final, Literal, Self

FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 5.0
STEADY_AFTER_S: Final = 10.0
LAST_STAGE_S: Final = 1.5
LARGEST_LOG_BYTES: Final = 20_000_000
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG: Final = 1
_AUTOGROUP: Final = Path("/proc/self/autogroup")
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: a forked child must not


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a child runs as; only root can give one."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep alive.

    `env` is its whole environment (None: ours), `pass_fds` stay open in it. Output is appended to `log`
    (None: it goes where ours goes). `stops_last` keeps it until the others are gone, as a database must be.
    It starts with the signals of `held_back` blocked, and unblocks them once it can handle them. The higher its
    `niceness` (0 to 19), the more it leaves to the others when there is too little CPU.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    pass_fds: tuple[int, ...] = ()
    log: Path | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    parent_death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    stops_last: bool = False
    held_back: frozenset[signal.Signals] = frozenset()
    niceness: int = 0


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """What happened to a child. `returncode` is negative for a signal; `retry_in_s` belongs to "died"."""

    kind: Literal["started", "died", "stopped", "killed"]
    name: str
    pid: int
    returncode: int | None = None
    retry_in_s: float | None = None


class StopRequested(BaseException):
    """A stop signal came while Supervisor.interruptible() was open."""


@dataclass(slots=True)
class _Kept:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    retry_s: float = FIRST_RETRY_S
    retry_at: float = field(default=0.0)


class Supervisor:
    """Keeps `children` alive between `with` and its end.

    `run()` is all that most callers need. A caller with work of its own enters the supervisor, calls start()
    for each child in its time, and step() until `stopping`. Only in the main thread: it handles signals.
    """

    def __init__(
        self,
        children: Iterable[Child] = (),
        on_event: Callable[[ChildEvent], None] | None = None,
        *,
        stop_within_s: float = 5.0,
        passed_on: Collection[signal.Signals] = (),
    ) -> None:
        """Signals in `passed_on` stop nothing: each child gets them."""
        self.stopping = False
        self._passed_on = passed_on
        self._kept = [_Kept(child) for child in children]
        self._on_event = on_event or (lambda event: None)
        self._stop_within_s = stop_within_s
        self._interruptible = False
        self._undo = contextlib.ExitStack()
        self._wake: socket.socket | None = None

    def run(self) -> int:
        """Start the children and keep them alive until SIGTERM, SIGINT or SIGHUP. Returns exit code 0."""
        with self:
            for kept in self._kept:
                self._launch(kept)
            while not self.stopping:
                self.step()
        return 0

    def start(self, child: Child) -> None:
        """Start one more child now. OSError if it cannot be executed at all."""
        kept = _Kept(child)
        self._kept.append(kept)
        self._launch(kept)

    def step(self, timeout_s: float | None = None) -> None:
        """One turn: wait (at most `timeout_s`) for a signal, a death or a due restart; reap, restart."""
        waits = [kept.retry_at - time.monotonic() for kept in self._kept if kept.process is None]
        waits += [] if timeout_s is None else [timeout_s]
        self._sleep(max(0.0, min(waits)) if waits else None)
        for kept in self._kept:
            self._reap(kept)
        for kept in self._kept:
            if kept.process is None and not self.stopping and kept.retry_at <= time.monotonic():
                self._relaunch(kept)

    def request_stop(self) -> None:
        """Make run() end, as a SIGTERM does."""
        self.stopping = True

    def is_alive(self, name: str) -> bool:
        return any(
            k.process is not None and k.process.poll() is None for k in self._kept if k.child.name == name
        )

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """In here a stop signal raises StopRequested at once; the `with supervisor` around it takes it."""
        self._interruptible = True
        try:
            if self.stopping:
                raise StopRequested
            yield
        finally:
            self._interruptible = False

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        self._wake = ours
        for end in (ours, theirs):
            end.setblocking(False)
            self._undo.callback(end.close)
        self._undo.callback(
            signal.set_wakeup_fd, signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        )
        for number in self._passed_on:
            self._undo.callback(signal.signal, number, signal.signal(number, self._pass_on))
        for number in STOP_SIGNALS:
            if number in self._passed_on:
                continue
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # started with nohup
            self._undo.callback(signal.signal, number, signal.signal(number, self._on_stop_signal))
        self._undo.callback(signal.signal, signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda *_: None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._interruptible = False
        try:
            self._stop_all()
        finally:
            self._undo.close()
        return kind is StopRequested

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self._interruptible:
            self._interruptible = False
            raise StopRequested

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        for kept in self._kept:
            if kept.process is not None and kept.process.poll() is None:
                kept.process.send_signal(number)

    def _sleep(self, seconds: float | None) -> None:
        if self.stopping and seconds is None:
            return
        if self._wake is None:
            raise RuntimeError("enter the supervisor first: with supervisor: ...")
        select.select([self._wake], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)

    def _launch(self, kept: _Kept) -> None:
        kept.process = spawn(kept.child)
        kept.started_at = time.monotonic()
        self._on_event(ChildEvent("started", kept.child.name, kept.process.pid))

    def _relaunch(self, kept: _Kept) -> None:
        try:
            self._launch(kept)
        except OSError as error:
            self._schedule(kept, pid=0, returncode=error.errno, lived_s=0.0)

    def _reap(self, kept: _Kept) -> None:
        if kept.process is None or kept.process.poll() is None:
            return
        process, kept.process = kept.process, None
        self._schedule(kept, process.pid, process.returncode, time.monotonic() - kept.started_at)

    def _schedule(self, kept: _Kept, pid: int, returncode: int | None, lived_s: float) -> None:
        if lived_s >= STEADY_AFTER_S:
            kept.retry_s = FIRST_RETRY_S
        kept.retry_at = time.monotonic() + kept.retry_s
        self._on_event(ChildEvent("died", kept.child.name, pid, returncode, kept.retry_s))
        kept.retry_s = min(LONGEST_RETRY_S, kept.retry_s * 2)

    def _stop_all(self) -> None:
        self.stopping = True
        deadline = time.monotonic() + self._stop_within_s
        last = [kept for kept in self._kept if kept.child.stops_last]
        first = [kept for kept in self._kept if not kept.child.stops_last]
        self._stop(first, deadline - (LAST_STAGE_S if last else 0.0))
        self._stop(last, deadline)

    def _stop(self, group: list[_Kept], deadline: float) -> None:
        for kept in reversed(group):
            if kept.process is not None and kept.process.poll() is None:
                kept.process.send_signal(kept.child.stop_signal)
        for kept in reversed(group):
            process, kept.process = kept.process, None
            if process is None:
                continue
            kind: Literal["stopped", "killed"] = "stopped"
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                kill_group(process)
                kind = "killed"
            self._on_event(ChildEvent(kind, kept.child.name, process.pid, process.returncode))


def spawn(child: Child, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start the child's process in a session of its own, so that a Ctrl-C reaches only its parent.

    `output` takes what it prints, if it has no log.
    """
    options: dict[str, Any] = {} if output is None else {"stdout": output, "stderr": output}
    if child.account is not None:
        options |= {"user": child.account.uid, "group": child.account.gid, "extra_groups": []}
    with contextlib.ExitStack() as stack:
        stack.callback(
            signal.pthread_sigmask,
            signal.SIG_SETMASK,
            signal.pthread_sigmask(signal.SIG_BLOCK, child.held_back),
        )
        if child.log is not None:
            options["stdout"] = options["stderr"] = stack.enter_context(_log_file(child.log))
        return subprocess.Popen(  # noqa: S603 - the caller's own command
            list(child.argv),
            env=None if child.env is None else dict(child.env),
            pass_fds=child.pass_fds,
            cwd=child.cwd,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_prepare(child),
            **options,
        )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it left in its session, and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _log_file(path: Path) -> IO[bytes]:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST_LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def _prepare(child: Child) -> Callable[[], None]:
    parent = os.getpid()

    def in_child() -> None:
        if child.niceness:
            os.nice(child.niceness)
            # Where Linux shares CPU by sessions (each child is one), a process' own counts only within its session.
            with contextlib.suppress(OSError):
                _AUTOGROUP.write_text(str(child.niceness))
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, child.parent_death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return in_child
