"""REGISTER requests as bytes, for tests to bend."""

from __future__ import annotations

from apps.sip.message import MalformedRequest, Request, parse_request

HEADERS = {
    "Via": "SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK776asdhds;rport",
    "Max-Forwards": "70",
    "To": "<sip:1001@example.com>",
    "From": '"Alice" <sip:1001@example.com>;tag=456248',
    "Call-ID": "843817637684230@998sdasdh09",
    "CSeq": "1826 REGISTER",
    "Contact": "<sip:1001@192.0.2.10:5070>",
    "Expires": "7200",
    "Content-Length": "0",
}
REQUEST_LINE = "REGISTER sip:example.com SIP/2.0"


def register(*extra: str, request_line: str | None = REQUEST_LINE, **changed: str | None) -> bytes:
    """The usual REGISTER with headers changed (Call_ID="x"), left out (To=None) or added as raw lines."""
    headers: dict[str, str | None] = {**HEADERS}
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    lines = [
        request_line or REQUEST_LINE,
        *(f"{name}: {value}" for name, value in headers.items() if value is not None),
        *extra,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def request(data: bytes) -> Request:
    parsed = parse_request(data)
    assert isinstance(parsed, Request), parsed
    return parsed


def malformed(data: bytes) -> MalformedRequest:
    parsed = parse_request(data)
    assert isinstance(parsed, MalformedRequest), parsed
    return parsed
