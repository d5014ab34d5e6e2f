"""Signs an API client in by its token: `Authorization: Token ra_…`.

Must not say why a token is refused: an unknown, a revoked, an expired one and one of a disabled owner get the same
answer. A browser session is no way in here, so the API needs no CSRF token.
"""

import datetime as dt
from typing import Final

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.accounts.models import ApiToken, User
from apps.accounts.services import token_digest

KEYWORD: Final = "Token"
LAST_USE_WRITTEN_EVERY: Final = dt.timedelta(minutes=1)
LONGEST_TOKEN: Final = 128


class ApiTokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """(owner, token), or None when the request does not try to sign in by token."""
        keyword, _, clear = get_authorization_header(request).partition(b" ")
        if keyword.lower() != KEYWORD.lower().encode():
            return None
        now = timezone.now()
        token = _good_token(clear.strip(), now)
        if token is None:
            raise AuthenticationFailed("This token is not valid.", code="invalid_token")
        _write_last_use(token, now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


def _good_token(clear: bytes, now: dt.datetime) -> ApiToken | None:
    if not clear or len(clear) > LONGEST_TOKEN or not clear.isascii():
        return None
    tokens = ApiToken.objects.select_related("user").filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True, user__is_active=True
    )
    return tokens.filter(digest=token_digest(clear.decode("ascii"))).first()


def _write_last_use(token: ApiToken, now: dt.datetime) -> None:
    """At most once a minute: a busy client must not turn every read into a write."""
    if token.last_used_at is not None and now - token.last_used_at < LAST_USE_WRITTEN_EVERY:
        return
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
