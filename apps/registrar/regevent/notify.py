"""The bytes of a NOTIFY (RFC 6665 §4.2.2), and of the branch its answer is known by. Pure.

Must not decide when it is sent or what it says.
"""

import datetime as dt
import hashlib
import hmac
import re
from typing import Final
from uuid import UUID

from apps.registrar.regevent.values import CONTENT_TYPE, PACKAGE, EndOfSubscription, Subscription
from apps.sip.uri import format_host

# Long enough that a subscriber we had no room for does not come back at once.
PROBATION_S: Final = 3600

MAGIC: Final = b"z9hG4bKn"
_BRANCH: Final = re.compile(MAGIC.decode() + r"([0-9a-f]{32})([0-9a-f]{24})")


def notify_key(secret_key: str) -> bytes:
    """The key of every process' NOTIFY branches; not the key of anything else."""
    return hashlib.sha256(b"sip notify\0" + secret_key.encode()).digest()


def make_branch(key: bytes, new_id: UUID, host: str) -> str:
    """Unique, and ours to recognise in an answer from that host without looking anything up."""
    return f"{MAGIC.decode()}{new_id.hex}{_proof(key, new_id.hex, host)}"


def is_our_branch(key: bytes, branch: str, host: str) -> bool:
    match = _BRANCH.fullmatch(branch)
    return match is not None and hmac.compare_digest(_proof(key, match[1], host), match[2])


def build_notify(
    subscription: Subscription, branch: str, end: EndOfSubscription | None, body: bytes, now: dt.datetime
) -> bytes:
    """The NOTIFY of `subscription.cseq` in its dialog: From and To changed over, to the target, along the route set."""
    way = subscription.way
    event = f"{PACKAGE};id={subscription.event_id}" if subscription.event_id else PACKAGE
    remote_tag = f";tag={subscription.remote_tag}" if subscription.remote_tag else ""
    lines = [
        f"NOTIFY {subscription.target} SIP/2.0",
        f"Via: SIP/2.0/{way.transport} {subscription.sent_by};rport;branch={branch}",
        *([f"Route: {subscription.route_set}"] if subscription.route_set else []),
        "Max-Forwards: 70",
        f"From: <{subscription.local_uri}>;tag={subscription.local_tag}",
        f"To: <{subscription.remote_uri}>{remote_tag}",
        f"Call-ID: {subscription.call_id}",
        f"CSeq: {subscription.cseq} NOTIFY",
        f"Contact: {own_contact(subscription.sent_by, way.transport)}",
        f"Event: {event}",
        f"Subscription-State: {_state(subscription, end, now)}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def sent_by(server: tuple[str, int], domain: str, transport: str) -> str:
    """Our host and port in Via and Contact: the domain where the server knows none. UDP and TCP share a port."""
    host, port = server
    name = format_host(host) if host else domain
    return f"{name}:{port}" if port and transport in {"UDP", "TCP"} else name


def own_contact(sent_by: str, transport: str) -> str:
    """Where the subscriber finds us for the next request of the dialog."""
    return f"<sip:{sent_by}>" if transport == "UDP" else f"<sip:{sent_by};transport={transport.lower()}>"


def _state(subscription: Subscription, end: EndOfSubscription | None, now: dt.datetime) -> str:
    if end is None:
        return f"active;expires={subscription.expires_s(now)}"
    retry_after = f";retry-after={PROBATION_S}" if end is EndOfSubscription.PROBATION else ""
    return f"terminated;reason={end}{retry_after}"


def _proof(key: bytes, unique: str, host: str) -> str:
    return hmac.digest(key, f"{unique}\0{host}".encode(), "sha256")[:12].hex()
