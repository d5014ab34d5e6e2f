#!/usr/bin/env python
"""The coverage-guided harness: `./run fuzz [SECONDS]`, or by hand

    python -m tests.fuzz.harness [libFuzzer options] CORPUS_FOLDER...

Needs atheris (the extra `fuzz`; Linux only). An input is one datagram. One that begins with the byte 1, 2 or 3 is
taken as a URI, as Contact lines or as Authorization lines besides: mutation then gets to them without a message around.
One that begins with 4 is several messages, two NULs between them, and then somebody who subscribes.
"""

import sys
from collections.abc import Callable
from typing import Final

import atheris

with atheris.instrument_imports(include=["apps"]):
    from tests.fuzz import checks

FIELDS: Final[dict[int, Callable[[str], None]]] = {
    1: checks.check_uri,
    2: checks.check_contacts,
    3: checks.check_authorization,
}
HISTORY: Final = b"\4"
MOST_MESSAGES: Final = 6


def test_one_input(data: bytes) -> None:
    checks.check_message(data)
    checks.check_stun(data)
    if data[:1] == HISTORY:
        checks.check_history(*data[1:].split(b"\0\0")[:MOST_MESSAGES])
    if data[:1] and data[0] in FIELDS:
        try:
            text = data[1:].decode()
        except UnicodeDecodeError:
            return
        FIELDS[data[0]](text)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
