"""docs/calls-compliance.md, made from the sentences and the tests found by their names.

`python -m tests.calls.table` rewrites the file; test_table.py compares.
"""

from typing import Final

from tests.calls.sentences import SENTENCES
from tests.compliance.sentence_table import DOCS, TESTS, SentenceTable

FILE: Final = DOCS / "calls-compliance.md"

_HEAD: Final = """# Compliance of calls

Made by `python -m tests.calls.table`; a test keeps it true. What the call proxy is held to, and the tests that show it:
`pytest tests/calls -k p44` runs those of sentence P44. M is must, S should, N nice to have; § alone is a section of
RFC 3261. Time in these tests is virtual. What the registrar is held to: [compliance.md](compliance.md).

"""
TABLE: Final = SentenceTable("P", SENTENCES, _HEAD, TESTS / "calls")

if __name__ == "__main__":
    FILE.write_text(TABLE.page())
