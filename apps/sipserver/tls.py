"""The server's side of TLS: a context from a certificate, and the same context with a newer one.

Asks no client for a certificate: phones prove themselves by digest.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the chain, the server's own first, and its key without a password."""

    chain: Path
    key: Path


class CertificateError(ValueError):
    """One line: which file, and what is wrong with it."""


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """TLS 1.2 or newer. Raises CertificateError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, certificate)
    return context


def renew(context: ssl.SSLContext, certificate: Certificate) -> None:
    """New connections get what the files hold now, open ones keep theirs. CertificateError: nothing changed."""
    server_context(certificate)
    _load(context, certificate)


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    try:
        # A password of "" answers the question that would else wait at a terminal.
        context.load_cert_chain(certificate.chain, certificate.key, password="")
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise CertificateError(f"{certificate.chain} with {certificate.key}: {reason}") from None
    except OSError as error:
        missing = certificate.key if certificate.chain.is_file() else certificate.chain
        raise CertificateError(f"{missing}: {error.strerror}") from None
