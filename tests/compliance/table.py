"""docs/compliance.md, made from the sentences and the tests found by their names.

`python -m tests.compliance.table` rewrites the file; test_table.py compares.
"""

from typing import Final

from tests.compliance.sentence_table import DOCS, SentenceTable
from tests.compliance.sentences import SENTENCES

FILE: Final = DOCS / "compliance.md"

_HEAD: Final = """# Compliance

Made by `python -m tests.compliance.table`; a test keeps it true. What the registrar is held to, and the tests that show
it: `pytest -k c61` runs those of sentence C61. M is must, S should, N nice to have; § alone is a section of RFC 3261.
The torture messages of RFC 4475 and RFC 5118, with the right answer and the reason for each, are in
[tests/torture/table.py](../tests/torture/table.py).

"""
TABLE: Final = SentenceTable("C", SENTENCES, _HEAD)

if __name__ == "__main__":
    FILE.write_text(TABLE.page())
