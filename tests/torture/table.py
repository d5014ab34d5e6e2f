"""What a registrar for example.com answers to the torture messages of RFC 4475 and RFC 5118, and why.

`status` None is silence. Where an RFC leaves a choice, `why` says which one was taken. The messages are in messages/.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MESSAGES: Final = Path(__file__).parent / "messages"


@dataclass(frozen=True, slots=True)
class Expected:
    name: str
    section: str
    status: int | None
    why: str
    rfc: int = 4475

    @property
    def data(self) -> bytes:
        return (MESSAGES / f"{self.name}.dat").read_bytes()


RFC_4475: Final = (
    Expected("wsinv", "3.1.1.1", 405, "well-formed INVITE; calls are not taken here (RFC 3261 §8.2.1)"),
    Expected("intmeth", "3.1.1.2", 501, "well-formed, NUL as a quoted pair and all; the method is unknown"),
    Expected("esc01", "3.1.1.3", 405, "well-formed INVITE with escapes"),
    Expected("escnull", "3.1.1.4", 401, "well-formed: %00 is part of the user name; then the challenge"),
    Expected("esc02", "3.1.1.5", 501, "RE%47IST%45R is not REGISTER: a method has no escapes"),
    Expected("lwsdisp", "3.1.1.6", 200, "well-formed without a space before <"),
    Expected("longreq", "3.1.1.7", 405, "well-formed INVITE with long values and 34 Vias"),
    Expected("dblreq", "3.1.1.8", 401, "the REGISTER is answered, what follows it in the datagram ignored"),
    Expected("semiuri", "3.1.1.9", 200, "the semicolon belongs to the user part"),
    Expected("transports", "3.1.1.10", 200, "only the top Via matters, and any transport may stand below it"),
    Expected("mpart01", "3.1.1.11", 405, "well-formed MESSAGE with NULs in its body"),
    Expected("unreason", "3.1.1.12", None, "a response to nothing we sent (RFC 3261 §18.1.2)"),
    Expected("noreason", "3.1.1.13", None, "a response to nothing we sent"),
    Expected("badinv01", "3.1.2.1", 400, "separators with nothing between them"),
    Expected("clerr", "3.1.2.2", 400, "the body is shorter than its Content-Length (RFC 3261 §18.3)"),
    Expected("ncl", "3.1.2.3", 400, "a negative Content-Length"),
    Expected("scalar02", "3.1.2.4", 400, "CSeq above 2**32-1 (RFC 3261 §8.1.1.5)"),
    Expected("scalarlg", "3.1.2.5", None, "a response to nothing we sent"),
    Expected("quotbal", "3.1.2.6", 400, "a quote in To that does not end"),
    Expected("ltgtruri", "3.1.2.7", 400, "<> around the Request-URI: the RFC prefers 400"),
    Expected("lwsruri", "3.1.2.8", 400, "a space inside the Request-URI: the RFC prefers 400"),
    Expected("lwsstart", "3.1.2.9", 400, "two spaces in the request line: the RFC prefers 400"),
    Expected("trws", "3.1.2.10", 400, "spaces after the request line: the RFC prefers 400"),
    Expected("escruri", "3.1.2.11", 400, "headers in a Request-URI (RFC 3261 §19.1.1)"),
    Expected("baddate", "3.1.2.12", 405, "a Date nobody needs is ignored; INVITE is not taken here"),
    Expected("regbadct", "3.1.2.13", 400, "a Contact with ? and without <> (RFC 3261 §20.10)"),
    Expected("badaspec", "3.1.2.14", 400, "spaces inside the <> of To: the RFC prefers 400"),
    Expected("baddn", "3.1.2.15", 400, "a comma in a display name without quotes: the RFC prefers 400"),
    Expected("badvers", "3.1.2.16", 505, "SIP/7.0"),
    Expected("mismatch01", "3.1.2.17", 400, "OPTIONS with the CSeq of an INVITE"),
    Expected("mismatch02", "3.1.2.18", 400, "malformed before unknown: the CSeq is another method's"),
    Expected("bigcode", "3.1.2.19", None, "a response, and none at that"),
    Expected("badbranch", "3.2.1", 200, "a branch of nothing but the cookie counts as none (RFC 2543 rules)"),
    Expected("insuf", "3.3.1", 400, "no Call-ID, From and To; the Via tells where to"),
    Expected("unkscm", "3.3.2", 416, "an unknown scheme in the Request-URI"),
    Expected("novelsc", "3.3.3", 416, "a known scheme that is not SIP's in the Request-URI"),
    Expected("unksm2", "3.3.4", 400, "the To of a REGISTER must be a SIP URI (RFC 3261 §10.3 step 5)"),
    Expected("bext01", "3.3.5", 420, "two unknown Require tags; Proxy-Require is for proxies"),
    Expected("invut", "3.3.6", 405, "the method is looked at before the body (RFC 3261 §8.2)"),
    Expected("regaut01", "3.3.7", 401, "credentials of an unknown scheme are none"),
    Expected("multi01", "3.3.8", 400, "several To, From, Call-ID and CSeq"),
    Expected("mcl01", "3.3.9", 400, "two Content-Length that differ"),
    Expected("bcast", "3.3.10", None, "a response to nothing we sent"),
    Expected("zeromf", "3.3.11", 200, "Max-Forwards ends at the server it is for"),
    Expected("cparam01", "3.3.12", 401, "well-formed: ;unknownparam is the header's"),
    Expected("cparam02", "3.3.13", 401, "well-formed: ;unknownparam is the URI's"),
    Expected("regescrt", "3.3.14", 401, "well-formed: a Contact in <> may have ?Route"),
    Expected("sdp01", "3.3.15", 405, "the method is looked at before Accept"),
    Expected("inv2543", "3.4.1", 405, "well-formed by RFC 2543: no branch, no From tag, no Content-Length"),
)

RFC_5118: Final = (
    Expected("ipv6-good", "4.1", 404, "well-formed; the domain in the Request-URI is not ours", 5118),
    Expected("ipv6-bad", "4.2", 400, "an IPv6 address without brackets", 5118),
    Expected(
        "port-ambiguous", "4.3", 404, "well-formed: 5070 is the last group of an address not ours", 5118
    ),
    Expected("port-unambiguous", "4.4", 404, "well-formed: port 5070 of an address not ours", 5118),
    Expected("via-received-param-with-delim", "4.5", 405, "brackets in received= are read past", 5118),
    Expected(
        "via-received-param-no-delim", "4.5", 200, "no brackets in received=, as the grammar has it", 5118
    ),
    Expected("ipv6-in-sdp", "4.6", 400, "printed with a Content-Length 17 beyond its body (§18.3)", 5118),
    Expected("mult-ip-in-header", "4.7", 405, "Vias of both families", 5118),
    Expected("mult-ip-in-sdp", "4.8", 405, "printed with a Content-Length below its body; cut there", 5118),
    Expected("ipv4-mapped-ipv6", "4.9", 405, "IPv4 addresses inside IPv6 references", 5118),
    Expected(
        "ipv6-bug-abnf-3-colons", "4.10", 400, "three colons: RFC 3261's own slip, not an address", 5118
    ),
    Expected("ipv6-correct-abnf-2-colons", "4.10", 200, "two colons, the same address put right", 5118),
)

TABLE: Final = (*RFC_4475, *RFC_5118)
