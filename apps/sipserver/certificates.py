"""A certificate of our own, for sites that have none: phones must be told to trust it, or not to ask.

Must not replace what is there: a phone may have been told to trust just that one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .tls import Certificate

VALID_FOR: Final = timedelta(days=3650)
# A phone's clock may be behind.
VALID_BEFORE_NOW: Final = timedelta(days=2)


def ensure_self_signed(folder: Path, names: Iterable[str]) -> Certificate:
    """The certificate in `folder`, made for these host names and addresses if there is none. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "self-signed.pem"
    if not path.exists():
        unfinished = folder / f".{uuid4().hex}.pem"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_self_signed([*names]))
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)  # never replaces what another process made meanwhile
        unfinished.unlink()
    return Certificate(chain=path, key=path)


def _self_signed(names: list[str]) -> bytes:
    """PEM: the key, then the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID_BEFORE_NOW)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
