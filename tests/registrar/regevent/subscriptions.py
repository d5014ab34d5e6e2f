"""SUBSCRIBEs and NOTIFYs made and read by hand, for the rules alone."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from uuid import UUID

from apps.registrar.bindings import Account, DomainPolicy
from apps.registrar.regevent.subscription import SubscribeDecision, Subscribing, subscribe
from apps.registrar.regevent.values import Subscription, Way
from apps.sip.message import Request, parse_request
from tests.registrar.registrations import ACCOUNT, DOMAIN, NOW

AOR = "sip:1001@example.com"
KEY = b"k" * 32
WAY = Way("203.0.113.7", 5062)
CONTACT = "Contact: <sip:1001@10.0.0.7:5062>"

NS = "{urn:ietf:params:xml:ns:reginfo}"
CONTACT_WORDS = {
    "active": {"registered", "created", "refreshed", "shortened"},
    "terminated": {"expired", "deactivated", "probation", "unregistered", "rejected"},
}

_serial = count(1)


def subscribe_request(
    headers: Sequence[str] = ("Event: reg",),
    *,
    uri: str = AOR,
    to: str = f"<{AOR}>",
    contact: str | None = CONTACT,
    call_id: str = "dialog-1",
    cseq: int = 1,
    expires: int | str | None = None,
    from_tag: str = "theirs",
) -> Request:
    lines = [
        f"SUBSCRIBE {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 10.0.0.7:5062;rport;branch=z9hG4bK-s{next(_serial)}",
        f"From: Ann <{AOR}>;tag={from_tag}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} SUBSCRIBE",
        *([contact] if contact else []),
        *headers,
        *([f"Expires: {expires}"] if expires is not None else []),
    ]
    parsed = parse_request(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(parsed, Request), parsed
    return parsed


@dataclass
class Subscriptions:
    """The subscriptions of one AOR over time: each `subscribe` is decided from what the one before left."""

    domain: DomainPolicy = DOMAIN
    account: Account = ACCOUNT
    is_served: bool = True
    rows: tuple[Subscription, ...] = ()
    _new: "count[int]" = field(default_factory=lambda: count(100))

    def subscribe(self, request: Request, *, at_s: float = 0, way: Way = WAY) -> SubscribeDecision:
        decision = subscribe(
            Subscribing(
                request=request,
                account=self.account,
                is_served=self.is_served,
                domain=self.domain,
                aor=AOR,
                subscriptions=self.rows,
                way=way,
                sent_by="192.0.2.1:5060",
                now=NOW + timedelta(seconds=at_s),
                new_id=lambda: UUID(int=next(self._new)),
            )
        )
        self.rows = decision.subscriptions
        return decision


def in_dialog(row: Subscription) -> str:
    """The To of the subscriber's next request."""
    return f"<{AOR}>;tag={row.local_tag}"


def read_reginfo(body: bytes) -> ET.Element:
    """The document, checked against the rules of RFC 3680 §5.4's schema."""
    root = ET.fromstring(body)
    assert root.tag == f"{NS}reginfo"
    assert set(root.attrib) == {"version", "state"}
    assert int(root.attrib["version"]) >= 0
    assert root.attrib["state"] in {"full", "partial"}
    for registration in root:
        assert registration.tag == f"{NS}registration"
        assert set(registration.attrib) == {"aor", "id", "state"}
        assert registration.attrib["state"] in {"init", "active", "terminated"}
        ids = [contact.attrib["id"] for contact in registration]
        assert len(ids) == len(set(ids))
        for contact in registration:
            check_contact(contact)
    return root


def check_contact(contact: ET.Element) -> None:
    assert contact.tag == f"{NS}contact"
    assert {"id", "state", "event"} <= set(contact.attrib)
    optional = {"duration-registered", "expires", "retry-after", "q", "callid", "cseq"}
    assert set(contact.attrib) <= {"id", "state", "event"} | optional
    assert contact.attrib["event"] in CONTACT_WORDS[contact.attrib["state"]]
    for number in {"duration-registered", "expires", "cseq"} & set(contact.attrib):
        assert int(contact.attrib[number]) >= 0
    children = [child.tag.removeprefix(NS) for child in contact]
    assert children[0] == "uri"
    assert set(children[1:]) <= {"unknown-param"}
    assert all(child.attrib.keys() == {"name"} for child in contact if child.tag == f"{NS}unknown-param")


@dataclass(frozen=True)
class ReadNotify:
    """A NOTIFY as its receiver reads it."""

    request: Request

    @property
    def reginfo(self) -> ET.Element:
        return read_reginfo(self.request.body)

    @property
    def state(self) -> str:
        return self.request.value("subscription-state") or ""

    @property
    def document(self) -> tuple[str, int]:
        return self.reginfo.attrib["state"], int(self.reginfo.attrib["version"])

    @property
    def contacts(self) -> list[tuple[str, str, str]]:
        """(uri, state, event) of each contact."""
        return [
            (contact[0].text or "", contact.attrib["state"], contact.attrib["event"])
            for contact in self.reginfo.iter(f"{NS}contact")
        ]


def read_notify(data: bytes) -> ReadNotify:
    request = parse_request(data)
    assert isinstance(request, Request), request
    assert request.method == "NOTIFY"
    return ReadNotify(request)


def answer_to(data: bytes, status: int = 200) -> bytes:
    """The answer a phone gives to a NOTIFY."""
    request = parse_request(data)
    assert isinstance(request, Request)
    kept = [f"{name}: {request.value(name.lower())}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    return "\r\n".join([f"SIP/2.0 {status} Whatever", *kept, "Content-Length: 0", "", ""]).encode()
