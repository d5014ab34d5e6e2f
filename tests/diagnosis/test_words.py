"""Every code has its words, and no word is left over."""

import re
from string import Formatter

import pytest

from apps.diagnosis.explain import explain
from apps.diagnosis.facts import Finding
from apps.diagnosis.wording import length
from apps.diagnosis.words import EVIDENCE, SENTENCE_OF_VARIANT, WORDS, words_of
from apps.registrar.outcomes import REFUSALS, EndReason
from tests.diagnosis.phones import facts, offline, refusal, with_attempts
from tests.diagnosis.situations import SITUATIONS

ACTIONS = {"", "password", "enable", "settings"}


def _findings() -> list[Finding]:
    given = [facts for one in SITUATIONS for facts in (one.facts, one.nearest)]
    given += [with_attempts(offline(), refusal(reason)) for reason in REFUSALS]
    given += [with_attempts(facts(), refusal("made_up"))]
    given += [offline(reason=reason) for reason in EndReason]
    return [finding for one in given for finding in explain(one)]


def test_every_code_is_reached_by_some_situation() -> None:
    given = _findings()
    said = {finding.code for finding in given}
    variants = {f"{one.code}:{one.details['variant']}" for one in given if one.details["variant"]}

    assert set(WORDS) <= said | variants


def test_every_refusal_has_words() -> None:
    assert set(REFUSALS) - {"not_our_domain"} <= set(WORDS)


@pytest.mark.parametrize("key", sorted(WORDS))
def test_words_are_complete(key: str) -> None:
    words = WORDS[key]

    assert 1 <= len(words.short.split()) <= 4
    assert words.short[0].islower() or words.short.startswith(("SIP", "NAT"))
    assert words.sentence.endswith((".", "?"))
    assert words.fix.endswith(".")
    assert words.said.endswith(".")
    assert words.action in ACTIONS
    assert key.partition(":")[0] in WORDS


def test_no_brace_and_no_empty_field_is_left() -> None:
    for finding in _findings():
        for text in (finding.sentence, finding.fix, *(line.text for line in finding.evidence)):
            assert text
            assert not re.search(r"[{}]|None|  |\(\)|“”", text), text


def test_templates_name_their_fields() -> None:
    """No {} and no {0}: a translator may turn the order round."""
    texts = [text for words in WORDS.values() for text in (words.sentence, words.fix)]
    for text in (*texts, *SENTENCE_OF_VARIANT.values(), *EVIDENCE.values()):
        assert all(name is None or name.isidentifier() for _, name, _, _ in Formatter().parse(text))


def test_a_variant_without_words_of_its_own_keeps_short_words_and_fix() -> None:
    words = words_of("old_password", "other_device")

    assert words.short == "old password"
    assert words.sentence == SENTENCE_OF_VARIANT["other_device"]


def test_a_translator_sees_templates_and_phrases_never_what_a_phone_sent() -> None:
    seen: list[str] = []

    def translate(text: str) -> str:
        seen.append(text)
        return f"«{text}»"

    (finding,) = explain(with_attempts(facts(), refusal("wrong_password", user_agent="Evil")), translate)

    assert finding.sentence == f"«{WORDS['wrong_password'].sentence}»".format(peer="1001-desk")
    assert finding.evidence[0].text.startswith("«Refused («wrong password»)")
    assert not any("Evil" in text or "203.0.113.7" in text for text in seen)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (119, "119 s"),
        (120, "2 min"),
        (300, "5 min"),
        (3600, "1 h"),
        (5400, "90 min"),
        (7200, "2 h"),
    ],
)
def test_lengths_are_said_in_one_unit(seconds: float, words: str) -> None:
    assert length(seconds) == words
