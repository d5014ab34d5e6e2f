"""What templates need beyond Django's own: times, phone models, event words, icons.

Must not query: a template shows what the view read.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.console import event_words, phone_models, verdict, words
from apps.extensions.models import TrustedAddress
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import Outcome
from apps.registrar.regevent.selectors import NotifyState
from apps.registrar.selectors import RegistrationRow

register = template.Library()


@register.simple_tag
def since(at: dt.datetime, now: dt.datetime) -> SafeString:
    """How long it has been so: "2 d 4 h", ticking."""
    return _time(at, "since", words.elapsed(now - at))


@register.simple_tag
def ago(at: dt.datetime, now: dt.datetime) -> SafeString:
    """How long ago it happened: "5 min ago", ticking."""
    return _time(at, "ago", f"{words.elapsed(now - at)} ago")


@register.simple_tag
def until(at: dt.datetime, now: dt.datetime) -> SafeString:
    """How long it will be so: "4:12", ticking."""
    return _time(at, "until", words.countdown(at - now))


@register.simple_tag
def moment(at: dt.datetime, now: dt.datetime) -> SafeString:
    """A clock time, "10:04", which the browser puts into its own time zone."""
    return _time(at, "clock", words.moment(at, now))


@register.simple_tag
def day(at: dt.datetime, now: dt.datetime) -> SafeString:
    """As moment, with the date alone before today."""
    return _time(at, "day", words.day(at, now))


@register.filter
def length_of_time(length: dt.timedelta) -> str:
    return words.elapsed(length)


@register.filter
def row_words(code: str) -> str:
    return verdict.row_words(code)


@register.filter
def phone_model(user_agent: str) -> str:
    return phone_models.phone_model(user_agent)


@register.filter
def user_agent(row: RegistrationRow) -> str:
    """Of the first binding, else of the last one there was."""
    if row.first_binding is not None:
        return row.first_binding.user_agent
    return row.activity.user_agent if row.activity else ""


@register.filter
def of(values: Mapping[Any, Any], key: object) -> Any:
    """The value of that key, None without one: a template has no words for it."""
    return values.get(key)


@register.filter
def event_sentence(event: RegistrationEvent) -> str:
    return event_words.sentence(event)


@register.filter
def notify_words(state: str) -> str:
    return NotifyState(state).label


@register.filter
def refusal(event: RegistrationEvent) -> Outcome | None:
    return event_words.refusal(event)


@register.simple_tag
def trusted_address(address: TrustedAddress) -> str:
    """ "203.0.113.0/28", a single address without its prefix, then the port if only one is trusted."""
    network = address.network
    single = network.num_addresses == 1
    shown = str(network.network_address) if single else str(network)
    return f"{shown} port {address.port}" if address.port else shown


@register.filter
def source(binding: Binding) -> str:
    """address:port of the packet, an IPv6 address in brackets."""
    return host_port(binding.received_addr, binding.received_port)


@register.simple_tag
def host_port(host: str | None, port: int | None) -> str:
    if not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


@register.filter
def private_contact(binding: Binding) -> str:
    """host:port of the contact when it is not where the packet came from: the phone's own idea of its address."""
    contact = binding.contact.partition(":")[2].rpartition("@")[2].partition(";")[0].partition("?")[0]
    return "" if contact == source(binding) else contact


@register.filter
def granted_s(binding: Binding) -> int:
    """Length of the registration, in seconds."""
    return int((binding.expires_at - binding.refreshed_at).total_seconds())


@register.simple_tag
def left_s(at: dt.datetime, now: dt.datetime) -> int:
    return max(0, int((at - now).total_seconds()))


@register.simple_tag(takes_context=True)
def url_with(context: Mapping[str, Any], **changes: object) -> str:
    """This page's address with some query parameters changed; an empty value removes one."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    for name, value in changes.items():
        query.pop(name, None)
        if value not in ("", None):
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else context["request"].path


def _time(at: dt.datetime, form: str, text: str) -> SafeString:
    exact = at.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}Z" data-tick="{}" title="{} UTC">{}</time>',
        f"{exact:%Y-%m-%dT%H:%M:%S}",
        form,
        f"{exact:%Y-%m-%d %H:%M:%S}",
        text,
    )
