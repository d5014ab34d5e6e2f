"""Passwords that carriers gave us, sealed: unlike a phone's, they are opened again, for any realm a carrier asks in.

Sealed under the newest key of REGISTRAR_CREDENTIAL_KEYS, without any under one made from SECRET_KEY. Must not log.
"""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from apps.extensions.site_keys import Moved, SiteKeys, UnknownKey


class CannotOpenPassword(Exception):  # noqa: N818 - says what happened
    """Our fault, in one line: the key is missing, or the value is another trunk's."""


class TrunkKeys(SiteKeys):
    """What opens stays: keys may be configured later without setting each password again."""

    def __init__(self, site_keys: Sequence[bytes], secret_key: str) -> None:
        super().__init__([*site_keys, hashlib.sha256(b"trunk password\0" + secret_key.encode()).digest()])

    def seal(self, password: str, trunk_id: UUID) -> str:
        return self.seal_bytes(password.encode(), _place(trunk_id))

    def open(self, kept: str, trunk_id: UUID) -> str:
        """Raises CannotOpenPassword."""
        try:
            return self.open_bytes(kept, _place(trunk_id)).decode()
        except UnknownKey as missing:
            why = (
                f"the password of trunk {trunk_id} is encrypted under key {missing}, which is not configured"
            )
        except Moved:
            why = f"the password of trunk {trunk_id} was changed or moved"
        raise CannotOpenPassword(why)


def _place(trunk_id: UUID) -> bytes:
    return b"trunk password\0" + trunk_id.bytes
