"""What we write into Routes: the token in our Record-Route, which has both ends of a dialog, so that its requests find
their way with nothing remembered; and the ticket by which another host of ours sends on what it did not let in.

Whoever forges one would send packets through us wherever he likes: each is bound by a keyed hash to the Call-ID and the
caller's tag. Pure. Must not know whether the connections it names are still there.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Address
from typing import Final, get_args
from uuid import UUID

from apps.sipserver.events import Address, Origin, Transport

LONGEST_TOKEN: Final = 512

# The second has what a carrier's challenge made of a call before its ends; the third is no dialog's.
_PLAIN, _BEHIND_CARRIER, _TICKET = b"\x01", b"\x02", b"\x03"
HOME_BYTES: Final = 4
_CARRIER_BYTES: Final = 17
_PROOF_BYTES: Final = 12
_TRANSPORTS: Final[tuple[Transport, ...]] = get_args(Transport)
_BARE, _V6, _FLOW, _LOCAL, _ZONE = 0x10, 0x20, 0x40, 0x80, 0x08


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the packets of the caller's side and of the callee's side go. home: HOME_BYTES of the host of ours whose
    sockets and connections that are.

    trunk: the carrier the callee is behind, if it challenged the call; raised: how much higher CSeq numbers are there
    than the caller's (RFC 3261 §22.3).
    """

    caller: Address | Origin
    callee: Address | Origin
    home: bytes = bytes(HOME_BYTES)
    trunk: UUID | None = None
    raised: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """Where a message goes on, and from which host of ours. by_caller: it is the caller's side that says it. The rest
    as of Ends."""

    destination: Address | Origin
    by_caller: bool
    home: bytes = bytes(HOME_BYTES)
    trunk: UUID | None = None
    raised: int = 0


def make_token(key: bytes, ends: Ends, call_id: str, caller_tag: str) -> str:
    """Fit for the user part of a URI, of some 60 letters; the same for the same arguments."""
    carrier = b"" if ends.trunk is None else bytes([ends.raised]) + ends.trunk.bytes
    kind = _BEHIND_CARRIER if carrier else _PLAIN
    return _sealed(
        key, kind + ends.home + carrier + _packed(ends.caller) + _packed(ends.callee), call_id, caller_tag
    )


def read_token(key: bytes, token: str, call_id: str, from_tag: str, to_tag: str) -> Way | None:
    """The way of a message of that dialog, to the end that is not its sender's; None unless we made it for it."""
    raw = _decoded(token, _PLAIN, _BEHIND_CARRIER)
    if raw is None:
        return None
    claim, proof = raw[:-_PROOF_BYTES], raw[-_PROOF_BYTES:]
    by_caller = hmac.compare_digest(proof, _proof(key, claim, call_id, from_tag))
    if not by_caller and not hmac.compare_digest(proof, _proof(key, claim, call_id, to_tag)):
        return None
    trunk, raised, at = None, 0, 1 + HOME_BYTES
    home = claim[1:at]
    if claim[:1] == _BEHIND_CARRIER:
        raised, trunk, at = claim[at], UUID(bytes=claim[at + 1 : at + _CARRIER_BYTES]), at + _CARRIER_BYTES
    caller, after = _unpacked(claim, at)
    return Way(_unpacked(claim, after)[0] if by_caller else caller, by_caller, home, trunk, raised)


def make_ticket(key: bytes, destination: Address | Origin, call_id: str, caller_tag: str) -> str:
    """For a request that begins something and whose way another host of ours knows. Fit for the user part of a URI."""
    return _sealed(key, _TICKET + _packed(destination), call_id, caller_tag)


def read_ticket(key: bytes, ticket: str, call_id: str, caller_tag: str) -> Way | None:
    """Where that request goes; None unless one of our hosts made it for it."""
    raw = _decoded(ticket, _TICKET)
    if raw is None:
        return None
    claim, proof = raw[:-_PROOF_BYTES], raw[-_PROOF_BYTES:]
    if not hmac.compare_digest(proof, _proof(key, claim, call_id, caller_tag)):
        return None
    return Way(_unpacked(claim, 1)[0], by_caller=True)


def _sealed(key: bytes, claim: bytes, call_id: str, caller_tag: str) -> str:
    return urlsafe_b64encode(claim + _proof(key, claim, call_id, caller_tag)).rstrip(b"=").decode()


def _proof(key: bytes, claim: bytes, call_id: str, tag: str) -> bytes:
    return blake2b(
        claim + f"{call_id}\0{tag}".encode(), digest_size=_PROOF_BYTES, key=key, person=b"record-route"
    ).digest()


def _decoded(token: str, *kinds: bytes) -> bytes | None:
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    return raw if raw[:1] in kinds and len(raw) > _PROOF_BYTES else None


def _packed(end: Address | Origin) -> bytes:
    """A byte of flags, host, port, then what is there of zone, flow and local."""
    host, _, zone = end[0].partition("%")
    flags, flow, local = _BARE, b"", b""
    if isinstance(end, Origin):
        flags, flow, local = _TRANSPORTS.index(end.transport), (end.flow or "").encode(), end.local or b""
    # ip_address() would take longer than all the rest.
    address = IPv6Address(host).packed if ":" in host else bytes([int(part) for part in host.split(".")])
    flags |= _V6 if len(address) == 16 else 0
    optional = b""
    for mark, piece in ((_ZONE, zone.encode()), (_FLOW, flow), (_LOCAL, local)):
        if piece:
            flags |= mark
            optional += bytes([len(piece)]) + piece
    return b"%c%b%b%b" % (flags, address, end[1].to_bytes(2), optional)


def _unpacked(claim: bytes, at: int) -> tuple[Address | Origin, int]:
    """The end packed there, and where the next one begins. The claim is proven to be ours: nothing is cut short."""
    flags, after = claim[at], at + (17 if claim[at] & _V6 else 5)
    address, port = claim[at + 1 : after], int.from_bytes(claim[after : after + 2])
    host = str(IPv6Address(address)) if flags & _V6 else ".".join(map(str, address))
    after += 2
    pieces = []
    for mark in (_ZONE, _FLOW, _LOCAL):
        length = claim[after] if flags & mark else -1
        pieces.append(claim[after + 1 : after + 1 + length] if length >= 0 else b"")
        after += 1 + length
    zone, flow, local = pieces
    if zone:
        host = f"{host}%{zone.decode()}"
    if flags & _BARE:
        return (host, port), after
    return Origin(host, port, _TRANSPORTS[flags & 0x07], flow.decode() or None, local or None), after
