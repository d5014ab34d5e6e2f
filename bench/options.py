"""What the person at the terminal may choose."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measuring import Load

WITH_MANY: Final = ("scale", "expiry", "powercut", "overload", "serve")
"""What also needs --count phones."""


@dataclass(frozen=True, slots=True)
class Options:
    what: str
    rounds: int
    seconds: float
    users: int
    window: int
    workers: int | None
    sources: int
    modes: tuple[str, ...]
    count: int
    minutes: float
    expires: int
    rate: float
    extensions: int
    patience: float
    digest: str
    markdown: Path | None

    @property
    def load(self) -> Load:
        return Load(self.users, self.window, self.seconds, sources=self.sources)

    @property
    def extensions_needed(self) -> int:
        phones = self.users + (self.count if self.what in WITH_MANY else 0)
        return max(phones, self.extensions)


NUMBERS: Final[tuple[tuple[str, type, object, str], ...]] = (
    ("--rounds", int, 3, "of which medians are taken"),
    ("--seconds", float, 5.0, "of each measurement"),
    ("--users", int, 10_000, "phones that register"),
    ("--window", int, 256, "registrations at a time"),
    ("--workers", int, None, "of our SIP server; default: what the product starts"),
    ("--sources", int, 0, "loopback addresses the phones come from; 0: each has its own"),
    ("--count", int, 100_000, "phones of scale, expiry, powercut and overload"),
    ("--minutes", float, 60.0, "of soak"),
    ("--expires", int, 300, "seconds, of powercut"),
    ("--rate", float, 500.0, "registrations a second while bindings expire, of expiry"),
    ("--extensions", int, 0, "at least so many exist, whoever registers"),
    ("--patience", float, 5.0, "seconds that a measurement waits for others to leave the machine alone"),
)

DIGESTS: Final = ("strongest_first", "md5_first", "md5_only")
"""The loader answers the MD5 of each; SIPp 3.6 only an MD5 that comes first."""


def parse(arguments: Sequence[str], scenarios: Mapping[str, str]) -> Options:
    """`scenarios`: what each does, by name; the first is the default. Exits with 2 on a wrong use."""
    words = "\n".join(f"  {name:10} {meaning}" for name, meaning in scenarios.items())
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description=f"WHAT is one of:\n{words}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", default=next(iter(scenarios)), choices=scenarios)
    for name, kind, default, meaning in NUMBERS:
        parser.add_argument(name, type=kind, default=default, help=f"{meaning} ({default})")
    parser.add_argument(
        "--modes", default="first,refresh,initial", help="of table and side (first,refresh,initial)"
    )
    parser.add_argument(
        "--digest", choices=DIGESTS, default=DIGESTS[0], help=f"that ours offers ({DIGESTS[0]})"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also written there")
    chosen = vars(parser.parse_args(arguments))
    return Options(**{**chosen, "modes": tuple(chosen["modes"].split(","))})
