"""`manage.py import_extensions FILE.csv [--dry-run]`: many extensions at once, all or none.

Generated passwords go to stdout as CSV (extension,username,password,domain), once and after the commit; everything else
goes to stderr. Must not print a password that stood in the file.
"""

import csv
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from apps.extensions.audit import Actor
from apps.extensions.csv_rows import COLUMNS, MAX_BYTES, UnreadableFile
from apps.extensions.importing import ImportedExtension, ImportRefused, extensions_import

FAULTS_SHOWN: Final = 100


class Command(BaseCommand):
    help = (
        f"Creates extensions from a CSV file with the header {','.join(COLUMNS)}; only extension is needed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE.csv", help="- reads from stdin")
        parser.add_argument("--dry-run", action="store_true", help="check everything, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run: bool = options["dry_run"]
        try:
            imported = extensions_import(
                data=_read(options["file"]), actor=Actor.of_command("import_extensions"), dry_run=dry_run
            )
        except (UnreadableFile, OSError) as error:
            raise CommandError(str(error), returncode=2) from None
        except ImportRefused as refused:
            self._show_faults(refused)
            raise CommandError("Nothing was imported.", returncode=2) from None
        if dry_run:
            self._show_plan(imported)
        else:
            self._show_passwords(imported)
            self.stderr.write(f"{len(imported)} extensions were created.")

    def _show_faults(self, refused: ImportRefused) -> None:
        for fault in refused.faults[:FAULTS_SHOWN]:
            self.stderr.write(str(fault))
        if (more := len(refused.faults) - FAULTS_SHOWN) > 0:
            self.stderr.write(f"and {more} more faults.")

    def _show_plan(self, imported: list[ImportedExtension]) -> None:
        for row in imported:
            self.stdout.write(f"would create {row.extension} in {row.domain}, user name {row.username}")
        self.stderr.write(f"{len(imported)} extensions would be created. Nothing was changed.")

    def _show_passwords(self, imported: list[ImportedExtension]) -> None:
        generated = [row for row in imported if row.password is not None]
        if not generated:
            return
        lines = csv.writer(self.stdout, lineterminator="\n")
        lines.writerow(["extension", "username", "password", "domain"])
        lines.writerows([row.extension, row.username, row.password, row.domain] for row in generated)


def _read(name: str) -> bytes:
    """At most one byte more than is allowed, so that a file of any size is refused without being read."""
    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MAX_BYTES + 1)
