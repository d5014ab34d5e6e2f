"""`manage.py import_from PRODUCT SOURCE... [--apply]`: users, password hashes and carriers of another product.

Without --apply nothing is written; the diff goes to stdout, the sum to stderr. Must not print a password or a hash, nor
what a terminal would obey.
"""

from argparse import ArgumentParser
from collections import Counter
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.extensions.audit import Actor
from apps.extensions.checks import UNSHOWABLE
from apps.extensions.foreign.domains import Choices
from apps.extensions.foreign.products import PRODUCTS
from apps.extensions.foreign.services import directory_take_over
from apps.extensions.foreign.sources import read_sources
from apps.extensions.foreign.values import Action, Step, UnreadableSource
from apps.trunks.status import conflicts_of_network

LONGEST_NAME: Final = 80


class Command(BaseCommand):
    help = "Takes over users, password hashes and carriers' addresses. Shows what would be done; --apply does it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", choices=sorted(PRODUCTS))
        parser.add_argument(
            "sources", nargs="+", metavar="SOURCE", help="postgresql://..., a dump, or TABLE=FILE.csv"
        )
        parser.add_argument("--domain", metavar="NAME", help="take all into this domain")
        parser.add_argument("--realm", help="what its hashes were made over, where the source does not say")
        parser.add_argument(
            "--create-domains", action="store_true", help="make domains that are not here yet"
        )
        parser.add_argument(
            "--md5-only",
            action="store_true",
            help="let domains ask for MD5 alone where no other hash is known",
        )
        parser.add_argument(
            "--refuse-weak", action="store_true", help="leave out whoever has a weak password"
        )
        parser.add_argument("--apply", action="store_true", help="write; without it nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        product = PRODUCTS[options["product"]]
        try:
            found = product.read(read_sources(options["sources"], product.tables))
        except UnreadableSource as error:
            raise CommandError(_safe(str(error)), returncode=2) from None
        choices = Choices(
            domain=options["domain"],
            realm=options["realm"],
            create_domains=options["create_domains"],
            md5_only=options["md5_only"],
            refuse_weak=options["refuse_weak"],
        )
        counts: Counter[Action] = Counter()
        try:
            for step in directory_take_over(
                found=found,
                choices=choices,
                source=options["product"],
                actor=Actor.of_command("import_from"),
                apply=options["apply"],
                conflicts=lambda address: [one.sentence for one in conflicts_of_network(address)],
            ):
                counts[step.action] += 1
                self.stdout.write(_line(step))
        except ValidationError as error:
            raise CommandError(_safe(" ".join(error.messages)), returncode=2) from None
        summary = ", ".join(f"{counts[action]} {action}" for action in Action)
        self.stderr.write(
            f"{summary}. {'' if options['apply'] else 'Nothing was changed: add --apply.'}".rstrip()
        )


def _line(step: Step) -> str:
    name = step.name[:LONGEST_NAME] or "(no name)"
    where = f" in {step.domain[:LONGEST_NAME]}" if step.domain and step.kind != "domain" else ""
    reason = f": {step.reason}" if step.reason else ""
    return _safe(f"{step.action.value:<8} {step.kind} {name}{where}{reason}")


def _safe(text: str) -> str:
    return UNSHOWABLE.sub("�", text)
