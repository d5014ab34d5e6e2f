"""docs/api.md: what it shows is what happens."""

import io
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from apps.api import problems
from apps.api.problems import ProblemKind
from apps.extensions.csv_rows import COLUMNS
from apps.extensions.models import Domain, Extension

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
EXAMPLE = re.compile(r"```http\n(?P<method>[A-Z]+) (?P<url>\S+)\n(?P<body>\{.*\}\n)?\n(?P<status>\d+)\n```")


def test_every_example_of_the_text_works_in_its_order(api: APIClient, domain: Domain) -> None:
    examples = list(EXAMPLE.finditer(TEXT))
    assert len(examples) == TEXT.count("```http")
    for example in examples:
        method, url, body, status = example.groups()
        response = api.generic(method, url, body or "", content_type="application/json")
        assert response.status_code == int(status), (method, url, response.content)


def test_the_example_file_can_be_imported(domain: Domain, tmp_path: Path) -> None:
    found = re.search(r"```csv\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    (tmp_path / "phones.csv").write_text(found.group(1))
    call_command(
        "import_extensions", str(tmp_path / "phones.csv"), stdout=io.StringIO(), stderr=io.StringIO()
    )
    assert Extension.objects.count() == 2
    assert found.group(1).startswith(",".join(COLUMNS))


@pytest.mark.parametrize("kind", [kind for kind in vars(problems).values() if isinstance(kind, ProblemKind)])
def test_every_code_is_in_the_text(kind: ProblemKind) -> None:
    if kind.code not in ("throttled", "forbidden"):  # nothing of ours answers them today
        assert f"`{kind.code}`" in TEXT
