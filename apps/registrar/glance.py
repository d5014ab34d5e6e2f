"""What a glance at a packet's bytes tells, before it is parsed. Pure; cheap, for it is done to a flood.

Must not decide: a glance may be deceived, and what it takes for credentials is still to be proven.
"""

import re
from functools import lru_cache
from typing import Final

from apps.registrar.site import site_of
from apps.sip.nonce import nonce_issued_at_s

_NONCE: Final = re.compile(rb'[\s,]nonce="([0-9a-f]{42,74})"')
_REALM: Final = re.compile(rb'[\s,]realm="([^"\r\n]{1,128})"')
# The longest that credentials are looked for in.
_LONGEST_HEADER: Final = 1024
_LONGEST_HEAD: Final = 4096


@lru_cache(maxsize=4096)
def source_of(host: str) -> str:
    """Who counts as one source: an IPv4 address, or an IPv6 /64, which has as many addresses as it likes."""
    return site_of(host.partition("%")[0]) if ":" in host else host


def wants_in(data: bytes) -> bool:
    """A REGISTER or SUBSCRIBE: what costs a look-up, and whose sender understands a 503."""
    return data.startswith((b"REGISTER ", b"SUBSCRIBE "))


def is_response(data: bytes) -> bool:
    return data.startswith(b"SIP/")


def credentials(data: bytes) -> bytes | None:
    """From its Authorization on, if it has one."""
    begin = data.find(b"\nAuthorization:")
    if begin < 0:
        begin = data[:_LONGEST_HEAD].lower().find(b"\nauthorization:")
    return None if begin < 0 else data[begin : begin + _LONGEST_HEADER]


def was_challenged(header: bytes, nonce_key: bytes, host: str) -> bool:
    """Whether these credentials are under a nonce that we gave to this address, at any time: not to be forged, and from
    a forged address not to be had."""
    nonce, realm = _NONCE.search(header), _REALM.search(header)
    if nonce is None or realm is None:
        return False
    text, realm_text = nonce[1].decode(), realm[1].decode(errors="replace")
    return nonce_issued_at_s(nonce_key, text, host, realm_text) is not None


def is_success(answer: bytes) -> bool:
    """A 200 to a REGISTER or SUBSCRIBE: whoever got it has proven who he is."""
    if answer[8:11] != b"200":
        return False
    begin = answer.find(b"\r\nCSeq: ")
    line = answer[begin + 8 : answer.find(b"\r\n", begin + 8)]
    return line.endswith((b" REGISTER", b" SUBSCRIBE"))


def is_refusal(answer: bytes) -> bool:
    """A 401 or 403; not the 401 to a right password under a nonce that is too old (RFC 7616 §3.3), which is the phone's
    way back in after an outage."""
    return answer[8:11] in (b"401", b"403") and b"stale=true" not in answer
