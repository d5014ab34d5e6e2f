"""Messages as they came: parsed, with the packet's source and the way back for an answer. Pure but for its types.

Must not decide what is answered.
"""

from dataclasses import dataclass
from typing import Final

from apps.registrar.bindings import Address
from apps.registrar.renewals.reading import Renewal
from apps.sip.message import MalformedRequest, Request, parse_request
from apps.sip.response import build_response, response_address
from apps.sipserver.events import Datagram, Origin, Transport, flow_of, transport_of

# Content-Length may only be left out where something else ends the message (RFC 3261 §18.3, RFC 7118 §5).
STREAMS: Final = frozenset({"TCP", "TLS"})


@dataclass(frozen=True, slots=True)
class Malformed:
    """What cannot be read as a request, but says where to answer."""

    request: MalformedRequest
    origin: Address | Origin

    @property
    def source(self) -> Address:
        return self.origin[:2]

    @property
    def answer(self) -> Datagram:
        status, reason = self.request.status or 400, self.request.reason
        return build_response(self.request, self.source, status, reason), way_back(self.request, self.origin)


@dataclass(frozen=True, slots=True)
class Received:
    """A request that parsed, the packet's source, and the way back for its answer. renewal: as it was read before."""

    request: Request
    source: Address
    origin: Address | Origin
    data: bytes
    renewal: Renewal | None = None

    @property
    def transport(self) -> Transport:
        return transport_of(self.origin)

    @property
    def flow(self) -> str | None:
        return flow_of(self.origin)

    @property
    def local(self) -> str | None:
        """The address of ours it came to, in hex digits; None where there is but one."""
        local = self.origin.local if isinstance(self.origin, Origin) else None
        return None if local is None else local.hex()


def read(
    data: bytes, origin: Address | Origin, renewal: Renewal | None = None
) -> Received | Malformed | None:
    """None for what gets no answer: noise, and what does not say where to."""
    parsed = _parsed(data, origin)
    if isinstance(parsed, Request):
        return Received(parsed, origin[:2], origin, data, renewal)
    return Malformed(parsed, origin) if parsed.status is not None else None


def way_back(request: Request | MalformedRequest, origin: Address | Origin) -> Address | Origin:
    """On the connection it came over (RFC 3261 §18.2.2); over UDP as the Via says, from where it was heard."""
    if not isinstance(origin, Origin):
        return response_address(request, origin)
    if origin.flow is not None:
        return origin
    _, port = response_address(request, origin[:2])
    return origin._replace(port=port)


def _parsed(data: bytes, origin: Address | Origin) -> Request | MalformedRequest:
    parsed = parse_request(data)
    on_stream = transport_of(origin) in STREAMS
    if on_stream and isinstance(parsed, Request) and parsed.value("content-length") is None:
        why = "missing_content_length"
        return MalformedRequest(400, "Bad Request (missing content length)", why, parsed.echo)
    return parsed
