"""Secrets of webhooks as they are kept: sealed, for they sign; a dump of the database alone does not hold them."""

from uuid import UUID

from django.conf import settings

from apps.extensions.site_keys import Moved, SecretKeys, UnknownKey


class CannotOpen(Exception):  # noqa: N818 - says what happened
    """In a sentence for the admin."""


def seal(secret: str, webhook_id: UUID) -> str:
    return secret_keys().seal(secret, webhook_id)


def unseal(kept: str, webhook_id: UUID) -> str:
    """Raises CannotOpen."""
    try:
        return secret_keys().open(kept, webhook_id)
    except UnknownKey:
        why = "The key its secret is sealed under is gone. Give it a new secret."
    except Moved:
        why = "Its secret was changed in the database. Give it a new secret."
    raise CannotOpen(why)


def secret_keys() -> SecretKeys:
    return SecretKeys(b"webhook secret", settings.CREDENTIAL_KEYS, settings.SECRET_KEY)
