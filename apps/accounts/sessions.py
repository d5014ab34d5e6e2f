"""Who is behind a browser's session, for many sessions at once.

Must not extend or end a session: it only looks.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User

MOST_REMEMBERED: Final = 1024


def roles_of_sessions(session_keys: Iterable[str]) -> dict[str, str]:
    """The role each session's user has at this moment, in two queries. A session that is over, or whose user may no
    longer use it, is missing."""
    sessions = Session.objects.filter(session_key__in=list(session_keys), expire_date__gt=timezone.now())
    stored = {key: _read(data) for key, data in sessions.values_list("session_key", "session_data")}
    user_ids = {key: _user_id(session) for key, session in stored.items()}
    users = User.objects.filter(is_active=True).in_bulk({pk for pk in user_ids.values() if pk is not None})
    roles = {}
    for key, session in stored.items():
        user = users.get(user_ids[key])
        if user is not None and _is_of(session, user):
            roles[key] = str(user.role)
    return roles


@lru_cache(MOST_REMEMBERED)
def _read(data: str) -> Mapping[str, Any]:
    """What the session says; {} for what was not signed by us."""
    return SessionStore().decode(data)


def _user_id(session: Mapping[str, Any]) -> UUID | None:
    try:
        return UUID(session[SESSION_KEY])
    except (KeyError, ValueError):
        return None


def _is_of(session: Mapping[str, Any], user: User) -> bool:
    """Not after a change of the password, nor by a way of signing in that was switched off."""
    known_way = session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    return known_way and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
