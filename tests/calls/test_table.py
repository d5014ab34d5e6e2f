"""docs/calls-compliance.md says what the tests show."""

from tests.calls.table import FILE, TABLE


def test_every_sentence_has_its_test_and_every_numbered_test_its_sentence() -> None:
    numbers = [sentence.number for sentence in TABLE.sentences()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert set(TABLE.by_number()) == set(numbers)


def test_the_table_is_up_to_date() -> None:
    assert FILE.read_text() == TABLE.page(), "run python -m tests.calls.table"
