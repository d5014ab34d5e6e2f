"""Whatever is asked: a verdict, and never a way to anybody but the registered phones and the trunks that were found."""

from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from apps.calls.authorizing import Caller
from apps.calls.deciding import decide, questions
from apps.calls.values import Forward, Refuse
from apps.routing.answer import Found, Owner, RouteAnswer, answer
from apps.routing.store import params
from apps.sip.message import Request, parse_request
from apps.trunks.values import Trunk
from tests.calls.asking import TRUNK, FewTrunks
from tests.calls.test_deciding import CLAIMANT
from tests.routing.test_answer import AOR, target

OUTWARD = FewTrunks(inward={"1": "1001"}, outward={"1": ((TRUNK, "+1"),), "&=+$,;?/": ((TRUNK, "&=+$,;?/"),)})
TARGETS = (target("a"), target("b", path=("<sip:edge;lr>",)))
DESTINATIONS = {*(one.destination for one in TARGETS), *TRUNK.servers}
ANSWERS = [
    answer(AOR, Owner(UUID(int=3), enabled=True), TARGETS),
    *(RouteAnswer(AOR, found) for found in Found if found is not Found.TARGETS),
]
ODD = "a1%&=+$,;?/\\'\"<>@:[]{}|^`~ \t\x00\x7f\x85\ue000é€\U0001f4de"
users = st.one_of(st.sampled_from(["1", "%31", "&=+$,;?/", "tgruu.x", ""]), st.text(ODD, max_size=12))
hosts = st.sampled_from(
    ["example.com", "example.org", "192.0.2.1", "[2001:db8::1]", "[::ffff:1.2.3.4]", "a..b"]
)
ports = st.sampled_from(["", ":5060", ":0", ":65535", ":99999"])
rests = st.one_of(
    st.sampled_from(["", ";gr", ";gr=urn:uuid:1", ";transport=ws", "?Route=x"]), st.text(ODD, max_size=12)
)
URIS = st.builds(
    "{}:{}@{}{}{}".format, st.sampled_from(["sip", "sips", "tel", "x"]), users, hosts, ports, rests
)


@given(uri=URIS, number=st.integers(0, len(ANSWERS) - 1))
@example(uri="sip:1@example.com", number=ANSWERS.index(RouteAnswer(AOR, Found.UNKNOWN_USER)))
@pytest.mark.parametrize(("asks", "caller"), [(CLAIMANT, Caller("example.com", "1", '"')), (TRUNK, TRUNK)])
def test_no_request_leads_anywhere_else(asks: object, caller: Caller | Trunk, uri: str, number: int) -> None:
    lines = [f"INVITE {uri} SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bKx", "From: <sip:1@example.com>;tag=f"]
    lines += ["To: <sip:x@h>", "Call-ID: c", "CSeq: 1 INVITE", "Content-Length: 0"]
    request = parse_request(("\r\n".join(lines) + "\r\n\r\n").encode(errors="replace"))
    assume(isinstance(request, Request))
    assert isinstance(request, Request)
    asked = questions(request, asks, OUTWARD, b"k" * 32)  # type: ignore[arg-type]
    assert "\\u0000" not in "".join(params(asked).values())
    verdict = decide(request, caller, [ANSWERS[number]] if asked else [], OUTWARD, lambda: 7)
    if isinstance(verdict, Forward):
        hops = [hop for group in verdict.groups for hop in group]
        assert {hop.destination for hop in hops} <= DESTINATIONS
        assert not any("\r" in hop.request_uri or "\n" in hop.request_uri for hop in hops)
    else:
        assert isinstance(verdict, Refuse)
