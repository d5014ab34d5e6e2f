"""The test phone's page comes in pieces: each step when it is done."""

import socket

import pytest
from django.conf import LazySettings
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.urls import reverse

from apps.accounts.models import User
from apps.extensions.services import NewPeer
from apps.registrar.testphone import client as test_phone
from tests.console.conftest import BACKEND

pytestmark = pytest.mark.django_db(transaction=True)


async def test_each_step_is_sent_when_it_is_done(
    ann: NewPeer, admin: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        settings.SIP_BIND = f"127.0.0.1:{deaf.getsockname()[1]}"
        monkeypatch.setattr(test_phone, "ANSWER_WITHIN_S", 0.1)
        browser = AsyncClient()
        await browser.aforce_login(admin, backend=BACKEND)
        answer = await browser.post(
            reverse("console:credentials_test", args=[ann.peer.pk]), {"password": "s3cret-typed"}
        )
        assert isinstance(answer, StreamingHttpResponse)
        pieces = [piece.decode() async for piece in answer]

    assert "<h1" in pieces[0]
    assert [piece.split('data-stage="')[1].split('"')[0] for piece in pieces[1:-1]] == [
        "address",
        "challenge",
        "result",
    ]
    assert pieces[-1].rstrip().endswith("</html>")
    assert "s3cret-typed" not in "".join(pieces)
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer["Cache-Control"] == "no-store"
    session = await browser.asession()
    assert "s3cret-typed" not in str(await session.aitems())
