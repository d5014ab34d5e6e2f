"""Messages of a trace, made by hand."""

import datetime as dt

from apps.registrar.trace.messages import Direction, Message

AT = dt.datetime(2026, 11, 23, 10, 4, 5, 250_000, tzinfo=dt.UTC)
PHONE, SERVER = "203.0.113.7:5062", "198.51.100.1:5060"

REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 203.0.113.7:5062;rport;branch=z9hG4bK1\r\n"
    b"From: <sip:1001@example.com>;tag=f1\r\n"
    b"To: <sip:1001@example.com>\r\n"
    b"Call-ID: call-1@phone\r\n"
    b"CSeq: 2 REGISTER\r\n"
    b'Authorization: Digest username="1001", realm="example.com", nonce="N0NCE", uri="sip:example.com", '
    b'response="R3SPONSE", algorithm=SHA-256, cnonce="CN0NCE", qop=auth, nc=00000001\r\n'
    b'Contact: <sip:1001@203.0.113.7:5062>;temp-gruu="sip:tgruu.7hs@example.com;gr"\r\n'
    b"Content-Length: 0\r\n\r\n"
)
CHALLENGE = (
    b"SIP/2.0 401 Unauthorized\r\n"
    b"To: <sip:1001@example.com>;tag=t1\r\n"
    b"Call-ID: call-1@phone\r\n"
    b"CSeq: 1 REGISTER\r\n"
    b'WWW-Authenticate: Digest realm="example.com", nonce="N0NCE", algorithm=SHA-256, qop="auth"\r\n'
    b"Content-Length: 0\r\n\r\n"
)


def message(
    data: bytes = REGISTER, *, inward: bool = True, after_ms: int = 0, transport: str = "UDP"
) -> Message:
    ends = (PHONE, SERVER) if inward else (SERVER, PHONE)
    return Message(
        at=AT + dt.timedelta(milliseconds=after_ms),
        direction=Direction.IN if inward else Direction.OUT,
        source=ends[0],
        destination=ends[1],
        transport=transport,
        data=data,
        size=len(data),
    )
