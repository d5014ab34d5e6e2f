"""`manage.py pbx_reader create | rotate | list | drop`: database roles that read the views for a PBX and nothing else.

Must not print a password again: `create` and `rotate` show it once, alone on its line on stdout.
"""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.routing.models import PbxKind, PbxReader
from apps.routing.pbx.services import (
    NewReader,
    contact_index_exists,
    pbx_reader_create,
    pbx_reader_delete,
    pbx_reader_rotate,
)

ACTOR: Final = Actor.of_command("pbx_reader")


class Command(BaseCommand):
    help = (
        "Lets Asterisk, Kamailio or OpenSIPS read who is where: makes, lists and drops their database roles."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a role and print its password once")
        create.add_argument("role", metavar="ROLE")
        create.add_argument("--for", dest="kind", required=True, choices=PbxKind.values)
        create.add_argument("--domain", metavar="NAME", help="the only domain it sees; Asterisk needs one")
        create.add_argument(
            "--with-hashes",
            action="store_true",
            help="show HA1s, so that the PBX can ask for passwords itself",
        )
        create.add_argument("--context", help="dialplan context of phones (Asterisk)")
        create.add_argument("--trunk-context", help="dialplan context of trunks (Asterisk)")
        create.add_argument("--codecs", help="what Asterisk's endpoints allow; default: ulaw,alaw")
        create.add_argument("--outbound-proxy", metavar="URI", help="through which Asterisk calls phones")
        create.add_argument("--time-zone", default="UTC", help="of the PBX's host; default: UTC")
        create.add_argument("--role-exists", action="store_true", help="an administrator made the role")
        rotate = actions.add_parser("rotate", help="a new password, printed once")
        rotate.add_argument("role", metavar="ROLE")
        rotate.add_argument("--time-zone", default="UTC", help="if the role must be made anew")
        actions.add_parser("list", help="show who may read what")
        drop = actions.add_parser(
            "drop", help="take the right to read away, and drop the role if it was made here"
        )
        drop.add_argument("role", metavar="ROLE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "create":
                    self._show(self._create(options))
                case "rotate":
                    reader = _reader(options["role"])
                    self._show(pbx_reader_rotate(reader=reader, actor=ACTOR, time_zone=options["time_zone"]))
                case "list":
                    self._list()
                case "drop":
                    reader = _reader(options["role"])
                    pbx_reader_delete(reader=reader, actor=ACTOR)
                    self.stderr.write(f"{options['role']} reads nothing any more.")
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from None

    def _create(self, options: dict[str, Any]) -> NewReader:
        named = {
            "device_context": options["context"],
            "trunk_context": options["trunk_context"],
            "codecs": options["codecs"],
            "outbound_proxy": options["outbound_proxy"],
        }
        reader = PbxReader(
            role=options["role"],
            role_is_ours=not options["role_exists"],
            kind=options["kind"],
            domain=_domain(options["domain"]),
            sees_hashes=options["with_hashes"],
            **{field: value for field, value in named.items() if value is not None},
        )
        return pbx_reader_create(reader=reader, actor=ACTOR, time_zone=options["time_zone"])

    def _show(self, new: NewReader) -> None:
        if new.password is not None:
            self.stdout.write(new.password)
        self.stderr.write(f"{new.reader.role} reads the views of the schema {new.reader.kind}.")

    def _list(self) -> None:
        for reader in PbxReader.objects.select_related("domain"):
            domain = reader.domain.name if reader.domain else "all domains"
            hashes = "with hashes" if reader.sees_hashes else "without hashes"
            slow = reader.kind == PbxKind.ASTERISK and not contact_index_exists()
            trouble = "  its index is missing, so each call reads all bindings: rotate it" if slow else ""
            self.stdout.write(f"{reader.role}  {reader.kind}  {domain}  {hashes}{trouble}")


def _domain(name: str | None) -> Domain | None:
    if name is None:
        return None
    domain = Domain.objects.filter(name=name.lower().rstrip(".")).first()
    if domain is None:
        raise CommandError(f"There is no domain {name!r}.", returncode=2)
    return domain


def _reader(role: str) -> PbxReader:
    reader = PbxReader.objects.filter(role=role).first()
    if reader is None:
        raise CommandError(f"There is no reader {role!r}.", returncode=2)
    return reader
