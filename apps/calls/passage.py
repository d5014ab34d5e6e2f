"""One request on its way through: what every hop of it gets (RFC 3261 §16.6). Pure.

Must not decide where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from apps.calls.names import Names
from apps.calls.tokens import Ends, make_ticket, make_token
from apps.calls.values import Hop
from apps.sip.branches import CALLS_MAGIC
from apps.sip.forwarding import Carried, Identifying, Top, forwarded, raised
from apps.sip.message import Request
from apps.sip.name_addr import parse_addr, split_name_addr
from apps.sip.params import FieldError
from apps.sipserver.addresses import format_address
from apps.sipserver.events import Address, Origin, transport_of

# What begins a dialog (RFC 3261 §12.1, RFC 6665 §4.3: the first NOTIFY may come before the answer).
FORMING: Final = frozenset({b"INVITE", b"SUBSCRIBE", b"REFER", b"NOTIFY"})
_URI_TRANSPORT: Final = {"UDP": "", "TCP": ";transport=tcp", "TLS": ";transport=tls"}


# What a caller says for himself goes where ours does not.
_PROOFS: Final = frozenset({b"authorization", b"proxy-authorization"})


class Passed(NamedTuple):
    """top: what that hop is told first; identifying: as there; data: the whole request."""

    top: bytes
    identifying: Identifying
    data: bytes


@dataclass(frozen=True, slots=True)
class Passage:
    """mark: of what decides where it goes (§16.6 step 8). caller: where the sender's packets go. routes: what is left
    of the Route. secure: whether it came to a sips URI. token: of the dialog it is in, None if it is in none."""

    carried: Carried
    mark: str
    caller: Address | Origin
    call_id: str
    caller_tag: str
    routes: tuple[str, ...] = ()
    secure: bool = False
    token: str | None = None

    def to(self, hop: Hop, branch: str, key: bytes, names: Names) -> Passed:
        """Raises ValueError for a Hop with a line break in it."""
        routes = self._to_host(hop, key) + hop.routes + self.routes
        uri, routes = _loose(_without_headers(hop.request_uri), routes)
        via = (
            f"SIP/2.0/{transport_of(hop.destination)} {names.sent_by(hop.destination)};rport;branch={branch}"
        )
        carried, leg = self.carried, hop.leg
        top = Top(uri, via, routes).lines(carried.method)
        added = self._record_routes(hop, key, names) if carried.method in FORMING else ()
        if leg is not None and (leg.raised or leg.credentials):
            carried = raised(carried, leg.raised, _PROOFS if leg.credentials else frozenset())
            added += tuple([f"{name}: {value}" for name, value in leg.credentials])
        return Passed(top, carried.identifying, forwarded(carried, top, added, hop.identity))

    def _to_host(self, hop: Hop, key: bytes) -> tuple[str, ...]:
        if hop.onward is None:
            return ()
        ticket = make_ticket(key, hop.onward, self.call_id, self.caller_tag)
        return (f"<sip:{ticket}@{format_address(hop.destination[:2])};lr>",)

    def _record_routes(self, hop: Hop, key: bytes, names: Names) -> tuple[str, ...]:
        """One for each side where we are called otherwise there (RFC 5658), the hop's on top."""
        ends = _ends(self.caller, hop, names.home)
        token = self.token or make_token(key, ends, self.call_id, self.caller_tag)
        scheme = "sips" if self.secure or hop.request_uri[:5].lower() == "sips:" else "sip"
        ahead, back = [
            f"Record-Route: <{scheme}:{token}@{names.sent_by(way)}{_uri_transport(way)};lr>"
            for way in (hop.destination, self.caller)
        ]
        return (ahead,) if ahead == back else (ahead, back)


def _ends(caller: Address | Origin, hop: Hop, home: bytes) -> Ends:
    """Of a dialog that begins; with the carrier where one was answered in the caller's place."""
    if hop.leg is None or hop.leg.account is None or not hop.leg.raised:
        return Ends(caller, hop.destination, home)
    return Ends(caller, hop.destination, home, hop.leg.account.trunk_id, hop.leg.raised)


def loop_mark(key: bytes, request: Request) -> str:
    """12 letters of all that decides where a request goes (RFC 3261 §16.6 step 8, RFC 5393 §4.2.1): not the method, for
    its CANCEL has the same, nor the Via, which a loop changes."""
    parts = [
        request.request_uri_text,
        request.from_.tag or "",
        request.to.tag or "",
        request.call_id,
        str(request.cseq),
    ]
    for name in ("route", "proxy-require", "proxy-authorization"):
        parts += request.values(name)
    return blake2b("\0".join(parts).encode(), digest_size=6, key=key, person=b"loop").hexdigest()


def make_branch(mark: str, unique: str) -> str:
    return f"{CALLS_MAGIC}{mark}.{unique}"


def went_through_us(request: Request, mark: str) -> bool:
    """Whether it has come back as it left (RFC 3261 §16.3 step 4)."""
    ours = CALLS_MAGIC + mark
    return any(via.branch is not None and via.branch.startswith(ours) for via in request.vias)


def stateless_branch(key: bytes, request: Request, mark: str) -> str:
    """The same for each repeat of the request (RFC 3261 §16.11)."""
    via = request.vias[0]
    unique = blake2b(
        f"{via.branch}\0{via.host}\0{via.port}".encode(), digest_size=8, key=key, person=b"stateless"
    )
    return make_branch(mark, unique.hexdigest())


def _loose(uri: str, routes: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """A next hop that routes strictly gets its own URI in the Request-Line, and ours last (RFC 3261 §16.6 step 6)."""
    if not routes:
        return uri, routes
    first, _ = split_name_addr(routes[0])
    try:
        next_hop = parse_addr(first)
    except FieldError:
        return uri, routes
    if next_hop is None or any(name == "lr" for name, _ in next_hop.params):
        return uri, routes
    return first, (*routes[1:], f"<{uri}>")


def _without_headers(uri: str) -> str:
    """A Contact may have header fields, a Request-URI has none (RFC 3261 §19.1.1)."""
    user, at, rest = uri.rpartition("@")
    return user + at + rest.partition("?")[0]


def _uri_transport(way: Address | Origin) -> str:
    return _URI_TRANSPORT.get(transport_of(way), ";transport=ws")  # also over TLS (RFC 7118 §5.2)
