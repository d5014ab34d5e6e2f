"""The configuration: environment variables in, one checked value out.

The names are those of variables.py. This module reads the mapping it is given and the key file in the data
folder. It starts nothing, writes only that key file when asked to, and never puts a secret into an error.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import difflib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from registrar_admin.embedded_postgres import embedded_database_url
from registrar_admin.variables import VARIABLE_NAMES

PROJECT_DIR: Final = Path(__file__).resolve().parent.parent
SHORTEST_SECRET_KEY: Final = 32
CREDENTIAL_KEY_BYTES: Final = 32
SHORTEST_ADMIN_PASSWORD: Final = 12
MOST_SIP_WORKERS: Final = 64
LONGEST_LEDGER_DAYS: Final = 3650
EXAMPLE_SECRETS: Final = ("django-insecure", "change-me", "changeme", "change_me", "example", "replace-me")


class ConfigError(ValueError):
    """One line for the operator: the variable, the wrong value (never a secret), what would be accepted."""


@dataclass(frozen=True, slots=True)
class Config:
    data_dir: Path
    database_url: str
    database_direct_url: str
    database_is_embedded: bool
    http_host: str
    http_port: int
    sip_host: str
    sip_port: int
    sips: tuple[str, int] | None
    tls_certificate: Path | None
    tls_key: Path | None
    sip_workers: int
    ledger_days: int
    domain: str | None
    admin_user: str
    admin_password: str | None
    public_host: str
    sip_host_address: str
    web_url: str | None
    secret_key: str | None
    credential_keys: tuple[bytes, ...]
    redis_url: str | None
    debug: bool = False

    @property
    def database_is_pooled(self) -> bool:
        """Whether a session's state may be lost between two transactions at `database_url`."""
        return self.database_url != self.database_direct_url

    @property
    def http_url(self) -> str:
        """Where a browser on this machine finds the pages, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http_host, self.http_host)  # noqa: S104
        return f"http://{bracketed(host)}:{self.http_port}"

    @property
    def sip_websocket_url(self) -> str:
        """Where browser phones connect (RFC 7118)."""
        is_wildcard = self.http_host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        public = f"http://{bracketed(self.public_host)}:{self.http_port}"
        pages = self.web_url or (public if is_wildcard else self.http_url)
        return f"ws{pages.removeprefix('http')}/sip"

    @property
    def is_behind_tls(self) -> bool:
        return self.web_url is not None and self.web_url.startswith("https://")

    def require_secret_key(self) -> str:
        """The key, from SECRET_KEY or the data folder. ConfigError if there is none yet."""
        if self.secret_key is None:
            raise ConfigError(
                f"SECRET_KEY is not set and {self.data_dir / 'secret_key'} does not exist: "
                "start the product once with ./run, or set SECRET_KEY"
            )
        return self.secret_key


def load_config(environ: Mapping[str, str]) -> Config:
    """The checked configuration; an empty variable counts as unset. ConfigError for the first wrong one."""
    _refuse_unknown_names(environ)
    given = {name: environ[name].strip() for name in VARIABLE_NAMES if environ.get(name, "").strip()}
    data_dir = data_dir_of(given)
    http_host, http_port = _address(given, "REGISTRAR_HTTP", "127.0.0.1:8000", host_names=True)
    sip_host, sip_port = _address(given, "REGISTRAR_SIP", "0.0.0.0:5060", host_names=False)
    tls_certificate, tls_key = _certificate(given)
    database_url = _checked(given, "DATABASE_URL", _database_url) or embedded_database_url(data_dir)
    return Config(
        data_dir=data_dir,
        database_url=database_url,
        database_direct_url=_direct_url(given) or database_url,
        database_is_embedded="DATABASE_URL" not in given,
        http_host=http_host,
        http_port=http_port,
        sip_host=sip_host,
        sip_port=sip_port,
        sips=_sips(given),
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        sip_workers=_number(given, "REGISTRAR_SIP_WORKERS", min(2, os.cpu_count() or 1), MOST_SIP_WORKERS),
        ledger_days=_number(given, "REGISTRAR_LEDGER_DAYS", 90, LONGEST_LEDGER_DAYS),
        domain=_checked(given, "REGISTRAR_DOMAIN", _domain),
        admin_user=_checked(given, "REGISTRAR_ADMIN_USER", _admin_user) or "admin",
        admin_password=_checked(given, "REGISTRAR_ADMIN_PASSWORD", _admin_password),
        public_host=_checked(given, "REGISTRAR_PUBLIC_HOST", _public_host) or _reachable_address(sip_host),
        sip_host_address=_checked(given, "REGISTRAR_SIP_HOST_ADDRESS", _numeric_address)
        or _reachable_address(sip_host),
        web_url=_checked(given, "REGISTRAR_WEB_URL", _web_url),
        secret_key=_checked(given, "SECRET_KEY", _secret_key) or _stored_secret_key(data_dir),
        credential_keys=_credential_keys(given),
        redis_url=_checked(given, "REDIS_URL", _redis_url),
    )


def data_dir_of(environ: Mapping[str, str]) -> Path:
    """The absolute data folder, which need not exist yet."""
    text = environ.get("REGISTRAR_DATA_DIR", "").strip() or "./var"
    if "\0" in text:
        raise ConfigError("REGISTRAR_DATA_DIR holds a NUL character; expected the path of a folder")
    path = Path(os.path.abspath(PROJECT_DIR / Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links
    if path.exists() and not path.is_dir():
        raise ConfigError(f"REGISTRAR_DATA_DIR={text} is not a folder; expected the path of a folder")
    return path


def database_settings(database_url: str) -> dict[str, Any]:
    """Django's DATABASES["default"] for a postgresql:// URL; other libpq parameters become OPTIONS."""
    parts = conninfo_to_dict(database_url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "CONN_MAX_AGE": 0,
        "OPTIONS": parts,
    }


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def ensure_data_dir(data_dir: Path) -> None:
    """Make the data folder. What lies in it is private; the database's own account may pass through it."""
    if not data_dir.is_dir():
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)


def ensure_secret_key(data_dir: Path) -> str:
    """The key in `<data_dir>/secret_key`, made (0600) if there is none. Two processes get the same one."""
    ensure_data_dir(data_dir)
    path = data_dir / "secret_key"
    unfinished = data_dir / f".secret_key.{secrets.token_hex(4)}"
    if not path.exists():
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)  # never replaces a key that another process made meanwhile
        unfinished.unlink()
    key = _stored_secret_key(data_dir)
    if key is None:
        raise ConfigError(f"{path} disappeared while it was read; expected a key file that stays")
    return key


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name.startswith("REGISTRAR_") and name not in VARIABLE_NAMES:
            near = difflib.get_close_matches(name, VARIABLE_NAMES, n=1)
            hint = f"did you mean {near[0]}?" if near else "the names are listed in docs/operations.md"
            raise ConfigError(f"{name} is not a setting of this product; {hint}")


def _checked(given: Mapping[str, str], name: str, check: Callable[[str], str]) -> str | None:
    return check(given[name]) if name in given else None


def _address(given: Mapping[str, str], name: str, default: str, *, host_names: bool) -> tuple[str, int]:
    text = given.get(name, default)
    expected = "expected HOST:PORT" if host_names else "expected IP-ADDRESS:PORT"
    wrong = ConfigError(f"{name}={text!r} is wrong; {expected} such as {default}, port 1 to 65535")
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):([0-9]{1,5})", text, re.ASCII)
    if match is None or not 1 <= int(match[3]) <= 65535:
        raise wrong
    host = match[1] or match[2]
    is_address = _is_ip_address(host, 6 if match[1] else 4)
    if not is_address and (match[1] or not host_names or not _is_host_name(host)):
        raise wrong
    return host, int(match[3])


def _sips(given: Mapping[str, str]) -> tuple[str, int] | None:
    if "REGISTRAR_SIPS" not in given:
        return None
    return _address(given, "REGISTRAR_SIPS", "0.0.0.0:5061", host_names=False)


def _certificate(given: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    """Both paths or neither; what they hold is looked at by the SIP server, which may be another account."""
    names = ("REGISTRAR_TLS_CERTIFICATE", "REGISTRAR_TLS_KEY")
    paths = [PROJECT_DIR / Path(given[name]).expanduser() for name in names if name in given]
    if len(paths) == 1:
        missing = next(name for name in names if name not in given)
        raise ConfigError(f"{missing} is not set; expected the path of a PEM file, for the other one is set")
    return (paths[0], paths[1]) if paths else (None, None)


def _number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise ConfigError(f"{name}={text!r} is wrong; expected a number from 1 to {most}")
    return int(text)


def _domain(text: str) -> str:
    return _host("REGISTRAR_DOMAIN", text)


def _public_host(text: str) -> str:
    return _host("REGISTRAR_PUBLIC_HOST", text)


def _host(name: str, text: str) -> str:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not (_is_host_name(host) or _is_ip_address(host, 4) or _is_ip_address(host, 6)):
        raise ConfigError(f"{name}={text!r} is wrong; expected a host name or an IP address, without a port")
    return host.lower()


def _numeric_address(text: str) -> str:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not (_is_ip_address(host, 4) or _is_ip_address(host, 6)):
        raise ConfigError(
            f"REGISTRAR_SIP_HOST_ADDRESS={text!r} is wrong; expected an IP address, without a port"
        )
    return host.lower()


def _reachable_address(sip_host: str) -> str:
    """The address phones reach: the bound one, else that of the interface with the default route."""
    if sip_host not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return sip_host
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # connecting a UDP socket chooses a route and sends nothing
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _is_ip_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_host_name(text: str) -> bool:
    label = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    if len(text) > 253 or re.fullmatch(rf"{label}(?:\.{label})*\.?", text, re.ASCII) is None:
        return False
    return not re.fullmatch(r"[0-9.]+", text)  # 10.0.0.300 is a mistyped address, not a name


def _direct_url(given: Mapping[str, str]) -> str | None:
    name = "DATABASE_DIRECT_URL"
    if name in given and "DATABASE_URL" not in given:
        raise ConfigError(f"{name} is set without DATABASE_URL; expected both, or neither")
    return _database_url(given[name], name) if name in given else None


def _database_url(text: str, name: str = "DATABASE_URL") -> str:
    expected = (
        "expected postgresql://user:password@host:port/name (the value is not shown: it may hold a password)"
    )
    if not text.startswith(("postgresql://", "postgres://")):
        raise ConfigError(f"{name} is wrong; {expected}")
    try:
        parts = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        raise ConfigError(f"{name} cannot be read; {expected}") from None
    if not parts.get("dbname"):
        raise ConfigError(f"{name} names no database; {expected}")
    return text


def _admin_user(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9@.+_-]{1,150}", text, re.ASCII):
        raise ConfigError(
            f"REGISTRAR_ADMIN_USER={text!r} is wrong; expected 1 to 150 letters, digits or @ . + - _"
        )
    return text


def _admin_password(text: str) -> str:
    if len(text) < SHORTEST_ADMIN_PASSWORD:
        raise ConfigError(
            f"REGISTRAR_ADMIN_PASSWORD is too short; expected at least {SHORTEST_ADMIN_PASSWORD} characters"
        )
    return text


def _secret_key(text: str) -> str:
    if len(text) < SHORTEST_SECRET_KEY:
        raise ConfigError(
            f"SECRET_KEY is too short; expected at least {SHORTEST_SECRET_KEY} random characters"
        )
    if len(set(text)) < 8 or any(example in text.lower() for example in EXAMPLE_SECRETS):
        raise ConfigError("SECRET_KEY is an example that others know; expected 32 random characters")
    return text


def _stored_secret_key(data_dir: Path) -> str | None:
    path = data_dir / "secret_key"
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}); expected a file of this account"
        ) from None
    if len(text) < SHORTEST_SECRET_KEY:
        raise ConfigError(f"{path} holds no key; expected {SHORTEST_SECRET_KEY} characters, or no such file")
    return text


def _credential_keys(given: Mapping[str, str]) -> tuple[bytes, ...]:
    """The keys in their order; in base64 of either alphabet, as openssl and Python write them."""
    name = "REGISTRAR_CREDENTIAL_KEYS"
    expected = f"expected {CREDENTIAL_KEY_BYTES} random bytes in base64, several with commas between"
    keys: list[bytes] = []
    for number, text in enumerate(given[name].split(",") if name in given else [], 1):
        normal = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            key = base64.b64decode(normal + "=" * (-len(normal) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != CREDENTIAL_KEY_BYTES or len(set(key)) < 8:
            raise ConfigError(f"{name}: key {number} is wrong; {expected} (the value is not shown)") from None
        keys.append(key)
    return tuple(keys)


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise ConfigError(f"REGISTRAR_WEB_URL={text!r} is wrong; expected https://HOST or http://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc}"


def _redis_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path):
        raise ConfigError("REDIS_URL is wrong; expected redis://host:6379/0 (the value is not shown)")
    return text
