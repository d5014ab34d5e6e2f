"""What a person may type into the directory: a wrong value is a ValidationError keyed by field, in plain words.

Must not look into the database.
"""

import re
from typing import Final

from django.core.exceptions import ValidationError

from apps.extensions.fields import Network
from apps.extensions.models import SIP_USER_PATTERN

# Line breaks, other control characters, and those that turn the reading direction of what follows.
UNSHOWABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
WIDEST_UNCONFIRMED: Final = {4: 24, 6: 48}


def check_sip_user(field: str, text: str) -> None:
    """Raises ValidationError unless `text` can be the user part of a SIP address as it stands (RFC 3261 §25.1)."""
    if not re.fullmatch(SIP_USER_PATTERN, text):
        problem = (
            "Use 1 to 64 letters, digits or . _ - + * ~ ! and no spaces: it becomes part of a SIP address."
        )
        raise ValidationError({field: ValidationError(problem, code="not_a_sip_user")})


def check_domain_name(name: str) -> None:
    """Raises ValidationError unless `name` is a host name or an IP address in lower case."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[?[0-9a-f:.]+\]?", name):
        raise ValidationError({"name": "Give a host name like pbx.example.com, or an IP address."})


def check_realm(realm: str) -> None:
    """Raises ValidationError for what would not stand in a challenge as it is (RFC 7616 §3.3)."""
    if not re.fullmatch(r"[ !#-\[\]-~]{1,128}", realm):
        raise ValidationError({"realm": "Use 1 to 128 ASCII characters, and neither quotes nor backslashes."})


def check_display_name(text: str) -> None:
    """Raises ValidationError for what cannot be shown on one line as it was typed."""
    check_line("display_name", text)


def check_line(field: str, text: str) -> None:
    """Raises ValidationError for what cannot be shown on one line as it was typed."""
    if UNSHOWABLE.search(text):
        problem = "Use no line breaks and no other control characters."
        raise ValidationError({field: ValidationError(problem, code="control_characters")})


def refuse_wide(network: Network, does: str, advice: str) -> None:
    """Raises ValidationError for a network that somebody should have confirmed."""
    if network.prefixlen < WIDEST_UNCONFIRMED[network.version]:
        problem = f"{network} {does} {network.num_addresses:,} addresses. {advice}"
        raise ValidationError({"network": ValidationError(problem, code="wide_network")})
