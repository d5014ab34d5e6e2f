"""The caller is told where the phones are, and calls them himself (RFC 3261 §21.3.3). Pure.

Only of use to who can reach them: a phone behind NAT hears nobody but us.
"""

from collections.abc import Iterable

from apps.calls.values import Refuse
from apps.registrar.ringing import NO_Q
from apps.routing.answer import Target
from apps.routing.dialing import Registered, dial_uri


def redirect(targets: Iterable[Target]) -> Refuse:
    """302 with a Contact for each, in ringing order. Their q says it, too: 0 for those that are not reachable."""
    contacts = tuple(("Contact", f"<{_uri(target)}>;q={_q(target)}") for target in targets)
    return Refuse(302, "Moved Temporarily", contacts)


def _uri(target: Target) -> str:
    origin = target.destination
    return dial_uri(Registered(target.uri, origin.host, origin.port, origin.transport, target.path))


def _q(target: Target) -> str:
    thousandths = (NO_Q if target.q is None else target.q) if target.reachable else 0
    return f"{thousandths / 1000:.3f}".rstrip("0").removesuffix(".")
