"""/api/docs/ in a real browser: it draws every operation under the site's Content-Security-Policy."""

import shutil

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.async_api import async_playwright
from pytest_django.live_server_helper import LiveServer

from apps.accounts.models import Role
from apps.accounts.services import user_create
from apps.extensions.audit import Actor

pytestmark = pytest.mark.browser


@pytest.fixture
def session_id(transactional_db: None) -> str:
    user = user_create(
        username="ada", password="correct horse battery", role=Role.ADMIN, actor=Actor.of_command("test")
    )
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


@pytest.mark.django_db(transaction=True)
async def test_the_page_draws_every_operation_and_breaks_no_policy(
    live_server: LiveServer, session_id: str
) -> None:
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        context = await browser.new_context()
        await context.add_cookies([{"name": "sessionid", "value": session_id, "url": live_server.url}])
        page = await context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{live_server.url}/api/docs/")
        await page.wait_for_selector(".opblock")
        assert await page.locator(".opblock").count() == 61
        await browser.close()
    assert complaints == []
