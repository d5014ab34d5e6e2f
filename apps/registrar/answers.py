"""The 200 of a REGISTER (RFC 3261 §10.3 step 8) with what its extensions add. Pure.

Must not decide: it says what is stored.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from apps.registrar import outcomes
from apps.registrar.bindings import Address, StoredBinding
from apps.registrar.decisions import Answer, Registration
from apps.registrar.outbound import PathValues
from apps.sip.message import Request
from apps.sip.params import LENIENT_PARAM, find_param
from apps.sip.response import build_response, sip_date

SUPPORTED_TAGS: Final = frozenset({"path", "outbound", "gruu"})
SUPPORTED: Final = ("Supported", ", ".join(sorted(SUPPORTED_TAGS)))
# How often a phone sends on its connection; idle ones are closed much later (RFC 5626 §4.4, RFC 6223 §4.4).
FLOW_TIMER_S: Final = 120
KEEP_S: Final = 30


def ok_answer(
    registration: Registration, bindings: Sequence[StoredBinding], path: PathValues, *, outbound: bool
) -> Answer:
    """All current bindings with what is left of each, the Path as it came, the service route, and the time."""
    headers = [("Contact", contact_value(binding, registration)) for binding in bindings]
    headers += [("Path", value) for value in path]
    headers += [("Service-Route", route) for route in registration.domain.service_routes]
    headers += outbound_headers(registration.flow) if outbound else []
    headers.append(("Date", sip_date(int(registration.now.timestamp()))))
    return Answer(outcomes.OK, headers, keep_s=KEEP_S if _asks_for_keep(registration.request) else None)


def outbound_headers(flow: str | None) -> list[tuple[str, str]]:
    headers = [("Require", "outbound"), SUPPORTED]
    # Only where CRLF is the keep-alive: with STUN, over UDP, a phone takes 24 to 29 s (RFC 5626 §4.4.2).
    return [*headers, ("Flow-Timer", str(FLOW_TIMER_S))] if flow else headers


def answering_keep(request: Request, keep_s: int | None) -> Request:
    """The request as its answer repeats it: the top Via's keep with our seconds (RFC 6223 §4.3)."""
    if keep_s is None:
        return request
    top, *others = request.vias
    sent_by, semicolon, params = top.text.partition(";")
    text = sent_by + LENIENT_PARAM.sub(
        lambda match: f";keep={keep_s}" if match.group(1).lower() == "keep" else match.group(),
        semicolon + params,
    )
    return replace(request, vias=(replace(top, text=text), *others))


def contact_value(binding: StoredBinding, registration: Registration) -> str:
    """C79: after the URI only q, expires, +sip.instance, reg-id, and GRUUs for who understands them."""
    value = plain_contact_value(
        binding.contact, binding.q, binding.expires_s(registration.now), binding.instance_id, binding.reg_id
    )
    if (binding.pub_gruu or binding.temp_gruu) and registration.supports("gruu"):
        value += gruu_params(binding.pub_gruu, binding.temp_gruu)
    return value


def gruu_params(pub_gruu: str | None, temp_gruu: str | None) -> str:
    value = f';pub-gruu="{pub_gruu}"' if pub_gruu else ""
    return f'{value};temp-gruu="{temp_gruu}"' if temp_gruu else value


def plain_contact_value(
    contact: str, q: int | None, expires_s: int, instance_id: str | None, reg_id: int | None
) -> str:
    value = f"<{contact}>"
    if q is not None:
        value += f";q={_q_text(q)}"
    value += f";expires={expires_s}"
    if instance_id is not None:
        value += f';+sip.instance="{instance_id}"'
    if reg_id is not None:
        value += f";reg-id={reg_id}"
    return value


def kept_text(answer: Answer) -> str:
    """What has to be kept of an answer, so that a repeat gets the same: its echo comes from the repeat."""
    lines = (f"{name}: {value}\r\n" for name, value in answer.headers)
    return f"{answer.outcome.status} {answer.outcome.phrase}\r\n{''.join(lines)}"


def repeated_answer(request: Request, source: Address, text: str) -> bytes:
    """The answer of which `text` was kept, to the same request again."""
    (status, _, phrase), *headers = (
        line.partition(": " if at else " ") for at, line in enumerate(text.split("\r\n"))
    )
    keep_s = KEEP_S if status == "200" and request.method == "REGISTER" and _asks_for_keep(request) else None
    return build_response(
        answering_keep(request, keep_s),
        source,
        int(status),
        phrase,
        [(name, value) for name, _, value in headers if name],
    )


def _asks_for_keep(request: Request) -> bool:
    """RFC 6223 §4.3: the phone offers keep-alives. All are answered: CRLF over a connection, STUN over UDP."""
    return find_param(request.vias[0].params, "keep") == ""


def _q_text(thousandths: int) -> str:
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")
