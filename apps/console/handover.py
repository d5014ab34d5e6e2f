"""What to type into a phone, in the forms phones want it. Holds the clear password: shown once, never kept. Pure."""

import io
from dataclasses import dataclass
from uuid import UUID

import segno

from apps.extensions.registration_string import RegistrationString
from apps.extensions.services import NewPeer


@dataclass(frozen=True, slots=True)
class Snippet:
    """How one family of phones is set up. `key` is part of element ids."""

    key: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is the stable data-field of the page."""

    name: str
    label: str
    value: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class HandoverCard:
    peer_id: UUID
    peer_name: str
    fields: tuple[Field, ...]
    qr_path: str
    qr_size: int
    snippets: tuple[Snippet, ...]


def handover_card(new: NewPeer) -> HandoverCard:
    card = new.registration_string
    path, size = _qr(card.qr_text)
    return HandoverCard(
        peer_id=new.peer.pk,
        peer_name=new.peer.name,
        fields=(
            Field("server", "Server", card.server),
            Field("port", "Port", str(card.port)),
            Field("transport", "Transport", card.transport),
            Field("domain", "Domain", card.domain),
            Field("username", "User name", card.username),
            Field("password", "Password", card.password, is_secret=True),
            Field("registration_string", "Registration string", card.line, is_secret=True),
        ),
        qr_path=path,
        qr_size=size,
        snippets=snippets(card),
    )


def snippets(card: RegistrationString) -> tuple[Snippet, ...]:
    return (
        Snippet("phone", "Desk phone", _desk_phone(card)),
        Snippet("linphone", "Linphone", _linphone(card)),
        Snippet("zoiper", "Zoiper", _zoiper(card)),
        Snippet("pjsip", "Asterisk PJSIP", _pjsip(card)),
        Snippet("chan_sip", "register =>", f"register => {card.line}/{card.address_user}"),
    )


def _desk_phone(card: RegistrationString) -> str:
    return "\n".join(
        (
            f"Register name    {card.username}",
            f"User name        {card.address_user}",
            f"Password         {card.password}",
            f"SIP server       {card.domain}",
            f"Outbound proxy   {card.server}:{card.port}",
            f"Transport        {card.transport}",
        )
    )


def _linphone(card: RegistrationString) -> str:
    return "\n".join(
        (
            "Use SIP account",
            f"Username     {card.username}",
            f"Password     {card.password}",
            f"Domain       {card.domain}",
            f"Transport    {card.transport}",
            f"Proxy        sip:{card.server}:{card.port};transport=udp",
        )
    )


def _zoiper(card: RegistrationString) -> str:
    return "\n".join(
        (
            f"Username         {card.username}@{card.domain}",
            f"Password         {card.password}",
            f"Outbound proxy   {card.server}:{card.port}",
            f"Transport        SIP {card.transport}",
        )
    )


def _pjsip(card: RegistrationString) -> str:
    name = card.address_user
    proxy = f"sip:{card.server}:{card.port}\\;lr"
    return "\n".join(
        (
            f"[{name}]",
            "type=registration",
            f"outbound_auth={name}-auth",
            f"server_uri=sip:{card.domain}",
            f"client_uri={card.sip_uri}",
            f"outbound_proxy={proxy}",
            "",
            f"[{name}-auth]",
            "type=auth",
            "auth_type=digest",
            f"username={card.username}",
            f"password={card.password}",
        )
    )


def _qr(text: str) -> tuple[str, int]:
    """(SVG path of the dark modules, side in modules with its quiet zone). No style attribute: the CSP forbids it."""
    quiet = 4
    code = segno.make(text, error="m", micro=False)
    path = io.StringIO()
    for y, row in enumerate(code.matrix):
        for x, dark in enumerate(row):
            if dark:
                path.write(f"M{x + quiet} {y + quiet}h1v1h-1z")
    return path.getvalue(), len(code.matrix) + 2 * quiet
