"""`manage.py createadmin`: one more admin for the console. Must not change an account that exists."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from apps.accounts.models import Role, User
from apps.accounts.services import generate_user_password, user_create
from apps.extensions.audit import Actor

LONGEST_PASSWORD = 1024


class Command(BaseCommand):
    help = "Creates an admin of the console; a random password is printed once unless one is given on stdin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", default="admin", metavar="NAME")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from stdin")

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["user"]
        password = _password_from_stdin(name) if options["password_stdin"] else None
        created = password or generate_user_password()
        try:
            user_create(
                username=name, password=created, role=Role.ADMIN, actor=Actor.of_command("createadmin")
            )
        except (ValidationError, IntegrityError) as error:
            raise CommandError(_one_line(error), returncode=2) from None
        self.stderr.write(f"Admin {name} is created.")
        if password is None:
            self.stdout.write(created)


def _password_from_stdin(name: str) -> str:
    password = sys.stdin.readline(LONGEST_PASSWORD).rstrip("\r\n")
    try:
        validate_password(password, User(username=name))
    except ValidationError as error:
        raise CommandError(_one_line(error), returncode=2) from None
    return password


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return "This user name was taken a moment ago."
