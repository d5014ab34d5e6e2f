"""`manage.py diagnose 1001`: the verdict of an extension or a SIP peer, in the terminal.

Must not print what a phone sent without making it printable: it goes to a terminal.
"""

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.diagnosis.facts import Evidence, Finding
from apps.diagnosis.selectors import Diagnosis, Said, diagnoses, diagnoses_of_extension, said_together
from apps.extensions.models import Extension, Peer, PeerKind


class Command(BaseCommand):
    help = (
        "Says why a phone does not ring: the verdict on an extension or a SIP peer, its evidence and the fix."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", metavar="NAME[@DOMAIN]", help="an extension's number or a SIP peer's name"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = _found(options["name"])
        if not found:
            raise CommandError(f"{options['name']} has no device yet: nothing can register.", returncode=2)
        for number, said in enumerate(said_together(found)):
            if number:
                self.stdout.write("")
            for line in _lines(said, named=len(found) > 1):
                self.stdout.write(line)


def _found(text: str) -> list[Diagnosis]:
    name, at, domain = text.partition("@")
    in_domain = {"domain__name": domain.lower()} if at else {}
    extensions = list(Extension.objects.filter(number=name, **in_domain).select_related("domain")[:2])
    if len(extensions) > 1:
        raise CommandError(f"Several domains have {name}. Say which: {name}@domain.", returncode=2)
    if extensions:
        return diagnoses_of_extension(extensions[0])
    devices = Peer.objects.filter(kind=PeerKind.DEVICE, name=name, **in_domain)
    peers = list(devices.select_related("domain", "extension")[:2])
    if len(peers) != 1:
        why = f"Several domains have {name}. Say which: {name}@domain." if peers else f"There is no {text}."
        raise CommandError(why, returncode=2)
    return diagnoses(peers)


def _lines(said: Said, *, named: bool) -> Iterator[str]:
    finding = said.finding
    name = f"{said.peer.name}: " if named else ""
    yield _printable(f"{name}{finding.sentence}  [{finding.code}, {finding.severity}, {finding.certainty}]")
    if finding.since is not None:
        yield f"  since {_time(finding.since)}"
    yield from (_printable(f"  {_evidence(each)}") for each in finding.evidence)
    yield from _fix(finding)


def _fix(finding: Finding) -> Iterator[str]:
    if finding.fix:
        yield _printable(f"  fix: {finding.fix}")


def _evidence(evidence: Evidence) -> str:
    line = f"{_time(evidence.at)}  {evidence.text}"
    if evidence.count > 1 and evidence.last_at is not None:
        return f"{line} x {evidence.count}, last {_time(evidence.last_at)}"
    return line


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}Z"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
