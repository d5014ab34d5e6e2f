"""The address to dial a registered contact at. Pure: no I/O."""

import re
from typing import Final

from apps.registrar.models import Binding
from apps.sip.uri import UriError, format_host, parse_sip_uri

_PARTS: Final = re.compile(
    r"(sips?:)(?:([^@:]*)(?::[^@]*)?@)?(?:\[[^\]]*\]|[^;:?]*)(?::\d*)?([^?]*)", re.IGNORECASE
)


def dial_uri(binding: Binding) -> str:
    """The contact with host and port replaced by where its packets come from, user and parameters kept.

    A contact that is no SIP address, or is reached through a proxy (Path, RFC 3327), stays as it is.
    """
    try:
        params = dict(parse_sip_uri(binding.contact).params)
    except UriError:
        return binding.contact
    match = _PARTS.match(binding.contact)
    if match is None or binding.path:
        return binding.contact
    scheme, user, rest = match.groups()
    at = f"{user}@" if user else ""
    transport = "" if "transport" in params else f";transport={binding.transport.lower()}"
    return f"{scheme}{at}{format_host(binding.received_addr)}:{binding.received_port}{rest}{transport}"
