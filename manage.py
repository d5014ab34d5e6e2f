#!/usr/bin/env python3
"""The project's command line. A wrong setting is one line on stderr and exit code 2, never a traceback."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence

try:
    from registrar_admin.config import ConfigError, data_dir_of, ensure_secret_key, load_config
except ModuleNotFoundError as error:
    sys.exit(f"{error}: use ./run manage, which has the project's environment")

# Commands whose work never depends on the key: they also run in a fresh clone or while an image is built.
KEYLESS_COMMANDS = frozenset({"check", "collectstatic", "help", "makemigrations", "spectacular", "version"})


def main(argv: Sequence[str]) -> int:
    command = argv[1] if len(argv) > 1 else "help"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registrar_admin.settings")
    try:
        _provide_secret_key(command)
        load_config(os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    from django.core.management import execute_from_command_line

    execute_from_command_line(list(argv))
    return 0


def _provide_secret_key(command: str) -> None:
    if os.environ.get("SECRET_KEY", "").strip():
        return
    if command == "up":
        try:
            ensure_secret_key(data_dir_of(os.environ))
        except OSError as error:
            raise ConfigError(f"REGISTRAR_DATA_DIR cannot be written: {error}") from None
    elif command.lstrip("-") in KEYLESS_COMMANDS:
        os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
    else:
        load_config(os.environ).require_secret_key()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
