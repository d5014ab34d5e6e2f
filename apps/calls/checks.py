"""Whether a request may go on at all (RFC 3261 §16.3). Pure. Must not know where it goes."""

from __future__ import annotations

from apps.calls.passage import went_through_us
from apps.calls.values import Refuse
from apps.sip.message import Request
from apps.sip.params import is_digits

_MOST_FORWARDS = 255


def fault(request: Request, mark: str) -> Refuse | None:
    """Why it may not, in the order of the RFC; None if it may. mark: as of passage.loop_mark."""
    if request.request_uri is None:
        return Refuse(416, "")
    forwards = request.value("max-forwards")
    if forwards is not None and not (
        is_digits(forwards) and len(forwards) <= 3 and int(forwards) <= _MOST_FORWARDS
    ):
        return Refuse(400, "Bad Request (bad max forwards)")
    if forwards is not None and int(forwards) == 0:
        return Refuse(483, "")
    if went_through_us(request, mark):
        return Refuse(482, "")
    unknown = request.tokens("proxy-require")
    if unknown:
        return Refuse(420, "", (("Unsupported", ", ".join(unknown)),))
    return None
