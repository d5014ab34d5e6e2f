"""Lists an admin types one per line: networks, and the routes of a Service-Route (RFC 3608). Pure but for its errors.

Must not read or write anything.
"""

import re
from typing import Final

from django.core.exceptions import ValidationError

from apps.extensions.fields import parse_network
from apps.sip.uri import UriError, parse_sip_uri

MOST_LINES: Final = 32
_ROUTE: Final = re.compile(r"<([^<>]+)>")


def normal_networks(field: str, text: str) -> list[str]:
    """The networks of `text`, separated by spaces, commas or line ends. Raises ValidationError keyed by `field`."""
    networks = []
    for word in text.replace(",", " ").split():
        try:
            networks.append(str(parse_network(word)))
        except ValueError:
            problem = f"{word[:64]} is not an address or network. Give one per line, like 192.0.2.10 or 192.0.2.0/28."
            raise ValidationError({field: ValidationError(problem, code="not_a_network")}) from None
    return _few(field, list(dict.fromkeys(networks)))


def normal_routes(field: str, text: str) -> list[str]:
    """The routes of `text`, one per line, in order. Raises ValidationError keyed by `field`."""
    routes = [line.strip() for line in text.splitlines() if line.strip()]
    for route in routes:
        if not _is_loose_route(route):
            problem = f"{route[:64]} is not a route. Give one per line, like <sip:proxy.example.com;lr>."
            raise ValidationError({field: ValidationError(problem, code="not_a_route")})
    return _few(field, routes)


def _is_loose_route(text: str) -> bool:
    match = _ROUTE.fullmatch(text)
    try:
        return match is not None and "lr" in dict(parse_sip_uri(match.group(1)).params)
    except UriError:
        return False


def _few(field: str, lines: list[str]) -> list[str]:
    if len(lines) > MOST_LINES:
        problem = f"Give at most {MOST_LINES}."
        raise ValidationError({field: ValidationError(problem, code="too_many")})
    return lines
