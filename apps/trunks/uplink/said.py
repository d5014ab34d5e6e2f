"""What we say to a carrier and hear from it: a REGISTER as bytes, an answer's fields as values. Pure.

Must not decide what follows.
"""

import re
from typing import Final

from apps.sip.contact import ContactError, Star, parse_contacts, parse_expires
from apps.sip.digest import Challenge, answer_challenge, first_answerable
from apps.sip.params import bounded_int, is_digits
from apps.sip.reply import SipReply
from apps.sip.uri import SipUri, format_host, normal_host
from apps.sipserver.events import Address
from apps.trunks.servers import DEFAULT_PORT, Server
from apps.trunks.uplink.pauses import MOST_EXPIRES_S, MOST_RETRY_AFTER_S
from apps.trunks.uplink.values import Account

USER_AGENT: Final = "Registrar Admin"
LONGEST_PHRASE: Final = 64

_CHALLENGES: Final = {401: "www-authenticate", 407: "proxy-authenticate"}
_SECONDS: Final = re.compile(r"[0-9]+")


def build_register(
    account: Account,
    own: Address,
    *,
    uri: str,
    branch: str,
    call_id: str,
    tag: str,
    cseq: int,
    expires_s: int,
    credentials: tuple[tuple[str, str], ...],
) -> bytes:
    """A REGISTER of our contact for so long, 0 to take it back (RFC 3261 §10.2). credentials: header fields."""
    host, port = format_host(own[0]), own[1]
    lines = [
        f"REGISTER {uri} SIP/2.0",
        f"Via: SIP/2.0/{account.over} {host}:{port};rport;branch={branch}",
        "Max-Forwards: 70",
        f"From: <{account.aor}>;tag={tag}",
        f"To: <{account.aor}>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        f"Contact: <{account.contact(own)}>;expires={expires_s}",
        f"Expires: {expires_s}",
        f"User-Agent: {USER_AGENT}",
        *[f"{name}: {value}" for name, value in credentials],
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def request_uri(server: Server) -> str:
    return f"sip:{server}"


def credentials_for(
    account: Account, challenge: Challenge, method: str, uri: str, cnonce: str, nonce_count: int
) -> str:
    """The value of an Authorization or Proxy-Authorization header of ours for any request to this carrier."""
    return answer_challenge(
        challenge,
        username=account.auth_username or account.username,
        password=account.password,
        method=method,
        uri=uri,
        cnonce=cnonce,
        nonce_count=nonce_count,
    )


def challenge_of(reply: SipReply) -> Challenge | None:
    """The one of a 401 or a 407 that is answered; None if we can answer none."""
    return first_answerable(reply.values(_CHALLENGES[reply.status]))


def granted_s(reply: SipReply, account: Account, own: Address, asked_s: int) -> int:
    """For how long a 200 keeps our contact (RFC 3261 §10.2.4): what stands beside it, else Expires, else what we asked.

    A carrier that writes our contact in its own way, and lists no other, means ours.
    """
    asked_for = parse_expires(next(iter(reply.values("expires")), None))
    try:
        contacts = parse_contacts(reply.values("contact"))
    except ContactError:
        contacts = ()
    listed = () if isinstance(contacts, Star) else contacts
    ours = [one for one in listed if one.uri is not None and _is_ours(one.uri, account, own)]
    mine = ours or (listed if len(listed) == 1 else ())
    beside = mine[0].expires_s if mine else None
    found = next(seconds for seconds in (beside, asked_for, asked_s) if seconds is not None)
    return min(found, MOST_EXPIRES_S)


def least_expires_s(reply: SipReply) -> int | None:
    """Min-Expires (RFC 3261 §20.23)."""
    text = next(iter(reply.values("min-expires")), "")
    return bounded_int(text, MOST_EXPIRES_S) if is_digits(text) else None


def retry_after_s(reply: SipReply) -> int | None:
    """Retry-After, without its comment and parameters (RFC 3261 §20.33)."""
    match = _SECONDS.match(next(iter(reply.values("retry-after")), ""))
    return bounded_int(match[0], MOST_RETRY_AFTER_S) if match else None


def moved_to(reply: SipReply, account: Account) -> Server | None:
    """Where a 301 or 302 sends us; None if that is no server we could ask as we do here (RFC 3261 §8.1.3.4)."""
    try:
        contacts = parse_contacts(reply.values("contact"))
    except ContactError:
        return None
    uris = () if isinstance(contacts, Star) else tuple(one.uri for one in contacts)
    return next(
        (Server(uri.host, uri.port) for uri in uris if uri is not None and _is_over(uri, account)), None
    )


def phrase_of(reply: SipReply) -> str:
    """For people: printable, and short."""
    return "".join(letter for letter in reply.phrase if letter.isprintable())[:LONGEST_PHRASE]


def _is_ours(uri: SipUri, account: Account, own: Address) -> bool:
    """Whatever parameters the carrier has added."""
    user, (host, port) = account.contact_user or account.username, own
    return (uri.user, uri.host, uri.port or DEFAULT_PORT) == (user, normal_host(host), port)


def _is_over(uri: SipUri, account: Account) -> bool:
    """Whoever was asked over a connection and names no transport means the same."""
    return uri.scheme == "sip" and (dict(uri.params).get("transport") or account.over).upper() == account.over
