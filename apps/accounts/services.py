"""Every write to accounts and API tokens.

Must not hand out a password or a token twice: each is returned by the call that makes it and kept only as a hash.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import ApiToken, Role, Scope, User
from apps.extensions.audit import Actor, record

TOKEN_PREFIX: Final = "ra_"  # noqa: S105 - what every token begins with
SHOWN_PREFIX_LENGTH: Final = 9


@transaction.atomic
def user_create(*, username: str, password: str, role: Role, actor: Actor) -> User:
    user = User(username=username, role=role)
    user.set_password(password)
    user.full_clean()
    user.save(force_insert=True)
    record(actor, "user_create", user, {"role": user.role})
    return user


@transaction.atomic
def user_password_change(*, user: User, password: str, actor: Actor) -> User:
    """The checked new password; every session of the account but the caller's own ends with the next request."""
    user.set_password(password)
    user.save(update_fields=["password"])
    record(actor, "user_password_change", user)
    return user


@transaction.atomic
def user_set_active(*, user: User, is_active: bool, actor: Actor) -> User:
    """A deactivated account is signed out everywhere and its tokens are refused. One admin must remain."""
    admins = User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True)
    if not is_active and set(admins.values_list("pk", flat=True)) == {user.pk}:
        raise ValidationError(
            f"{user.username} is the only admin: make another one first.", code="last_admin"
        )
    user.is_active = is_active
    user.save(update_fields=["is_active"])
    record(actor, "user_enable" if is_active else "user_disable", user)
    return user


def generate_user_password() -> str:
    """20 URL-safe characters, 120 bits."""
    return secrets.token_urlsafe(15)


@transaction.atomic
def ensure_first_admin(*, username: str, password: str | None) -> tuple[str, str | None]:
    """(user name, password) of an admin just made; the password is None when an admin was there already."""
    first = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk").first()
    if first is not None:
        return first.username, None
    password = password or generate_user_password()
    user_create(username=username, password=password, role=Role.ADMIN, actor=Actor.of_command("up"))
    return username, password


@transaction.atomic
def api_token_create(
    *, user: User, name: str, scopes: Iterable[str], actor: Actor, expires_at: dt.datetime | None = None
) -> tuple[ApiToken, str]:
    """The token row and the clear token (256 bits), which is shown once."""
    clear = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user=user,
        name=name.strip(),
        prefix=clear[:SHOWN_PREFIX_LENGTH],
        digest=token_digest(clear),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    if Scope.WRITE in token.scopes and not user.is_admin:
        raise ValidationError(
            {"scopes": f"{user.username} is not an admin, so a token of theirs can only read."}
        )
    token.full_clean()
    token.save(force_insert=True)
    record(actor, "api_token_create", token, {"user": user.username, "scopes": token.scopes})
    return token, clear


@transaction.atomic
def api_token_revoke(*, token: ApiToken, actor: Actor) -> None:
    """From the next request on the token is refused."""
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    record(actor, "api_token_revoke", token)


def token_digest(clear: str) -> str:
    """A plain hash is enough: the token itself is 256 random bits."""
    return hashlib.sha256(clear.encode()).hexdigest()
