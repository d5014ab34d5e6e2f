"""What Asterisk's realtime drivers send and make of the answer, as res_config_pgsql.c and res_config_odbc.c do."""

import re
from typing import Any

from tests.routing.conftest import Pbx

Variables = list[tuple[str, str]]

VALUES = {
    "id": "x",
    "uri": "sip:x@192.0.2.1",
    "expiration_time": "1",
    "path": "",
    "user_agent": "x",
    "endpoint": "x",
    "reg_server": "",
    "via_addr": "192.0.2.1",
    "via_port": "5060",
    "call_id": "x",
    "prune_on_boot": "no",
}


def encode(text: str) -> str:
    """ESCAPE_STRING and ENCODE_CHUNK."""
    return text.replace("^", "^5E").replace(";", "^3B")


def decode(row: dict[str, Any]) -> Variables:
    """Each column split at ';', stripped and decoded; NULL and empty ones are left out."""
    return [
        (name, re.sub("\\^([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), chunk.strip()))
        for name, value in row.items()
        if value is not None
        for chunk in str(value).split(";")
        if chunk.strip()
    ]


def one(pbx: Pbx, table: str, name: str) -> dict[str, str]:
    """sorcery's retrieve_id, as realtime_pgsql asks it; {} if there is none."""
    rows = pbx.ask(f"SELECT * FROM {table} WHERE id = '{encode(name)}'")
    return dict(decode(rows[0])) if rows else {}


def contacts_of(pbx: Pbx, aor: str) -> list[dict[str, str]]:
    """The contacts of an AOR, as realtime_multi_pgsql asks for a prefix."""
    rows = pbx.ask(f"SELECT * FROM ps_contacts WHERE id LIKE '{encode(aor + ';@')}%' ORDER BY id")
    return [dict(decode(row)) for row in rows]
