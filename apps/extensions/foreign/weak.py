"""Whether a password is one that is tried first: seen in the clear, or found by hashing those."""

from collections.abc import Iterator
from typing import Final

from django.core.exceptions import ValidationError

from apps.extensions.foreign.values import Secret
from apps.extensions.passwords import COMMONEST, check_password
from apps.sip.digest import Algorithm, ha1

# What products ship with and people type, besides the number itself.
TRIED_FIRST: Final = (
    "",
    "test",
    "1234",
    "12345",
    "123456",
    "0000",
    "1111",
    "secret",
    "admin",
    "phone",
    "password1",
)


def weakness(secret: Secret, number: str, username: str) -> str:
    """A few words, or "" where nothing is known against it."""
    if secret.password is not None:
        return _of_password(secret.password, number, username)
    md5 = secret.ha1s.get(Algorithm.MD5)
    if md5 is None or secret.realm is None:
        return ""
    realm = secret.realm
    if any(ha1(Algorithm.MD5, username, realm, guess) == md5 for guess in _guesses(number, username)):
        return "weak password: one of those tried first"
    return ""


def _of_password(password: str, number: str, username: str) -> str:
    if password in (number, username):
        return "weak password: the number itself"
    if password in TRIED_FIRST:
        return "weak password: one of those tried first"
    try:
        check_password(password, username)
    except ValidationError:
        return "weak password: too short or easy to guess"
    return ""


def _guesses(number: str, username: str) -> Iterator[str]:
    yield from (number, username, number[::-1], number * 2)
    yield from TRIED_FIRST
    yield from COMMONEST
