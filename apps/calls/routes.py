"""What a request's Route says to us: our own values in it are read and taken off (RFC 3261 §16.4). Pure.

Nobody is sent on to where a Route alone names: only a token of ours does.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.calls.names import Names
from apps.calls.tokens import Way, read_ticket, read_token
from apps.calls.values import Refuse
from apps.sip.message import Request
from apps.sip.name_addr import parse_addr, split_name_addr
from apps.sip.params import FieldError, find_param, split_list
from apps.sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class Routed:
    """request_uri and routes as they go on. token and way: of the dialog it is in, None for a request that begins
    something; one that another host of ours has let in has a way alone."""

    request_uri: str
    routes: tuple[str, ...] = ()
    token: str | None = None
    way: Way | None = None


def read_routes(request: Request, key: bytes, names: Names) -> Routed | Refuse:
    """Refuse: the Route cannot be read (400), or it is not one we wrote (403)."""
    if "route" not in request.by_name:
        return Routed(request.request_uri_text)
    try:
        values = [value for line in request.values("route") for value in split_list(line)]
        return _Reader(request, key, names).read(values)
    except FieldError:
        return Refuse(400, "Bad Request (bad route)")


class _Reader:
    def __init__(self, request: Request, key: bytes, names: Names) -> None:
        self._request = request
        self._key = key
        self._names = names

    def read(self, values: list[str]) -> Routed | Refuse:
        """Raises FieldError."""
        uri_text, found = self._request.request_uri_text, self._named_by(self._request.request_uri, None)
        if found is not None:  # who sent it routes strictly: the real Request-URI is the last Route
            uri_text, _ = split_name_addr(values.pop())
            parse_addr(uri_text)
        if (way := self._sent_on(values)) is not None:
            return Routed(uri_text, tuple(values[1:]), None, way)
        while values:
            uri = parse_addr(split_name_addr(values[0])[0])
            token = self._named_by(uri, found)
            if token is None:
                if uri is None or not self._is_ours(uri):
                    break
                if uri.user is not None and self._request.to.tag is not None:
                    return Refuse(403, "Forbidden")  # forged, or of another dialog
            found = token or found
            del values[0]
        if found is None:
            return Refuse(403, "Forbidden") if values else Routed(uri_text)
        return Routed(uri_text, tuple(values), *found)

    def _sent_on(self, values: list[str]) -> Way | None:
        """Where it goes, if it begins something and another host of ours says so."""
        uri = parse_addr(split_name_addr(values[0])[0]) if values and self._request.to.tag is None else None
        if uri is None or uri.user is None:
            return None
        return read_ticket(self._key, uri.user, self._request.call_id, self._request.from_.tag or "")

    def _named_by(self, uri: SipUri | None, before: tuple[str, Way] | None) -> tuple[str, Way] | None:
        """(token, where it leads) if this URI is one we wrote for this dialog. One of another host of ours is left to
        that host; if nothing of ours stood `before` it, and it has our name, it was sent here in that host's place."""
        request = self._request
        if uri is None or uri.user is None or request.to.tag is None:
            return None
        found = read_token(self._key, uri.user, request.call_id, request.from_.tag or "", request.to.tag)
        if found is None:
            return None
        if found.home != self._names.home and not (
            self._is_ours(uri) and (before is None or before[0] == uri.user)
        ):
            return None
        return uri.user, found

    def _is_ours(self, uri: SipUri) -> bool:
        return self._names.is_ours(uri.host, uri.port or _default_port(uri))


def _default_port(uri: SipUri) -> int:
    transport = (find_param(uri.params, "transport") or "").lower()
    secure = uri.scheme == "sips" or transport in ("tls", "wss")
    if transport in ("ws", "wss"):
        return 443 if secure else 80
    return 5061 if secure else 5060
