"""Registrations made by hand, for the rules alone: no database, no socket, no clock."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from itertools import count
from typing import Any
from uuid import UUID

from apps.registrar.bindings import Account, DomainPolicy, StoredBinding
from apps.registrar.rules import Decision, Registration, register
from apps.sip.digest import Algorithm
from apps.sip.message import Request, parse_request

NOW = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)
SOURCE = ("203.0.113.7", 5062)
PHONE = "<sip:1001@203.0.113.7:5062>"
DEVICE = '+sip.instance="<urn:uuid:0f1a>"'
EDGE = ("198.51.100.2", 5060)

_new = count(1)

DOMAIN = DomainPolicy(
    UUID(int=1),
    "example.com",
    "example.com",
    (Algorithm.SHA256,),
    60,
    3600,
    3600,
    expires_spread_percent=0,
    edge_proxies=(ip_network("198.51.100.0/28"),),
)
ACCOUNT = Account(
    peer_id=UUID(int=2),
    peer_name="1001",
    extension_id=UUID(int=3),
    extension_number="1001",
    enabled=True,
    max_contacts=5,
    replace_when_full=True,
    min_expires_s=None,
    max_expires_s=None,
    ha1s={},
)


def request(
    contacts: Sequence[str],
    headers: Sequence[str],
    *,
    cseq: int,
    call_id: str,
    vias: int = 1,
    top_via: str | None = None,
) -> Request:
    lines = [
        "REGISTER sip:example.com SIP/2.0",
        *([f"Via: {top_via}"] if top_via else []),
        *[
            f"Via: SIP/2.0/UDP 192.0.2.{hop};branch=z9hG4bK{cseq}x{hop}"
            for hop in range(2 if top_via else 1, vias + 1)
        ],
        "From: <sip:1001@example.com>;tag=f",
        "To: <sip:1001@example.com>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *[f"Contact: {contact}" for contact in contacts],
        *headers,
    ]
    parsed = parse_request(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(parsed, Request), parsed
    return parsed


@dataclass
class Record:
    """One AOR over time: each `register` is decided from what the one before left."""

    domain: DomainPolicy = DOMAIN
    account: Account = ACCOUNT
    now: dt.datetime = NOW
    cseq: int = 0
    call_id: str = "call-1"
    bindings: tuple[StoredBinding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    last: Decision | None = None

    def register(
        self,
        *contacts: str,
        headers: Sequence[str] = (),
        vias: int = 1,
        top_via: str | None = None,
        cseq: int | None = None,
        source: tuple[str, int] = SOURCE,
    ) -> Decision:
        self.cseq = self.cseq + 1 if cseq is None else cseq
        facts: dict[str, Any] = {"transport": "UDP", "gruu_key": b"k" * 32, **self.facts}
        self.last = register(
            Registration(
                request=request(
                    contacts, headers, cseq=self.cseq, call_id=self.call_id, vias=vias, top_via=top_via
                ),
                account=self.account,
                domain=self.domain,
                aor="sip:1001@example.com",
                bindings=self.bindings,
                source=source,
                now=self.now,
                new_id=lambda: UUID(int=next(_new)),
                **facts,
            )
        )
        self.bindings = self.last.bindings
        return self.last

    def where(self, **policy: Any) -> "Record":
        """The same with another policy of the domain."""
        return replace(self, domain=replace(self.domain, **policy))

    @property
    def contacts(self) -> list[str]:
        return [binding.contact for binding in self.bindings]


def status(decision: Decision) -> int:
    return decision.answer.outcome.status


def values(decision: Decision, name: str) -> list[str]:
    return [value for header, value in decision.answer.headers if header == name]
