"""The command over files in a folder of the test, and a domain that asks for MD5 alone."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from apps.extensions.audit import Actor
from apps.extensions.models import Credential, DigestOrder, Domain
from apps.extensions.services import domain_update

SUBSCRIBERS = "username,domain,password,ha1\n"


def kept(username: str) -> Credential:
    return Credential.objects.get(username=username, valid_until__isnull=True)


@pytest.fixture
def md5_domain(domain: Domain, actor: Actor) -> Domain:
    return domain_update(domain=domain, actor=actor, digest_order=DigestOrder.MD5_ONLY)


class Import:
    """import_from over files in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, product: str, table: str, text: str, *args: str) -> list[str]:
        """The diff's lines; the sum is in `summary`."""
        path = self._folder / f"{table or 'dump'}.txt"
        path.write_text(text, encoding="utf-8")
        out, err = io.StringIO(), io.StringIO()
        call_command(
            "import_from", product, f"{table}={path}" if table else str(path), *args, stdout=out, stderr=err
        )
        self.summary = err.getvalue().strip()
        return [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> Import:
    return Import(tmp_path)
