"""Group C of the checklist: what holds for any server (RFC 3261 §8.2)."""

from uuid import UUID

import pytest

from apps.registrar import outcomes
from apps.registrar.bindings import DomainPolicy
from apps.registrar.outcomes import Outcome
from apps.registrar.rules import Answer
from apps.registrar.triage import triage
from apps.sip.digest import Algorithm
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone
from tests.sip.messages import register, request

DOMAIN = DomainPolicy(UUID(int=1), "example.com", "example.com", (Algorithm.SHA256,), 60, 3600, 7200)
OPTIONS = {"request_line": "OPTIONS sip:example.com SIP/2.0", "CSeq": "1 OPTIONS"}


def verdict(data: bytes) -> Answer | DomainPolicy:
    return triage(request(data), {"example.com": DOMAIN})


def status(data: bytes) -> int | None:
    """None: goes on to authentication."""
    decided = verdict(data)
    return decided.outcome.status if isinstance(decided, Answer) else None


def with_body(*headers: str, content_type: str | None = "application/unknown", body: bytes = b"x") -> bytes:
    lines = [*headers] if content_type is None else [f"Content-Type: {content_type}", *headers]
    return register(*lines, Content_Length=str(len(body))) + body


def test_c32_proxy_require_is_ignored() -> None:
    assert status(register("Proxy-Require: nobody-knows-this")) is None


def test_c34_a_body_of_an_unknown_type_is_415_with_accept() -> None:
    answer = verdict(with_body())

    assert isinstance(answer, Answer)
    assert answer.outcome.status == 415
    assert list(answer.headers) == [("Accept", "application/sdp")]


@pytest.mark.parametrize(
    "data",
    [
        with_body("Content-Disposition: session;handling=optional"),
        with_body('Content-Disposition: session ; Handling = "Optional"'),
        with_body(content_type="application/SDP; charset=utf-8"),
        with_body("Content-Encoding: identity", content_type="application/sdp"),
        with_body(content_type=None),
        with_body(body=b""),
    ],
)
def test_c34_a_body_that_is_optional_known_or_empty_is_processed(data: bytes) -> None:
    assert status(data) is None


def test_c34_a_coding_nobody_reads_is_415_with_accept_encoding() -> None:
    answer = verdict(with_body("Content-Encoding: gzip", content_type="application/sdp"))

    assert isinstance(answer, Answer)
    assert (answer.outcome.status, list(answer.headers)) == (415, [("Accept-Encoding", "identity")])


@pytest.mark.parametrize("max_forwards", ["0", "255", "300", "x"])
def test_c35_max_forwards_does_not_matter_here(max_forwards: str) -> None:
    assert status(register(Max_Forwards=max_forwards)) is None
    assert status(register(**OPTIONS, Max_Forwards=max_forwards)) == 200


def test_c37_c40_no_outcome_is_provisional_or_408_or_6xx() -> None:
    statuses = {row.status for row in vars(outcomes).values() if isinstance(row, Outcome)}

    assert min(statuses) >= 200
    assert max(statuses) < 600
    assert 408 not in statuses


async def test_c40_c41_record_route_does_not_return_and_no_version_is_told(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(phone, headers=["Record-Route: <sip:p1.example.net;lr>"])

    assert reply.status == 200
    assert not reply.values("Record-Route")
    assert not reply.values("Server")
    assert not reply.values("User-Agent")


def test_c39_options_to_a_user_of_another_domain_is_404_and_to_the_server_itself_200() -> None:
    def options(uri: str) -> int | None:
        return status(register(request_line=f"OPTIONS {uri} SIP/2.0", CSeq="1 OPTIONS"))

    uris = ["sip:example.com", "sip:any@example.com", "sip:pbx.example.net", "sip:192.0.2.1", "sip:a@[::1]"]
    assert [options(uri) for uri in uris] == [200] * 5
    assert options("sip:any@example.net") == 404


@pytest.mark.parametrize("uri", ["sip:1001@example.com", "sip:nobody@EXAMPLE.com:5060;transport=udp"])
def test_c50_a_user_in_the_request_uri_is_ignored(uri: str) -> None:
    assert status(register(request_line=f"REGISTER {uri} SIP/2.0")) is None


async def test_c51_an_unknown_require_is_420_before_any_change(registrar: Registrar, phone: Phone) -> None:
    assert (await registrar.register(phone)).status == 200

    refused = await registrar.send(phone, phone.register(["*"], expires=0, headers=["Require: x-unknown"]))

    assert refused is not None
    assert (refused.status, refused.values("Unsupported")) == (420, ["x-unknown"])
    assert len((await registrar.register(phone, [])).contacts) == 1
