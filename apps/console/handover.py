"""What to type into a phone, in the forms phones want it. Holds the clear password: shown once, never kept. Pure."""

import io
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

import segno

from apps.console.snippets import Snippet, snippets
from apps.extensions.registration_string import RegistrationString
from apps.extensions.services import NewPeer


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is the stable data-field of the page."""

    name: str
    label: str
    value: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class TransportCard:
    """What differs by transport. `key` is part of element ids; no QR code and no line for browser phones."""

    key: str
    label: str
    where: tuple[Field, ...]
    line: Field | None
    qr_path: str
    qr_size: int
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, slots=True)
class HandoverCard:
    peer_id: UUID
    peer_name: str
    fields: tuple[Field, ...]
    transports: tuple[TransportCard, ...]


def handover_card(new: NewPeer) -> HandoverCard:
    """The default transport comes first."""
    card = new.registration_string
    return HandoverCard(
        peer_id=new.peer.pk,
        peer_name=new.peer.name,
        fields=(
            Field("domain", "Domain", card.domain),
            Field("username", "User name", card.username),
            Field("password", "Password", card.password, is_secret=True),
        ),
        transports=tuple(transport_card(way) for way in card.each_transport()),
    )


def transport_card(way: RegistrationString) -> TransportCard:
    path, size = _qr(way.qr_text) if not way.url else ("", 0)
    where = (Field("server", "Server", way.server), Field("port", "Port", str(way.port)))
    return TransportCard(
        key="ws" if way.url else way.transport.lower(),
        label=way.transport,
        where=(Field("url", "WebSocket address", way.url),) if way.url else where,
        line=Field("registration_string", "Registration string", way.line, is_secret=True)
        if way.line
        else None,
        qr_path=path,
        qr_size=size,
        snippets=snippets(way),
    )


def _qr(text: str) -> tuple[str, int]:
    """(SVG path of the dark modules, side in modules with its quiet zone). No style attribute: the CSP forbids it."""
    quiet = 4
    code = segno.make(text, error="m", micro=False)
    path = io.StringIO()
    for y, row in enumerate(code.matrix):
        x = quiet
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                path.write(f"M{x} {y + quiet}h{length}v1h-{length}z")
            x += length
    return path.getvalue(), len(code.matrix) + 2 * quiet
