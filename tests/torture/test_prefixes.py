"""Every prefix of every torture message: a request, or a fault with one well-formed answer, or silence."""

import contextlib
from uuid import UUID

import pytest

from apps.registrar.bindings import DomainPolicy
from apps.registrar.rules import Answer
from apps.registrar.triage import triage
from apps.sip.contact import ContactError, parse_contacts
from apps.sip.digest import Algorithm, parse_authorization
from apps.sip.message import Request, parse_request
from apps.sip.response import build_response, response_address
from tests.registrar.phone import read_reply
from tests.torture.table import TABLE, Expected

SOURCE = ("192.0.2.77", 6077)
DOMAINS = {
    "example.com": DomainPolicy(
        UUID(int=1), "example.com", "example.com", (Algorithm.SHA256,), 60, 3600, 7200
    )
}


def status_of_the_answer(data: bytes) -> int | None:
    """What the reading side makes of it, up to where somebody must be looked up."""
    parsed = parse_request(data)
    if not isinstance(parsed, Request):
        if parsed.status is None:
            return None
        answer = build_response(parsed, SOURCE, parsed.status, parsed.reason)
    else:
        parse_authorization(parsed.values("authorization"), "example.com")
        with contextlib.suppress(ContactError):
            parse_contacts(parsed.values("contact"))
        decided = triage(parsed, DOMAINS)
        outcome = decided.outcome if isinstance(decided, Answer) else None
        headers = decided.headers if isinstance(decided, Answer) else ()
        answer = build_response(parsed, SOURCE, outcome.status if outcome else 401, "", headers)
    assert response_address(parsed, SOURCE)[0] == SOURCE[0]
    return read_reply(answer).status


@pytest.mark.parametrize("expected", TABLE, ids=lambda expected: expected.name)
def test_every_prefix_of_a_torture_message_gets_one_sound_answer_or_silence(expected: Expected) -> None:
    data = expected.data

    statuses = {status_of_the_answer(data[:length]) for length in range(len(data))}

    assert statuses <= {None, 200, 400, 401, 404, 405, 416, 420, 501, 505}
    assert None in statuses
