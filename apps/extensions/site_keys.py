"""Sealing under the site's keys with AES-256-GCM: what is sealed names its key and opens at its place only.

Must not read settings or the database, or know what it seals.
"""

import binascii
import hashlib
import secrets
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# "s1.<key id>.<base64 of nonce, cipher text and tag>"; a later scheme would be s2.
SCHEME: Final = "s1."
KEY_ID_DIGITS: Final = 8

_PAYLOAD_AT: Final = len(SCHEME) + KEY_ID_DIGITS + 1
_NONCE_BYTES: Final = 12


class Unreadable(Exception):  # noqa: N818 - says what it is
    """What is sealed cannot be opened."""


class UnknownKey(Unreadable):
    """Sealed under a key that is not here; its only argument is the key's id."""


class Moved(Unreadable):
    """Not where it was sealed, or changed since."""


def key_id(key: bytes) -> str:
    """Names a key and tells nothing of it."""
    return hashlib.sha256(b"credential key\0" + key).hexdigest()[:KEY_ID_DIGITS]


def key_id_of(kept: str) -> str | None:
    """The key it is sealed under; None for what is in the clear."""
    return kept[len(SCHEME) : _PAYLOAD_AT - 1] if kept.startswith(SCHEME) else None


class SiteKeys:
    """The first seals, each opens."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.newest = next(iter(self._ciphers), None)

    def __contains__(self, name: object) -> bool:
        return name in self._ciphers

    def is_newest(self, kept: str) -> bool:
        """Whether it is sealed under the key that would seal it now."""
        return key_id_of(kept) == self.newest

    def seal_bytes(self, clear: bytes, place: bytes) -> str:
        """Raises KeyError without any key."""
        if self.newest is None:
            raise KeyError("there is no key to seal under")
        # Never given from outside: under one key a nonce must not come twice.
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher_text = self._ciphers[self.newest].encrypt(nonce, clear, place)
        return f"{SCHEME}{self.newest}.{binascii.b2a_base64(nonce + cipher_text, newline=False).decode()}"

    def open_bytes(self, kept: str, place: bytes) -> bytes:
        """Raises UnknownKey or Moved."""
        name = key_id_of(kept) or ""
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise UnknownKey(name)
        sealed = binascii.a2b_base64(kept[_PAYLOAD_AT:])
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except InvalidTag:
            raise Moved from None


class SecretKeys(SiteKeys):
    """For what has to be opened again, so that it is never kept in the clear: without a key of the site under one made
    from SECRET_KEY, which opens later, too. purpose: what is sealed; nothing opens as something else."""

    def __init__(self, purpose: bytes, site_keys: Sequence[bytes], secret_key: str) -> None:
        self._label = purpose + b"\0"
        super().__init__([*site_keys, hashlib.sha256(self._label + secret_key.encode()).digest()])

    def seal(self, secret: str, owner_id: UUID) -> str:
        return self.seal_bytes(secret.encode(), self._label + owner_id.bytes)

    def open(self, kept: str, owner_id: UUID) -> str:
        """Raises Unreadable: UnknownKey or Moved."""
        return self.open_bytes(kept, self._label + owner_id.bytes).decode()
