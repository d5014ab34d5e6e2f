"""A short mark of what a row says, so that page and server can agree that nothing is new without sending it.

Time is left out: a row that only counts down has not changed. Pure.
"""

from collections.abc import Iterator
from hashlib import blake2b

from apps.registrar.selectors import RegistrationRow


def row_version(row: RegistrationRow) -> str:
    """8 hex digits over every fact that _row.html shows."""
    return blake2b("\x1f".join(map(str, _facts(row))).encode(), digest_size=4).hexdigest()


def _facts(row: RegistrationRow) -> Iterator[object]:
    peer, extension, activity = row.peer, row.peer.extension, row.activity
    yield from (peer.name, row.state, row.attention, row.refused_words, row.offline_since, row.site_is_down)
    if extension is not None:
        yield from (extension.number, extension.display_name)
    if activity is not None:
        yield from (activity.end_reason, activity.refused_at, activity.user_agent)
        yield from (activity.received_addr, activity.received_port, activity.unanswered_at)
    for binding in row.bindings:
        yield from (binding.binding_id, binding.contact, binding.received_addr, binding.received_port)
        yield from (binding.transport, binding.user_agent, binding.registered_at, binding.expires_at)
        yield from (binding.late_at, getattr(binding, "probe_state", None))
