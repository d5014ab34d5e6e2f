"""Group D of the checklist: which requests are one transaction."""

from __future__ import annotations

import pytest

from apps.sip.response import build_response
from apps.sip.transactions import answer_tag, transaction_key
from tests.sip.messages import HEADERS, register, request


def key(*, request_line: str = "REGISTER sip:example.com SIP/2.0", **changed: str) -> bytes:
    return transaction_key(request(register(request_line=request_line, **changed)))


OLD_VIA = "SIP/2.0/UDP 192.0.2.10:5070;branch=1"


def test_c42_a_repeat_has_the_same_key_and_other_headers_do_not_matter() -> None:
    assert len(key()) == 16
    assert key() == key(User_Agent="x", Contact="<sip:other@h>", Expires="1")


@pytest.mark.parametrize(
    "changed",
    [
        {"Via": HEADERS["Via"].replace("776", "777")},
        {"Via": HEADERS["Via"].replace("776", "776").replace("asd", "ASD")},
        {"Via": HEADERS["Via"].replace(":5070", "")},
        {"Via": HEADERS["Via"].replace(".10", ".11")},
        {"request_line": "OPTIONS sip:example.com SIP/2.0", "CSeq": "1826 OPTIONS"},
        {"CSeq": "1827 REGISTER"},
        {"Call_ID": "other"},
    ],
)
def test_c42_branch_sent_by_method_call_id_and_cseq_make_another_transaction(changed: dict[str, str]) -> None:
    assert key(**changed) != key()


@pytest.mark.parametrize(
    "via", [OLD_VIA, "SIP/2.0/UDP 192.0.2.10:5070", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK"]
)
@pytest.mark.parametrize(
    "changed",
    [
        {"request_line": "REGISTER sip:example.org SIP/2.0"},
        {"To": "<sip:1001@example.com>;tag=1"},
        {"From": "<sip:1001@example.com>;tag=1"},
        {"Call_ID": "other"},
        {"CSeq": "1827 REGISTER"},
    ],
)
def test_c45_without_the_cookie_uri_tags_call_id_cseq_and_via_count(
    via: str, changed: dict[str, str]
) -> None:
    assert key(Via=via) == key(Via=via, User_Agent="x")
    assert key(Via=via) != key(Via=via, **changed)
    assert key(Via=via) != key(Via=via + ";x=y")


def test_c36_c46_answers_to_repeats_are_equal_bytes_with_one_to_tag() -> None:
    first, repeat = request(register()), request(register())
    answers = [build_response(each, ("192.0.2.10", 5070), 401, "Unauthorized") for each in (first, repeat)]

    assert answers[0] == answers[1]
    assert f";tag={answer_tag(transaction_key(first))}\r\n".encode() in answers[0]
    assert build_response(request(register(CSeq="1 REGISTER")), ("192.0.2.10", 5070), 401, "") != answers[0]
