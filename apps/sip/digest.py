"""Digest authentication arithmetic (RFC 7616, RFC 8760, RFC 3261 §22)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Algorithm(StrEnum):
    MD5 = "MD5"
    SHA256 = "SHA-256"
    SHA512_256 = "SHA-512-256"


@dataclass(frozen=True, slots=True)
class DigestCredentials:
    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm
    cnonce: str
    nc: int
    qop: Literal["auth"] | None
    nc_text: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationFault:
    why: str


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    raise NotImplementedError


def parse_authorization(values: Sequence[str], realm: str) -> DigestCredentials | AuthorizationFault | None:
    raise NotImplementedError


def expected_response(credentials: DigestCredentials, ha1: str, method: str) -> str:
    raise NotImplementedError


def verify(credentials: DigestCredentials, ha1: str, method: str) -> bool:
    raise NotImplementedError


def www_authenticate(realm: str, nonce: str, algorithm: Algorithm, stale: bool) -> str:
    raise NotImplementedError
