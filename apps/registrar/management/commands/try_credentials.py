"""`manage.py try_credentials 1001`: registers as a phone with a password and says each step.

The password is asked for, or read from stdin where there is no terminal; never an argument, for those are seen by
others. Exit code 1: the credentials do not work, 2: there is nothing to test.
"""

import asyncio
import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from apps.extensions.audit import Actor
from apps.extensions.models import Peer, PeerKind
from apps.registrar.testphone.client import try_credentials
from apps.registrar.testphone.services import credentials_test
from apps.registrar.testphone.steps import Step, StepState
from apps.registrar.testphone.values import Plan

LONGEST_PASSWORD = 1024
MARKS = {StepState.OK: "ok", StepState.NOTE: "--", StepState.FAILED: "!!"}


class Command(BaseCommand):
    help = "Tries a password as a phone would, through the SIP server's own port, and signs off again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="a device's name, or the number of an extension with one device")
        parser.add_argument("--domain", default="", help="needed where several domains have this name")

    def handle(self, *args: Any, **options: Any) -> None:
        peer = _device(options["name"], options["domain"])
        try:
            plan = credentials_test(peer=peer, actor=Actor.of_command("try_credentials"))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from None
        self.stderr.write(f"Trying the user name {plan.username} of {peer.name} in {plan.domain}.")
        last = asyncio.run(self._run(plan, _password()))
        if last is None or last.state is StepState.FAILED:
            raise CommandError("The credentials do not work.", returncode=1)

    async def _run(self, plan: Plan, password: str) -> Step | None:
        last: Step | None = None
        async for last in try_credentials(plan, password):
            detail = ", ".join(filter(None, (last.sent, last.came, last.took_words)))
            self.stdout.write(f"{MARKS[last.state]}  {last.title}: {last.words}")
            if detail:
                self.stdout.write(f"      {detail}")
        return last


def _device(name: str, domain: str) -> Peer:
    devices = Peer.objects.filter(kind=PeerKind.DEVICE).select_related("domain", "extension")
    if domain:
        devices = devices.filter(domain__name=domain.lower())
    found = list(devices.filter(name=name)[:2]) or list(devices.filter(Q(extension__number=name))[:2])
    if not found:
        raise CommandError(f"There is no device and no extension {name}.", returncode=2)
    if len(found) > 1:
        raise CommandError(
            f"Several devices are meant by {name}: give a device's name, or --domain.", returncode=2
        )
    return found[0]


def _password() -> str:
    if sys.stdin.isatty():
        return getpass("Password: ")
    return sys.stdin.readline(LONGEST_PASSWORD).rstrip("\r\n")
