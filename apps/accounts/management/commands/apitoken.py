"""`manage.py apitoken create | list | revoke`: the tokens API clients sign in with.

Must not print a token again: `create` shows it once, alone on its line on stdout.
"""

import datetime as dt
from argparse import ArgumentParser
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts.models import ApiToken, Scope, User
from apps.accounts.services import api_token_create, api_token_revoke
from apps.extensions.audit import Actor

ACTOR: Final = Actor.of_command("apitoken")
LONGEST_LIFE_DAYS: Final = 3650


class Command(BaseCommand):
    help = "Creates, lists and revokes API tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a token and print it once")
        create.add_argument("--user", required=True, metavar="NAME")
        create.add_argument("--name", required=True, help="what it is for; once per user")
        create.add_argument(
            "--scope", action="append", choices=Scope.values, help="repeatable; default: read"
        )
        create.add_argument("--expires-days", type=int, metavar="N")
        actions.add_parser("list", help="show all tokens, without their secret")
        revoke = actions.add_parser("revoke", help="refuse a token from now on")
        revoke.add_argument("token", metavar="PREFIX|NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        match options["action"]:
            case "create":
                self._create(options)
            case "list":
                self._list()
            case "revoke":
                self._revoke(options["token"])

    def _create(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['user']!r}.", returncode=2)
        try:
            _, clear = api_token_create(
                user=user,
                name=options["name"],
                scopes=options["scope"] or [Scope.READ],
                actor=ACTOR,
                expires_at=_expiry(options["expires_days"]),
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from None
        self.stdout.write(clear)

    def _list(self) -> None:
        for token in ApiToken.objects.select_related("user"):
            self.stdout.write(
                f"{token.prefix}…  {token.name}  user={token.user.username} scopes={','.join(token.scopes)} "
                f"created={_day(token.created_at)} expires={_day(token.expires_at)} "
                f"last_used={_day(token.last_used_at)} {_standing(token)}"
            )

    def _revoke(self, wanted: str) -> None:
        tokens = ApiToken.objects.filter(revoked_at__isnull=True)
        found = list(tokens.filter(prefix=wanted.rstrip("…"))) or list(tokens.filter(name=wanted))
        if not found:
            raise CommandError(f"There is no unrevoked token with prefix or name {wanted!r}.", returncode=2)
        if len(found) > 1:
            prefixes = ", ".join(sorted(token.prefix for token in found))
            raise CommandError(f"Several tokens are called {wanted!r}; give one of {prefixes}.", returncode=2)
        api_token_revoke(token=found[0], actor=ACTOR)
        self.stderr.write(f"Token {found[0].name} ({found[0].prefix}…) is revoked.")


def _expiry(days: int | None) -> dt.datetime | None:
    if days is None:
        return None
    if not 1 <= days <= LONGEST_LIFE_DAYS:
        raise CommandError(f"--expires-days {days}: give 1 to {LONGEST_LIFE_DAYS} days.", returncode=2)
    return timezone.now() + dt.timedelta(days=days)


def _day(at: dt.datetime | None) -> str:
    return at.strftime("%Y-%m-%d") if at else "never"


def _standing(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= timezone.now():
        return "expired"
    return "valid"
