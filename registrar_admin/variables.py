"""The environment variables of the product: the only list of names. A test compares docs/operations.md with it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable(
        "REGISTRAR_DATA_DIR",
        "./var",
        "Folder for the embedded database, the secret key and the logs; relative to the project folder.",
    ),
    Variable(
        "DATABASE_URL",
        "the embedded PostgreSQL",
        "`postgresql://user:password@host:5432/name`, also `?host=/folder` and libpq options (`sslmode`).",
    ),
    Variable(
        "DATABASE_DIRECT_URL",
        "DATABASE_URL",
        "The same database without a pooler in between, if `DATABASE_URL` is a pooler such as PgBouncer.",
    ),
    Variable(
        "REGISTRAR_HTTP",
        "127.0.0.1:8000",
        "Address and TCP port of the web pages and the API; `[::1]:8000` for IPv6.",
    ),
    Variable(
        "REGISTRAR_SIP",
        "0.0.0.0:5060",
        "IP address and port, of UDP and TCP, where phones register; `[::]:5060` takes IPv6 and IPv4.",
    ),
    Variable(
        "REGISTRAR_SIPS",
        "none: TLS is off",
        "IP address and TCP port where phones register over TLS, such as `0.0.0.0:5061`.",
    ),
    Variable(
        "REGISTRAR_TLS_CERTIFICATE",
        "a self-signed one in the data folder",
        "Path of the PEM file with the certificate for SIP over TLS, the chain after it.",
    ),
    Variable(
        "REGISTRAR_TLS_KEY",
        "none",
        "Path of the PEM file with the key of `REGISTRAR_TLS_CERTIFICATE`, without a password.",
    ),
    Variable("REGISTRAR_SIP_WORKERS", "2, or 1 on one CPU", "Number of SIP worker processes, 1 to 64."),
    Variable(
        "REGISTRAR_LEDGER_DAYS",
        "90",
        "Days that events of registrations are kept, 1 to 3650; they go by whole months.",
    ),
    Variable(
        "REGISTRAR_DOMAIN",
        "REGISTRAR_PUBLIC_HOST, else this machine's address",
        "Name of the first SIP domain, made at the first start.",
    ),
    Variable("REGISTRAR_ADMIN_USER", "admin", "Name of the first administrator, made at the first start."),
    Variable(
        "REGISTRAR_ADMIN_PASSWORD",
        "a random one, printed once",
        "Password of the first administrator for an unattended set-up, at least 12 characters.",
    ),
    Variable(
        "REGISTRAR_PUBLIC_HOST",
        "this machine's address",
        "Host name or IP address that phones and browsers reach this machine by.",
    ),
    Variable(
        "REGISTRAR_SIP_HOST_ADDRESS",
        "the bound address, else this machine's",
        "Only with several SIP hosts: IP address by which the others send this one the calls of its phones.",
    ),
    Variable(
        "REGISTRAR_WEB_URL",
        "plain HTTP on this machine",
        "Where browsers reach the console, such as `https://registrar.example.com`; "
        "`https` turns on the strict settings for use behind a TLS proxy.",
    ),
    Variable(
        "SECRET_KEY",
        "made in the data folder",
        "Signs sessions and nonces, at least 32 characters; the same for all processes of one site.",
    ),
    Variable(
        "REGISTRAR_CREDENTIAL_KEYS",
        "none: kept as they are",
        "Encrypts the phones' password hashes in the database: 32 random bytes in base64; "
        "several with commas between, of which the first encrypts and each decrypts.",
    ),
    Variable(
        "REDIS_URL",
        "none",
        "`redis://host:6379/0`: one web process then tells the others what changed; "
        "not needed, for each can listen itself.",
    ),
)
VARIABLE_NAMES: Final = frozenset(variable.name for variable in VARIABLES)
