"""HA1s as they are kept: lower-case hex, or sealed under a key of the site with AES-256-GCM (RFC 7616 §5.2, C98).

A sealed HA1 names its key and opens at its place only: another credential's row, another algorithm's column and a
changed byte are refused. Must not read settings or the database.
"""

import binascii
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apps.sip.digest import Algorithm

COLUMNS: Final[dict[Algorithm, str]] = {
    Algorithm.MD5: "ha1_md5",
    Algorithm.SHA256: "ha1_sha256",
    Algorithm.SHA512_256: "ha1_sha512_256",
}
# "s1.<key id>.<base64 of nonce, cipher text and tag>"; a later scheme would be s2.
SCHEME: Final = "s1."
KEY_ID_DIGITS: Final = 8
LONGEST: Final = 96

_PAYLOAD_AT: Final = len(SCHEME) + KEY_ID_DIGITS + 1
_NONCE_BYTES: Final = 12
# What the columns may hold; the lengths follow from 16 and 32 bytes with 28 of nonce and tag.
MD5_PATTERN: Final = r"^([0-9a-f]{32}|s1[.][0-9a-f]{8}[.][A-Za-z0-9+/]{59}=)$"
SHA_PATTERN: Final = r"^([0-9a-f]{64}|s1[.][0-9a-f]{8}[.][A-Za-z0-9+/]{80})$"


class CannotOpen(Exception):  # noqa: N818 - says what happened
    """Our fault, never the phone's: the key is missing, or the value is not where it was sealed. In one line."""


def place_of(credential_id: UUID, peer_id: UUID, username: str) -> bytes:
    """Where a credential's HA1s belong. None of it changes while the credential lives."""
    return credential_id.bytes + peer_id.bytes + username.encode()


def key_id(key: bytes) -> str:
    """Names a key and tells nothing of it."""
    return hashlib.sha256(b"credential key\0" + key).hexdigest()[:KEY_ID_DIGITS]


def key_id_of(kept: str) -> str | None:
    """The key a kept HA1 is sealed under; None for one in clear hex."""
    return kept[len(SCHEME) : _PAYLOAD_AT - 1] if kept.startswith(SCHEME) else None


class Ha1Keys:
    """The site's keys: the first seals, each opens. Without any, HA1s are kept in clear hex."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.newest = next(iter(self._ciphers), None)

    def __contains__(self, name: object) -> bool:
        return name in self._ciphers

    def seal(self, ha1: str, algorithm: Algorithm, place: bytes) -> str:
        """What to keep for an HA1 in hex."""
        if self.newest is None:
            return ha1
        # Never given from outside: under one key a nonce must not come twice.
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher_text = self._ciphers[self.newest].encrypt(nonce, bytes.fromhex(ha1), _bound(algorithm, place))
        return f"{SCHEME}{self.newest}.{binascii.b2a_base64(nonce + cipher_text, newline=False).decode()}"

    def open(self, kept: str, algorithm: Algorithm, place: bytes) -> str:
        """The HA1 in hex. Raises CannotOpen."""
        name = key_id_of(kept)
        if name is None:
            return kept
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise CannotOpen(f"a password hash is encrypted under key {name}, which is not configured")
        sealed = binascii.a2b_base64(kept[_PAYLOAD_AT:])
        try:
            clear = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(algorithm, place))
        except InvalidTag:
            credential = UUID(bytes=place[:16])
            raise CannotOpen(f"the password hash of credential {credential} was changed or moved") from None
        return clear.hex()


@dataclass(frozen=True, slots=True)
class KeptHa1s:
    """The HA1s of one credential as its row holds them."""

    place: bytes
    kept: Mapping[Algorithm, str]


def sealed_for(ha1_keys: Ha1Keys, ha1s: Mapping[Algorithm, str], place: bytes) -> KeptHa1s:
    return KeptHa1s(
        place, {algorithm: ha1_keys.seal(ha1, algorithm, place) for algorithm, ha1 in ha1s.items()}
    )


class OpenedHa1s(Mapping[Algorithm, tuple[str | None, ...]]):
    """HA1s of several credentials by algorithm, opened when asked for: a request needs one of the three.

    None stands for one that cannot be opened, which `trouble` then hears of."""

    def __init__(
        self, ha1_keys: Ha1Keys, credentials: Sequence[KeptHa1s], trouble: Callable[[CannotOpen], None]
    ) -> None:
        self._ha1_keys, self._credentials, self._trouble = ha1_keys, credentials, trouble

    def __getitem__(self, algorithm: Algorithm) -> tuple[str | None, ...]:
        return tuple(self._opened(credential, algorithm) for credential in self._credentials)

    def __iter__(self) -> Iterator[Algorithm]:
        return iter(COLUMNS)

    def __len__(self) -> int:
        return len(COLUMNS)

    def _opened(self, credential: KeptHa1s, algorithm: Algorithm) -> str | None:
        try:
            return self._ha1_keys.open(credential.kept[algorithm], algorithm, credential.place)
        except CannotOpen as cannot:
            self._trouble(cannot)
            return None


def _bound(algorithm: Algorithm, place: bytes) -> bytes:
    return algorithm.encode() + b":" + place
