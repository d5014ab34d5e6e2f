"""What holds for any bytes: at most one answer, well formed, to where the bytes came from, in bounded steps.

Used by the Hypothesis tests and by the coverage-guided harness alike; a check that fails raises AssertionError.
"""

import re
import sys
from types import FrameType
from typing import Final
from uuid import UUID
from xml.etree.ElementTree import Element

from apps.registrar.regevent.notify import is_our_branch
from apps.registrar.regevent.replies import final_only, read_reply
from apps.sip.contact import Contact, ContactError, Star, parse_contacts, parse_expires
from apps.sip.digest import AuthorizationFault, DigestCredentials, expected_response, parse_authorization
from apps.sip.message import Request, parse_request
from apps.sip.params import split_list
from apps.sip.uri import UriError, address_of_record, parse_sip_uri, uris_equal
from apps.sipserver.stun import binding_answer, is_stun
from tests.fuzz.registrar import MAX_CONTACTS, NONCE_KEY, SOURCE, MemoryRegistrar
from tests.registrar.regevent.subscriptions import read_reginfo
from tests.sip.messages import HEADERS

# Of the server's own failures only these two are the request's fault; there is nothing to redirect to.
SERVER_STATUSES: Final = {501, 505}
# Calls of Python and C functions. The work grows with the message, up to its limits, and never faster.
STEPS_AT_MOST: Final = 1_000
STEPS_PER_BYTE: Final = 4
# Everything but Via, From, To, Call-ID and CSeq, which are the request's own.
ADDED_AT_MOST: Final = 2_048

_SUBSCRIBE: Final = HEADERS | {"CSeq": "1 SUBSCRIBE", "Call-ID": "fetch", "Expires": "0", "Event": "reg"}
FETCH: Final = "\r\n".join(
    ["SUBSCRIBE sip:1001@example.com SIP/2.0", *map(": ".join, _SUBSCRIBE.items()), "", ""]
).encode()

_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2}) [^\r\n]+")
# A control character is text only as a quoted pair (RFC 3261 §25.1), and a line end never is.
_HEADER: Final = re.compile(r"[A-Za-z-]+: (?:[^\x00-\x08\x0a-\x1f\x7f]|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*")
_ECHOED: Final = ("Via", "From", "To", "Call-ID", "CSeq")


def check_message(data: bytes) -> None:
    """One datagram, from its bytes to its answer, and once more: the repeat gets the same answer or none better."""
    registrar = MemoryRegistrar()
    check_reply(registrar.with_marks(data))
    sent = registrar.answer(data)
    check_notified(registrar)
    request = parse_request(data)
    if isinstance(request, Request):
        _check_texts(request)
    if sent is None:
        assert not isinstance(request, Request), "a well-formed request got no answer"
        return
    response, (host, port) = sent
    assert host == SOURCE[0], "an answer goes where the request came from"
    assert 0 < port < 65536
    check_response(response, data)
    for bindings in registrar.bindings.values():
        assert len(bindings) <= MAX_CONTACTS
        for one in bindings:
            assert one.expires_at > registrar.now
            one.contact.encode()


def check_stun(data: bytes) -> None:
    """At most one answer, hardly larger than what came, that is no request itself."""
    for source in (SOURCE, ("2001:db8::7%2", 5060)):
        answer = binding_answer(data, source)
        if answer is not None:
            assert is_stun(data)
            assert len(answer) <= len(data) + 24
            assert answer[4:20] == data[4:20]
            assert binding_answer(answer, source) is None, "no two servers answer each other without end"


def check_history(*messages: bytes) -> None:
    """Messages one after the other to one registrar, and then a subscriber who asks for everything: what he and those
    before him are told is well formed, whatever the phones wrote."""
    registrar = MemoryRegistrar()
    for data in (*messages, FETCH):
        sent = registrar.answer(data)
        if sent is not None:
            check_response(sent[0], data)
    check_notified(registrar)
    assert registrar.notified, "who fetches is told"


def check_notified(registrar: MemoryRegistrar) -> None:
    """Every NOTIFY reads as a request to its subscriber, its document as reginfo (RFC 3680 §5)."""
    numbers: dict[UUID, tuple[int, int]] = {}
    for one in registrar.notified:
        row = one.subscription
        assert row.way.host == SOURCE[0], "a NOTIFY goes where the SUBSCRIBE came from"
        assert (row.cseq, row.version) > numbers.get(row.subscription_id, (0, 0))
        numbers[row.subscription_id] = (row.cseq, row.version)
        assert is_our_branch(NONCE_KEY, one.branch, row.way.host)
        request = parse_request(one.data)
        assert isinstance(request, Request), one.data
        assert (request.method, request.call_id, request.cseq) == ("NOTIFY", row.call_id, row.cseq)
        assert request.request_uri_text == row.target
        assert request.request_uri is not None
        assert request.request_uri.headers == (), "a Request-URI has no headers (RFC 3261 §19.1.1)"
        assert all(route.startswith("<") for route in split_list(request.value("route") or "<>"))
        assert (request.from_.tag, request.to.tag or "") == (row.local_tag, row.remote_tag)
        _check_lines(one.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:])
        _check_document(read_reginfo(request.body))


def check_reply(data: bytes) -> None:
    """An answer to a NOTIFY, or nothing; whoever it comes from cannot answer for another host."""
    reply = read_reply(NONCE_KEY, data, SOURCE[0], None)
    assert read_reply(NONCE_KEY, data, "198.51.100.1", None) is None
    if reply is not None:
        assert 100 <= reply.status <= 699
        assert is_our_branch(NONCE_KEY, reply.branch, SOURCE[0])
        assert final_only([reply]) == {reply.branch: reply}


def check_response(response: bytes, request: bytes) -> int:
    """Its status. The answer reads as SIP and says nothing the request did not put there."""
    head, end, body = response.decode().partition("\r\n\r\n")
    assert (end, body) == ("\r\n\r\n", ""), "one head, no body"
    first, *lines = head.split("\r\n")
    match = _STATUS_LINE.fullmatch(first)
    assert match is not None, first
    status = int(match[1])
    assert status in {200, 202} or 400 <= status < 500 or status in SERVER_STATUSES, first
    _check_lines(lines)
    names = [line.partition(":")[0] for line in lines]
    assert names[0] == "Via"
    assert names[-1] == "Content-Length"
    assert all(names.count(name) <= 1 for name in ("From", "To", "Call-ID", "CSeq", "Content-Length"))
    echoed = sum(len(line.encode()) for line, name in zip(lines, names, strict=True) if name in _ECHOED)
    assert echoed <= len(request) + ADDED_AT_MOST, "an answer repeats no more than was sent"
    assert b"SIP/2.0 " in response[:8]
    assert parse_request(response).__class__ is not Request, "an answer must not read as a request"
    return status


def check_uri(text: str) -> None:
    """A URI equals itself, and its address-of-record is its own."""
    try:
        uri = parse_sip_uri(text)
    except UriError:
        return
    assert uris_equal(uri, uri)
    aor = address_of_record(uri)
    assert aor.isascii()
    assert address_of_record(parse_sip_uri(aor)) == aor


def check_contacts(text: str) -> None:
    """Contacts, STAR or a ContactError; what was read lies within its limits."""
    parse_expires(text)
    try:
        contacts = parse_contacts(text.split("\n"))
    except ContactError:
        return
    if not isinstance(contacts, Star):
        for contact in contacts:
            _check_contact(contact)


def check_authorization(text: str) -> None:
    """Credentials, a fault or nothing; credentials can be tried."""
    credentials = parse_authorization(text.split("\n"), "example.com")
    if isinstance(credentials, AuthorizationFault):
        assert credentials.why
    elif isinstance(credentials, DigestCredentials):
        assert credentials.realm == "example.com"
        assert 0 <= credentials.nc < 2**32
        assert re.fullmatch(
            r"[0-9a-f]{32}|[0-9a-f]{64}", expected_response(credentials, "0" * 32, "REGISTER")
        )


def count_steps(data: bytes) -> int:
    """Calls of Python and C functions until the answer is there: a measure that no busy machine changes."""
    steps = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal steps
        if event in ("call", "c_call"):
            steps += 1

    registrar = MemoryRegistrar()
    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        registrar.answer(data)
    finally:
        sys.setprofile(previous)
    return steps


def check_steps(data: bytes) -> None:
    assert count_steps(data) <= STEPS_AT_MOST + STEPS_PER_BYTE * len(data)


def _check_lines(lines: list[str]) -> None:
    for line in lines:
        assert _HEADER.fullmatch(line), line


def _check_document(root: Element) -> None:
    """One AOR, and contacts that are still SIP URIs."""
    (registration,) = root
    assert address_of_record(parse_sip_uri(registration.attrib["aor"])) == registration.attrib["aor"]
    for contact in registration:
        parse_sip_uri(contact[0].text or "")


def _check_contact(contact: Contact) -> None:
    assert contact.q is None or 0 <= contact.q <= 1000
    assert contact.expires_s is None or 0 <= contact.expires_s < 2**32
    assert contact.reg_id is None or (contact.instance_id is not None and 0 < contact.reg_id < 2**31)


def _check_texts(request: Request) -> None:
    """No text of a request can break a line, end a C string or fail to be stored."""
    texts = [request.method, request.request_uri_text, request.call_id, request.from_.text, request.to.text]
    texts += [text for header in request.headers for text in header]
    for text in texts:
        assert not {"\r", "\n", "\0"} & set(text), text
        text.encode()
