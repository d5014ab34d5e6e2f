"""The branches the call process puts into its Vias, so that anybody who hears an answer knows whose it is. Pure."""

from typing import Final

from apps.sip.reply import is_reply

# A "." is in no branch that other parts of this product make (hex and base32 letters), so none is confused.
CALLS_MAGIC: Final = "z9hG4bKcall."
_MAGIC_BYTES: Final = CALLS_MAGIC.encode()
# Of what the call process says to carriers by itself (apps/trunks/uplink), not for a caller.
UPLINK_MAGIC: Final = f"{CALLS_MAGIC}uplink."
_UPLINK_BYTES: Final = UPLINK_MAGIC.encode()


def is_calls_reply(data: bytes) -> bool:
    """Whether these bytes look like an answer to something the call process sent; cheap, for every packet."""
    return _MAGIC_BYTES in data and is_reply(data)


def names_call_process(head: bytes) -> bool:
    """Whether it seems to have passed a call process: one of ours sent it on, or a phone pretends so."""
    return _MAGIC_BYTES in head


def is_uplink_reply(data: bytes) -> bool:
    """Whether these bytes look like the answer to a REGISTER or an OPTIONS of ours to a carrier."""
    return _UPLINK_BYTES in data and is_reply(data)
