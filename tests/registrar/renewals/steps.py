"""What a phone may say after it has registered: each step writes one request of the side's phone, or of its second."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Final

from apps.registrar.authentication import NONCE_LIFETIME_S
from apps.sip.nonce import make_nonce
from tests.registrar.conftest import NONCE_KEY
from tests.registrar.phone import Phone
from tests.registrar.renewals.pair import Side
from tests.registrar.test_protocol_settings import OldPhone

Step = Callable[[Side], tuple[bytes, Phone]]

DEVICE: Final = '+sip.instance="<urn:uuid:0f1a>"'


def said(side: Side, *args: object, **kwargs: object) -> tuple[bytes, Phone]:
    return side.phone.register(*args, branch=side.branch(), **kwargs), side.phone  # type: ignore[arg-type]


def spelled(side: Side, old: bytes, new: bytes, **kwargs: object) -> tuple[bytes, Phone]:
    data, phone = said(side, **kwargs)
    assert old in data
    return data.replace(old, new, 1), phone


def device(side: Side, more: str, *headers: str) -> tuple[bytes, Phone]:
    return said(side, [f"{side.phone.contact};{DEVICE}{more}"], headers=headers)


def other_port(side: Side) -> tuple[bytes, Phone]:
    contact = side.phone.contact
    side.phone.source = (side.phone.source[0], side.phone.source[1] ^ 2)
    return said(side, [contact])


def other_agent(side: Side) -> tuple[bytes, Phone]:
    side.phone.user_agent = "Grandstream GXP2170" if "Yea" in side.phone.user_agent else "Yealink SIP-T46S"
    return said(side)


def other_call(side: Side) -> tuple[bytes, Phone]:
    side.phone.call_id = f"again{side.serial}-{side.user}@phone"
    return said(side)


def new_nonce(side: Side) -> tuple[bytes, Phone]:
    side.phone.nonce = None
    return said(side)


def lower_count(side: Side) -> tuple[bytes, Phone]:
    side.phone.nc = max(0, side.phone.nc - 2)
    return said(side)


def wrong_password(side: Side) -> tuple[bytes, Phone]:
    right, side.phone.password = side.phone.password, "not it at all"
    try:
        return said(side)
    finally:
        side.phone.password = right


def without_qop(side: Side) -> tuple[bytes, Phone]:
    old = OldPhone(side.user, side.phone.password, nonce=side.phone.nonce, call_id=side.phone.call_id)
    data = old.register(branch=side.branch(), cseq=side.phone.cseq + 1)
    side.phone.cseq += 1
    return data, side.phone


def ageing_nonce(side: Side) -> tuple[bytes, Phone]:
    issued_at_s = int(side.now.timestamp()) - NONCE_LIFETIME_S // 2 - 60
    salt = side.user.encode() + side.serial.to_bytes(2, "big")
    side.adopt(side.phone, make_nonce(NONCE_KEY, issued_at_s, salt, side.phone.source[0], side.phone.domain))
    return said(side)


def old_nonce(side: Side) -> tuple[bytes, Phone]:
    issued_at_s = int(side.now.timestamp()) - NONCE_LIFETIME_S - 60
    salt = side.user.encode() + side.serial.to_bytes(2, "big")
    side.adopt(side.phone, make_nonce(NONCE_KEY, issued_at_s, salt, side.phone.source[0], side.phone.domain))
    return said(side)


def repeated(side: Side) -> tuple[bytes, Phone]:
    data, source = side.last
    return data, side.phone if source == side.phone.source else side.second


def another_way(side: Side) -> tuple[bytes, Phone]:
    data, phone = repeated(side)
    return data.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother", 1), phone


def second_device(side: Side) -> tuple[bytes, Phone]:
    return side.second.register(branch=side.branch()), side.second


def second_leaves(side: Side) -> tuple[bytes, Phone]:
    return side.second.register(branch=side.branch(), expires=0), side.second


def second_with_gruu(side: Side) -> tuple[bytes, Phone]:
    contact = f'{side.second.contact};+sip.instance="<urn:uuid:77>"'
    return side.second.register([contact], headers=["Supported: gruu"], branch=side.branch()), side.second


def second_with_control_character(side: Side) -> tuple[bytes, Phone]:
    contact = f'{side.second.contact};+sip.instance="<urn:x\\\x01y>"'
    return side.second.register([contact], branch=side.branch()), side.second


def order_changed(side: Side) -> tuple[bytes, Phone]:
    data, phone = said(side)
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return b"\r\n".join([first, *reversed(lines)]) + b"\r\n\r\n", phone


def compact(side: Side) -> tuple[bytes, Phone]:
    data, phone = said(side)
    short = {b"Via": b"v", b"From": b"f", b"To": b"t", b"Call-ID": b"i", b"Contact": b"m"}
    for name, letter in short.items():
        data = data.replace(b"\r\n" + name + b":", b"\r\n" + letter + b":")
    return data, phone


def lower_case(side: Side) -> tuple[bytes, Phone]:
    data, phone = said(side)
    return re.sub(rb"(?<=\r\n)[A-Za-z-]+(?=:)", lambda name: name[0].lower(), data), phone


STEPS: Final[Mapping[str, Step]] = {
    "refresh": lambda side: said(side),
    "the same expiry": lambda side: said(side, expires=3600),
    "shorter": lambda side: said(side, expires=600),
    "longer than allowed": lambda side: said(side, expires=7200),
    "expiry of the contact": lambda side: said(side, [f"{side.phone.contact};expires=1800"], expires=60),
    "too brief": lambda side: said(side, expires=30),
    "sign-off": lambda side: said(side, expires=0),
    "sign-off by contact": lambda side: said(side, [f"{side.phone.contact};expires=0"]),
    "bad expiry": lambda side: said(side, expires="soon"),
    "other contact": lambda side: said(side, [f"<sip:{side.user}@203.0.113.99:5070>"]),
    "two contacts": lambda side: said(side, [side.phone.contact, f"<sip:{side.user}@203.0.113.98>;q=0.5"]),
    "two in one line": lambda side: said(side, [f"{side.phone.contact}, <sip:{side.user}@203.0.113.98>"]),
    "contact inward": lambda side: said(side, ["<sip:1@127.0.0.1>"]),
    "star": lambda side: said(side, ["*"], expires=0),
    "query": lambda side: said(side, []),
    "q": lambda side: said(side, [f"{side.phone.contact};q=0.3"]),
    "other port": other_port,
    "other agent": other_agent,
    "equal CSeq": lambda side: said(side, cseq=side.phone.cseq),
    "lower CSeq": lambda side: said(side, cseq=max(1, side.phone.cseq - 1)),
    "CSeq jumps": lambda side: said(side, cseq=side.phone.cseq + 1000),
    "other call": other_call,
    "new nonce": new_nonce,
    "lower count": lower_count,
    "wrong password": wrong_password,
    "without qop": without_qop,
    "ageing nonce": ageing_nonce,
    "old nonce": old_nonce,
    "repeat": repeated,
    "another way": another_way,
    "second device": second_device,
    "second device leaves": second_leaves,
    "second device with GRUU": second_with_gruu,
    "second device with a control character": second_with_control_character,
    "path": lambda side: said(side, headers=["Path: <sip:e1;lr>", "Supported: path"]),
    "device": lambda side: device(side, ""),
    "gruu": lambda side: device(side, "", "Supported: gruu"),
    "outbound": lambda side: device(side, ";reg-id=1", "Supported: path, outbound"),
    "keep": lambda side: spelled(side, b";rport", b";rport;keep"),
    "no rport": lambda side: spelled(side, b";rport", b""),
    "via names another host": lambda side: spelled(side, b"UDP 203.0.113.7:", b"UDP 192.168.1.20:"),
    "IPv6 in the via": lambda side: spelled(side, b"UDP 203.0.113.7:", b"UDP [2001:DB8:0::7]:"),
    "two vias": lambda side: spelled(
        side, b"\r\nMax", b"\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax"
    ),
    "compact": compact,
    "folded": lambda side: spelled(side, b"Max-Forwards: ", b"Max-Forwards:\r\n "),
    "lower case": lower_case,
    "order changed": order_changed,
    "display name": lambda side: spelled(side, b"From: <", 'From: "Zoë Ångström" <'.encode()),
    "control character": lambda side: spelled(side, b"From: <", b'From: "a\\\x01b" <'),
    "tel": lambda side: spelled(side, b"To: <sip:", b"To: <tel:"),
    "other tag": lambda side: spelled(side, b";tag=f1", b";tag=g2"),
    "body": lambda side: spelled(side, b"Content-Length: 0\r\n\r\n", b"Content-Length: 2\r\n\r\nhi"),
    "required": lambda side: said(side, headers=["Require: gin"]),
}

# Seconds that pass before a step: none, some, a phone's rhythm, more than it, more than is granted.
PAUSES: Final = (0, 7, 50, 1700, 1750, 3000, 3590, 4000)


def passed(side: Side, seconds: int) -> None:
    side.now += dt.timedelta(seconds=seconds)
