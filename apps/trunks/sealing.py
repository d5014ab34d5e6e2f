"""Passwords that carriers gave us, sealed: unlike a phone's, they are opened again, for any realm a carrier asks in.

Must not log.
"""

from collections.abc import Sequence
from uuid import UUID

from apps.extensions.site_keys import Moved, SecretKeys, UnknownKey, Unreadable


class CannotOpenPassword(Unreadable):
    """Our fault, in one line: the key is missing, or the value is another trunk's."""


class TrunkKeys(SecretKeys):
    def __init__(self, site_keys: Sequence[bytes], secret_key: str) -> None:
        super().__init__(b"trunk password", site_keys, secret_key)

    def open(self, kept: str, trunk_id: UUID) -> str:
        """Raises CannotOpenPassword."""
        try:
            return super().open(kept, trunk_id)
        except UnknownKey as missing:
            why = (
                f"the password of trunk {trunk_id} is encrypted under key {missing}, which is not configured"
            )
        except Moved:
            why = f"the password of trunk {trunk_id} was changed or moved"
        raise CannotOpenPassword(why)
