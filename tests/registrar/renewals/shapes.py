"""How common phones write a REGISTER, header by header, with credentials; what each of their renewals changes is left
open."""

from dataclasses import dataclass
from typing import Final

from apps.sip.digest import Algorithm, DigestCredentials, expected_response, ha1
from apps.sipserver.events import Origin
from tests.registrar.conftest import PASSWORD

HOME: Final = "203.0.113.7"
HOME_6: Final = "2001:db8::7"
UUID_OF_PHONE: Final = "<urn:uuid:00000000-0000-1000-8000-000b82a1b2c3>"
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS, INFO, SUBSCRIBE, UPDATE, MESSAGE, PRACK"


@dataclass(frozen=True)
class Shape:
    text: str
    origin: Origin
    uri: str = "sip:example.com"
    algorithm: Algorithm = Algorithm.MD5
    is_dense: bool = False


def udp(port: int = 5062) -> Origin:
    return Origin(HOME, port)


SHAPES: Final = {
    "Yealink": Shape(
        "Via: SIP/2.0/UDP 192.168.1.20:5062;branch=z9hG4bK{serial}2419843812\n"
        'From: "Ann Lee" <sip:1001@example.com:5060>;tag=10{serial}4177\n'
        'To: "Ann Lee" <sip:1001@example.com:5060>\n'
        "Call-ID: 0_3212451@192.168.1.20\nCSeq: {cseq} REGISTER\nContact: <sip:1001@192.168.1.20:5062>\n"
        f"Authorization: {{credentials}}\nAllow: {ALLOW}\nMax-Forwards: 70\n"
        "User-Agent: Yealink SIP-T46S 66.86.0.15\nExpires: 3600\nAllow-Events: talk,hold,conference,refer\n",
        udp(),
        "sip:example.com:5060",
    ),
    "Polycom": Shape(
        "Via: SIP/2.0/UDP 192.168.1.21;branch=z9hG4bK5f2b4bd4E5A1C{serial}\n"
        'From: "1001" <sip:1001@example.com>;tag=D5B3E{serial}-9C3A1\nTo: <sip:1001@example.com>\n'
        "CSeq: {cseq} REGISTER\nCall-ID: 9b2c5a1-2a1d3@192.168.1.21\n"
        f'Contact: <sip:1001@192.168.1.21>;methods="{ALLOW}"\n'
        "User-Agent: PolycomVVX-VVX_410-UA/5.9.0.9373\nAccept-Language: en\nAuthorization: {credentials}\n"
        "Max-Forwards: 70\nExpires: 3600\n",
        udp(5060),
    ),
    "Grandstream": Shape(
        "Via: SIP/2.0/UDP 192.168.1.22:5060;branch=z9hG4bK{serial}1763829;rport\n"
        "From: <sip:1001@example.com>;tag={serial}87264\nTo: <sip:1001@example.com>\n"
        "Call-ID: 1294878-5060-1@BJC.BGI.B.CC\nCSeq: {cseq} REGISTER\n"
        f'Contact: <sip:1001@192.168.1.22:5060>;reg-id=1;+sip.instance="{UUID_OF_PHONE}"\n'
        "Authorization: {credentials}\nMax-Forwards: 70\nUser-Agent: Grandstream GXP2170 1.0.11.64\n"
        f"Supported: path\nExpires: 3600\nAllow: {ALLOW}\n",
        udp(5060),
    ),
    "Zoiper": Shape(
        "Via: SIP/2.0/UDP 192.168.1.23:51035;branch=z9hG4bK-524287-1---{serial}d9f37dc;rport\nMax-Forwards: 70\n"
        "Contact: <sip:1001@192.168.1.23:51035;rinstance=4c5f9b2c;transport=UDP>\n"
        "To: <sip:1001@example.com;transport=UDP>\n"
        "From: <sip:1001@example.com;transport=UDP>;tag={serial}e3af0b3\n"
        "Call-ID: nV1lDSgfDBTMFRIIeHgSWw..\nCSeq: {cseq} REGISTER\nExpires: 60\n"
        f"Allow: {ALLOW}\nUser-Agent: Z 5.6.1 v2.10.19.7\nAuthorization: {{credentials}}\n"
        "Allow-Events: presence, kpml, talk, as-feature-event\n",
        udp(51035),
        "sip:example.com;transport=UDP",
        is_dense=True,
    ),
    "PJSIP": Shape(
        "Via: SIP/2.0/UDP 192.168.1.24:5060;rport;branch=z9hG4bKPj8c1f{serial}-6d5e.Q~x\nMax-Forwards: 70\n"
        "From: <sip:1001@example.com>;tag=b6d1{serial}-1f2e.~Z\nTo: <sip:1001@example.com>\n"
        "Call-ID: 4f1e2d3c-77aa\nCSeq: {cseq} REGISTER\nUser-Agent: PJSUA v2.13\n"
        f"Contact: <sip:1001@192.168.1.24:5060;ob>\nExpires: 300\nAllow: {ALLOW}\nAuthorization: {{credentials}}\n",
        udp(5060),
        algorithm=Algorithm.SHA256,
    ),
    "PJSIP over TCP": Shape(
        "Via: SIP/2.0/TCP 192.168.1.24:40112;rport;branch=z9hG4bKPj8c1f{serial};alias\nMax-Forwards: 70\n"
        "From: <sip:1001@example.com>;tag=b6d1{serial}\nTo: <sip:1001@example.com>\n"
        "Call-ID: 4f1e2d3c-78aa\nCSeq: {cseq} REGISTER\nUser-Agent: PJSUA v2.13\n"
        "Contact: <sip:1001@192.168.1.24:40112;transport=TCP;ob>\nExpires: 300\nAuthorization: {credentials}\n",
        Origin(HOME, 40112, "TCP", "w1/7"),
    ),
    "baresip": Shape(
        "Via: SIP/2.0/UDP 192.168.1.25:5060;branch=z9hG4bK{serial}5fd2e7;rport\n"
        f'Contact: <sip:1001-0x5584a1@192.168.1.25:5060>;expires=600;+sip.instance="{UUID_OF_PHONE}"\n'
        "Max-Forwards: 70\nAuthorization: {credentials}\nTo: <sip:1001@example.com>\n"
        "From: <sip:1001@example.com>;tag=5a{serial}c\nCall-ID: 2f0a4d5b1c3e\nCSeq: {cseq} REGISTER\n"
        f"User-Agent: baresip v3.1.0 (x86_64/Linux)\nAllow: {ALLOW}\n",
        udp(5060),
        algorithm=Algorithm.SHA256,
    ),
    "linphone": Shape(
        "Via: SIP/2.0/UDP 192.168.1.26:5060;branch=z9hG4bK.~{serial}Qx1;rport\n"
        "From: <sip:1001@example.com>;tag=k{serial}~Z-h\nTo: sip:1001@example.com\nCSeq: {cseq} REGISTER\n"
        "Call-ID: xK2~fZ9t1q\nMax-Forwards: 70\nSupported: replaces, outbound, gruu, path, record-aware\n"
        "Accept: application/sdp\nAccept: text/plain\n"
        f'Contact: <sip:1001@192.168.1.26:5060;transport=udp>;+sip.instance="{UUID_OF_PHONE}"\n'
        "Expires: 3600\nUser-Agent: Linphone-Desktop/5.1.2 (belle-sip/5.3.2)\nAuthorization: {credentials}\n",
        udp(5060),
        is_dense=True,
    ),
    "JsSIP over WebSocket": Shape(
        "Via: SIP/2.0/WS 7a4k2n.invalid;branch=z9hG4bK{serial}41\nMax-Forwards: 69\n"
        "To: <sip:1001@example.com>\nFrom: <sip:1001@example.com>;tag=j{serial}p\n"
        "Call-ID: 8d9f2kq31abc\nCSeq: {cseq} REGISTER\nAuthorization: {credentials}\n"
        f'Contact: <sip:u7d2@7a4k2n.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance="{UUID_OF_PHONE}"'
        ";expires=600\nExpires: 600\nAllow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\n"
        "Supported: path,gruu,outbound\nUser-Agent: JsSIP 3.10.0\n",
        Origin(HOME, 40200, "WS", "w1/9"),
    ),
    "over IPv6": Shape(
        "Via: SIP/2.0/UDP [2001:DB8:0::7]:5060;branch=z9hG4bK{serial}v6;rport\nMax-Forwards: 70\n"
        "From: <sip:1001@example.com>;tag={serial}\nTo: <sip:1001@example.com>\nCall-ID: v6@[2001:db8::7]\n"
        "CSeq: {cseq} REGISTER\nContact: <sip:1001@[2001:db8::7]:5060>\nAuthorization: {credentials}\n",
        Origin(HOME_6, 5060),
    ),
}


def credentials_of(shape: Shape, nonce: str, nc: int, password: str = PASSWORD) -> str:
    said = DigestCredentials(
        "1001", "example.com", nonce, shape.uri, "", shape.algorithm, "0a4f113b", nc, "auth", f"{nc:08x}"
    )
    response = expected_response(said, ha1(shape.algorithm, "1001", "example.com", password), "REGISTER")
    parts = [
        'username="1001"', 'realm="example.com"', f'nonce="{nonce}"', f'uri="{shape.uri}"',
        f'response="{response}"', 'cnonce="0a4f113b"', f"nc={nc:08x}", "qop=auth", f"algorithm={shape.algorithm}",
    ]  # fmt: skip
    return f"Digest {(',' if shape.is_dense else ', ').join(parts)}"


def shaped(shape: Shape, nonce: str, number: int) -> bytes:
    """The `number`th request of such a phone, from 1 on."""
    text = shape.text.format(
        serial=f"{number:04}", cseq=number, credentials=credentials_of(shape, nonce, number)
    )
    return f"REGISTER {shape.uri} SIP/2.0\n{text}Content-Length: 0\n\n".replace("\n", "\r\n").encode()
