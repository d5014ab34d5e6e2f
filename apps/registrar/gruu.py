"""Globally routable URIs of one device (RFC 5627): made from the binding, read without looking anything up. Pure.

A temporary GRUU is its own record: user, device and call in authenticated encryption, the tag being the nonce as in
RFC 5297. So nothing is kept, and it ends when the device registers under another Call-ID (§3.2).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from apps.sip.uri import SipUri, address_of_record, parse_sip_uri

_PREFIX: Final = "tgruu."
_TAG_BYTES: Final = 16
_DEVICE_BYTES: Final = 10
_CSEQ_BYTES: Final = 4
# User names are padded to a multiple, so that the length of a temporary GRUU tells little of whose it is.
_PADDED_TO: Final = 16
# RFC 3261 §25.1 paramchar, beside letters and digits.
_PARAM_SAFE: Final = "-_.!~*'()[]/:&+$"


class BoundDevice(Protocol):
    """What of a binding, as a value or as a row, says which device it is."""

    @property
    def aor(self) -> str: ...
    @property
    def instance_id(self) -> str | None: ...
    @property
    def call_id(self) -> str: ...


Row = TypeVar("Row", bound=BoundDevice)


@dataclass(frozen=True, slots=True)
class TempGruu:
    """What a temporary GRUU says: the AOR it stands for, and which device under which Call-ID."""

    aor: str
    device: bytes
    cseq: int


def gruu_key(secret_key: str) -> bytes:
    """The key of every worker's temporary GRUUs; not the key of anything else."""
    return hashlib.sha256(b"sip gruu\0" + secret_key.encode()).digest()


def pub_gruu(aor: str, instance_id: str) -> str:
    """The AOR with the instance as `gr` (RFC 5627 §3.1); the same for as long as the device is."""
    return f"{aor};gr={quote(instance_id.removeprefix('<').removesuffix('>'), safe=_PARAM_SAFE)}"


def temp_gruu(key: bytes, aor: str, instance_id: str, call_id: str, cseq: int) -> str:
    """Another URI at each REGISTER, telling nobody but us whose it is (RFC 5627 §3.2)."""
    uri = parse_sip_uri(aor)
    user = (uri.user or "").encode()
    padded = user + bytes(-len(user) % _PADDED_TO)
    plain = _device(instance_id, call_id) + cseq.to_bytes(_CSEQ_BYTES, "big") + padded
    tag = _tag(key, uri.host, plain)
    token = base64.urlsafe_b64encode(tag + _xor(plain, _stream(key, tag, len(plain)))).rstrip(b"=").decode()
    _, _, host = aor.rpartition("@")
    return f"sip:{_PREFIX}{token}@{host};gr"


def read_temp_gruu(key: bytes, uri: SipUri) -> TempGruu | None:
    """What we once put into it; None if it is not ours."""
    sealed = _sealed(uri)
    if sealed is None:
        return None
    tag, cipher = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
    plain = _xor(cipher, _stream(key, tag, len(cipher)))
    if not hmac.compare_digest(tag, _tag(key, uri.host, plain)):
        return None
    device, rest = plain[:_DEVICE_BYTES], plain[_DEVICE_BYTES:]
    user = rest[_CSEQ_BYTES:].rstrip(b"\0").decode()
    aor = address_of_record(SipUri("sip", user, None, uri.host, None))
    return TempGruu(aor, device, int.from_bytes(rest[:_CSEQ_BYTES], "big"))


def is_gruu(uri: SipUri) -> bool:
    return "gr" in dict(uri.params)


def aor_of_gruu(key: bytes, uri: SipUri) -> str | None:
    """The AOR a public or temporary GRUU belongs to; None if it is neither."""
    if dict(uri.params).get("gr"):
        return address_of_record(uri)
    temp = read_temp_gruu(key, uri) if is_gruu(uri) else None
    return temp.aor if temp is not None else None


def bindings_of_gruu(key: bytes, uri: SipUri, bindings: Iterable[Row]) -> list[Row]:
    """Those of an AOR's live bindings that a public or temporary GRUU reaches: all flows of one device."""
    aor, instance = aor_of_gruu(key, uri), dict(uri.params).get("gr")
    own = [row for row in bindings if row.aor == aor and row.instance_id is not None]
    if instance:
        return [row for row in own if f"<{instance}>" == row.instance_id]
    temp = read_temp_gruu(key, uri)
    return [row for row in own if temp is not None and temp.device == _device_of(row)]


def _device_of(binding: BoundDevice) -> bytes | None:
    return _device(binding.instance_id, binding.call_id) if binding.instance_id is not None else None


def _device(instance_id: str, call_id: str) -> bytes:
    text = f"{instance_id}\0{call_id}".encode()
    return hashlib.blake2b(text, digest_size=_DEVICE_BYTES, person=b"gruu").digest()


def _sealed(uri: SipUri) -> bytes | None:
    user = uri.user or ""
    if not user.startswith(_PREFIX) or not user.isascii():
        return None
    token = user.removeprefix(_PREFIX)
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    return sealed if len(sealed) >= _TAG_BYTES + _DEVICE_BYTES + _CSEQ_BYTES else None


def _tag(key: bytes, host: str, plain: bytes) -> bytes:
    return hmac.digest(key, b"tag\0" + host.encode() + b"\0" + plain, "sha256")[:_TAG_BYTES]


def _stream(key: bytes, tag: bytes, length: int) -> bytes:
    blocks = (hmac.digest(key, b"stream\0" + tag + bytes([number]), "sha256") for number in range(256))
    stream = b""
    while len(stream) < length:
        stream += next(blocks)
    return stream[:length]


def _xor(text: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))
