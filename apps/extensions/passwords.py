"""Passwords for phones: made, judged, and turned into the HA1s that are kept, sealed if the site has a key.

Must not store or log a password.
"""

import secrets
from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.extensions.ha1s import COLUMNS, Ha1Keys, place_of
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
    return credential_of_ha1s(
        domain=domain, peer_id=peer_id, username=username, ha1s=all_ha1s(username, domain.realm, password)
    )


def all_ha1s(username: str, realm: str, password: str) -> dict[Algorithm, str]:
    return {algorithm: ha1(algorithm, username, realm, password) for algorithm in Algorithm}


def credential_of_ha1s(
    *, domain: Domain, peer_id: UUID, username: str, ha1s: Mapping[Algorithm, str]
) -> Credential:
    """An unsaved credential of HA1s in hex. In place of one that is not known stands one that no password has."""
    ha1_keys, credential_id = Ha1Keys(settings.CREDENTIAL_KEYS), uuid4()
    place = place_of(credential_id, peer_id, username)
    kept = {
        COLUMNS[algorithm]: ha1_keys.seal(ha1s.get(algorithm) or _nobodys(algorithm), algorithm, place)
        for algorithm in Algorithm
    }
    return Credential(id=credential_id, domain=domain, peer_id=peer_id, username=username, **kept)


def _nobodys(algorithm: Algorithm) -> str:
    return secrets.token_hex(16 if algorithm == Algorithm.MD5 else 32)
