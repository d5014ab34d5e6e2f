"""How each family of phones is set up, as text to paste. Holds the clear password. Pure."""

from dataclasses import dataclass

from apps.extensions.registration_string import RegistrationString
from apps.sip.uri import format_host


@dataclass(frozen=True, slots=True)
class Snippet:
    """How one family of phones is set up. `key` is part of element ids."""

    key: str
    label: str
    text: str


def snippets(card: RegistrationString) -> tuple[Snippet, ...]:
    if card.url:
        return (Snippet("sipjs", "SIP.js", _sipjs(card)), Snippet("jssip", "JsSIP", _jssip(card)))
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
            f"SIP server       {format_host(card.domain)}",
            f"Outbound proxy   {card.host_port}",
            f"Transport        {card.transport}",
        )
    )


def _linphone(card: RegistrationString) -> str:
    return "\n".join(
        (
            "Use SIP account",
            f"Username     {card.username}",
            f"Password     {card.password}",
            f"Domain       {format_host(card.domain)}",
            f"Transport    {card.transport}",
            f"Proxy        sip:{card.host_port};transport={card.transport.lower()}",
        )
    )


def _zoiper(card: RegistrationString) -> str:
    return "\n".join(
        (
            f"Username         {card.username}@{format_host(card.domain)}",
            f"Password         {card.password}",
            f"Outbound proxy   {card.host_port}",
            f"Transport        SIP {card.transport}",
        )
    )


def _pjsip(card: RegistrationString) -> str:
    name = card.address_user
    transport = "" if card.transport == "UDP" else f"\\;transport={card.transport.lower()}"
    return "\n".join(
        (
            f"[{name}]",
            "type=registration",
            f"outbound_auth={name}-auth",
            f"server_uri=sip:{format_host(card.domain)}{transport}",
            f"client_uri={card.sip_uri}",
            f"outbound_proxy=sip:{card.host_port}{transport}\\;lr",
            "",
            f"[{name}-auth]",
            "type=auth",
            "auth_type=digest",
            f"username={card.username}",
            f"password={card.password}",
        )
    )


def _sipjs(card: RegistrationString) -> str:
    return "\n".join(
        (
            "const agent = new UserAgent({",
            f'  uri: UserAgent.makeURI("{card.sip_uri}"),',
            f'  authorizationUsername: "{card.username}",',
            f"  authorizationPassword: {_quoted(card.password)},",
            f'  transportOptions: {{ server: "{card.url}" }},',
            "});",
        )
    )


def _jssip(card: RegistrationString) -> str:
    return "\n".join(
        (
            "const phone = new JsSIP.UA({",
            f'  sockets: [new JsSIP.WebSocketInterface("{card.url}")],',
            f'  uri: "{card.sip_uri}",',
            f'  authorization_user: "{card.username}",',
            f"  password: {_quoted(card.password)},",
            "});",
        )
    )


def _quoted(text: str) -> str:
    """As a string of JavaScript; the password may hold a quote or a backslash."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
