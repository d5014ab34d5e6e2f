"""A phone's make and model from its User-Agent, for reading; the header itself is kept and can be forged.

Pure. A new make is a new row of MAKES.
"""

import re
from typing import Final

LONGEST_NAME: Final = 40

# Pattern at the start of the User-Agent -> the name people use. {0} is the first group, the model.
MAKES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), name)
    for pattern, name in (
        (r"yealink\s+(?:sip[- ])?([\w-]+)", "Yealink {0}"),
        (r"grandstream\s+([\w-]+)", "Grandstream {0}"),
        (r"snom[ -]?([\w-]+)", "snom {0}"),
        (r"poly(?:com)?[\w]*-(?:vvx-)?((?:vvx|ccx|edge|trio|ip)[_-][\w]+)", "Polycom {0}"),
        (r"poly(?:com)?[ /-]?([\w-]+)", "Poly {0}"),
        (r"cisco[-/ ]?(?:cp-)?(spa\d+\w*|\d{3,5}\w*)", "Cisco {0}"),
        (r"(?:linksys|sipura)[/ -]?(spa[-\w]+)", "Linksys {0}"),
        (r"fanvil\s+([\w-]+)", "Fanvil {0}"),
        (r"gigaset\s+([\w-]+)", "Gigaset {0}"),
        (r"mitel[ -]([\w-]+)", "Mitel {0}"),
        (r"aastra\s+([\w-]+)", "Aastra {0}"),
        (r"panasonic[_ -]([\w-]+)", "Panasonic {0}"),
        (r"htek\s+([\w-]+)", "Htek {0}"),
        (r"fritz!?os|avm fritz!?box", "FRITZ!Box"),
        (r"linphone[-_]?(android|iphone|ios|desktop)", "Linphone {0}"),
        (r"linphone", "Linphone"),
        (r"(?:zoiper|z \d)", "Zoiper"),
        (r"microsip", "MicroSIP"),
        (r"baresip", "baresip"),
        (r"pjsua", "PJSUA"),
        (r"bria", "Bria"),
        (r"x-lite", "X-Lite"),
        (r"jitsi", "Jitsi"),
        (r"telephone", "Telephone"),
        (r"acrobits|groundwire", "Acrobits"),
        (r"asterisk pbx|asterisk", "Asterisk"),
        (r"fpbx|freepbx", "FreePBX"),
        (r"freeswitch", "FreeSWITCH"),
        (r"3cx", "3CX"),
        (r"sipp\b", "SIPp"),
    )
)


def phone_model(user_agent: str) -> str:
    """ "Yealink T46S" for "Yealink SIP-T46S 66.86.0.15"; the first words for a make not known; "" for none."""
    for pattern, name in MAKES:
        if match := pattern.match(user_agent):
            return name.format(*(group.replace("_", " ") for group in match.groups()))[:LONGEST_NAME]
    product = re.split(r"[/(]| v?\d+\.", user_agent.strip(), maxsplit=1)[0].strip()
    return (product or user_agent.strip())[:LONGEST_NAME]
