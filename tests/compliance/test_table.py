"""docs/compliance.md says what the tests show."""

from tests.compliance.table import FILE, TABLE


def test_there_are_118_sentences() -> None:
    assert [sentence.number for sentence in TABLE.sentences()] == list(range(1, 119))


def test_every_numbered_test_has_its_sentence() -> None:
    assert set(TABLE.by_number()) <= {sentence.number for sentence in TABLE.sentences()}


def test_the_table_is_up_to_date() -> None:
    assert FILE.read_text() == TABLE.page(), "run python -m tests.compliance.table"
