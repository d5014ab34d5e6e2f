"""Secrets of webhooks as they are kept: AES-256-GCM, bound to their webhook, under a key made from the site's newest
credential key, or from SECRET_KEY where there is none. Any of the site's keys opens.

They must be recoverable, for they sign; a dump of the database alone does not hold them.
"""

import base64
import hashlib
import secrets
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

SCHEME: Final = "w1"
LABEL: Final = b"registrar-admin webhook secret"
NONCE_BYTES: Final = 12


class CannotOpen(Exception):  # noqa: N818 - says what happened
    """In a sentence for the admin."""


def seal(secret: str, webhook_id: UUID) -> str:
    """`w1.<key id>.<base64 of nonce, cipher text and tag>`."""
    name, key = next(iter(_keys().items()))
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, secret.encode(), webhook_id.bytes)
    return f"{SCHEME}.{name}.{base64.b64encode(sealed).decode()}"


def unseal(kept: str, webhook_id: UUID) -> str:
    """Raises CannotOpen."""
    _, name, text = kept.split(".")
    key = _keys().get(name)
    if key is None:
        raise CannotOpen("The key its secret is sealed under is gone. Give it a new secret.")
    sealed = base64.b64decode(text)
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], webhook_id.bytes).decode()
    except InvalidTag:
        raise CannotOpen("Its secret was changed in the database. Give it a new secret.") from None


def _keys() -> dict[str, bytes]:
    """The first seals."""
    given = [*settings.CREDENTIAL_KEYS, settings.SECRET_KEY.encode()]
    keys = [HKDF(SHA256(), 32, None, LABEL).derive(key) for key in given]
    return {hashlib.sha256(key).hexdigest()[:8]: key for key in keys}
