"""Passwords for phones: made, judged, and turned into the HA1s that are kept, sealed if the site has a key.

Must not store or log a password.
"""

import secrets
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.extensions.ha1s import Ha1Keys, place_of
from apps.extensions.models import Credential, Domain
from apps.sip.digest import Algorithm, ha1

# Without characters that are mistaken for each other on a phone's small screen (0 O, 1 l I).
ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
GENERATED_LENGTH: Final = 20
SHORTEST: Final = 8
LONGEST: Final = 128
COMMONEST: Final = frozenset(
    {"password", "passw0rd", "12345678", "123456789", "1234567890", "changeme", "asterisk"}
)


def generate_password() -> str:
    """20 characters, 116 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_LENGTH))


def check_password(password: str, username: str) -> None:
    """Raises ValidationError({"password": sentence}) for what a dictionary attack finds first."""
    if not SHORTEST <= len(password) <= LONGEST:
        problem = f"Give a password of {SHORTEST} to {LONGEST} characters."
    elif not (password.isascii() and password.isprintable()):
        problem = "Use letters, digits and signs that every phone can type: ASCII only."
    elif password.lower() in COMMONEST or username.lower() in password.lower() or len(set(password)) < 5:
        problem = (
            "This password is too easy to guess: avoid the user name, common words and repeated characters."
        )
    else:
        return
    raise ValidationError({"password": ValidationError(problem, code="weak_password")})


def new_credential(*, domain: Domain, peer_id: UUID, username: str, password: str) -> Credential:
    """An unsaved credential with the HA1 of each algorithm over the domain's realm (RFC 7616 §3.4.2)."""
    ha1_keys, credential_id = Ha1Keys(settings.CREDENTIAL_KEYS), uuid4()

    def kept(algorithm: Algorithm) -> str:
        secret = ha1(algorithm, username, domain.realm, password)
        return ha1_keys.seal(secret, algorithm, place_of(credential_id, peer_id, username))

    return Credential(
        id=credential_id,
        domain=domain,
        peer_id=peer_id,
        username=username,
        ha1_md5=kept(Algorithm.MD5),
        ha1_sha256=kept(Algorithm.SHA256),
        ha1_sha512_256=kept(Algorithm.SHA512_256),
    )
