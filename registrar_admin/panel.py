"""What `up` prints when all is well: where to look, how to sign in, how to register a first phone."""

from __future__ import annotations

from pathlib import Path

from registrar_admin.config import Config

LOG_NAMES = ("web.log", "sip.log", "webhooks.log", "postgres.log")


def panel(config: Config, username: str, new_password: str | None, domain: str) -> str:
    """`new_password` is not None only at the start that made the account: it is shown this once."""
    pages = config.web_url or config.http_url
    return "\n".join(
        [
            "",
            "Registrar Admin is running.",
            "",
            f"  Web pages    {pages}/",
            *login_lines(config, username, new_password),
            "",
            "  A first phone",
            f"    1. Create an extension at {pages}/extensions/new/",
            "    2. Type what that page then shows into the phone:",
            f"       server {config.public_host}, port {config.sip_port}, transport UDP or TCP, domain {domain}",
            *tls_lines(config),
            "",
            f"  Data         {config.data_dir}",
            f"  Logs         {_logs(config)}",
            "  Stop         Ctrl-C",
            "",
        ]
    )


def login_lines(config: Config, username: str, new_password: str | None) -> list[str]:
    if new_password is None:
        words = "as it was set before; a new one: ./run manage createadmin"
    elif config.admin_password is not None:
        words = "the one in REGISTRAR_ADMIN_PASSWORD"
    else:
        words = f"{new_password}   (shown only this once)"
    return [f"  Sign in as   {username}", f"  Password     {words}"]


def tls_lines(config: Config) -> list[str]:
    if config.sips is None:
        return []
    whose = "a certificate of its own" if config.tls_certificate is None else str(config.tls_certificate)
    return [f"       or port {config.sips[1]}, transport TLS, with {whose}"]


def log_dir(config: Config) -> Path:
    return config.data_dir / "log"


def _logs(config: Config) -> str:
    names = LOG_NAMES if config.database_is_embedded else LOG_NAMES[:3]
    return f"{log_dir(config)}/ ({', '.join(names)})"
