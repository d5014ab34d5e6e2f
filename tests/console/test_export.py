"""The CSV export."""

import csv
import io
from collections.abc import Callable

import pytest
from channels.db import database_sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from apps.accounts.models import User
from apps.console.csv_export import safe_cell
from apps.extensions.audit import Actor
from apps.extensions.services import NewPeer, extension_create
from apps.registrar.models import Binding
from tests.console.conftest import BACKEND


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_f54_a_cell_that_could_be_a_formula_begins_with_a_quote(start: str) -> None:
    assert safe_cell(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_other_cells_stay_as_they_are() -> None:
    assert [safe_cell(cell) for cell in ("1001", None, 5060, "a=b")] == ["1001", "", "5060", "a=b"]


@pytest.mark.django_db(transaction=True)
async def test_the_export_streams_the_filtered_or_the_selected_peers(
    admin: User, ann: NewPeer, actor: Actor, register: Callable[..., Binding]
) -> None:
    bob = await database_sync_to_async(
        lambda: extension_create(domain=ann.peer.domain, number="1002", actor=actor)
    )()
    await database_sync_to_async(lambda: register(ann.peer, user_agent='=HYPERLINK("http://e")'))()
    client = AsyncClient()
    await client.aforce_login(admin, backend=BACKEND)

    async def lines(query: str) -> list[dict[str, str]]:
        answer = await client.get(f"/registrations.csv{query}")
        assert isinstance(answer, StreamingHttpResponse)
        text = "".join([part.decode() async for part in answer])
        return list(csv.DictReader(io.StringIO(text)))

    everyone = await lines("")
    assert sorted(line["extension"] for line in everyone) == ["1001", "1002"]
    online = await lines("?state=online")
    assert [line["user_agent"] for line in online] == ['\'=HYPERLINK("http://e")']
    selected = await lines(f"?peer={bob.peer.pk}")
    assert [line["state"] for line in selected] == ["Never registered"]
