"""docs/diagnosis.md says what explain() says."""

from tests.diagnosis.table import FILE, document


def test_the_document_is_up_to_date() -> None:
    assert FILE.read_text() == document(), "run python -m tests.diagnosis.table"
