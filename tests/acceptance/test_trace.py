"""What an admin sees of a phone's messages, and of the test phone, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import Product, Softphone
from tests.acceptance.test_first_phone import create_extension

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]


@pytest.fixture(autouse=True)
def light_site() -> None:
    """Nothing of Django runs in this process."""


def test_a_phones_messages_and_the_test_phones_appear_in_the_ladder(product: Product, page: Page) -> None:
    card = create_extension(page, "1001", "Ann Lee")
    page.goto("/extensions/")
    page.click("a:has-text('1001')")
    extension_url = page.url
    page.click("button:has-text('Record messages')")
    expect(page.locator("[data-trace=on]")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    trace_url = page.url

    with Softphone(card["username"], card["password"], product.sip) as phone:
        assert phone.say("register") == "registered"
        expect(page.locator(".rung")).to_have_count(4, timeout=10_000)
        titles = page.locator(".rung .arrow b").all_inner_texts()
        assert titles == ["REGISTER", "401 Unauthorized", "REGISTER", "200 OK"]
        page.locator(".rung summary").nth(2).click()
        shown = page.locator(".rung pre").nth(2).inner_text()
        assert 'response="…"' in shown
        assert "baresip" in shown

        tab = page.context.new_page()
        tab.goto(extension_url)
        tab.click("a:has-text('Try credentials')")
        tab.fill("input[name=password]", card["password"])
        tab.click("button:has-text('Try it')")
        expect(tab.locator(".step")).to_have_count(6)
        assert tab.locator(".step[data-stage=result]").inner_text().startswith("Result\nDone")
        assert card["password"] not in tab.content() + tab.url
        tab.goto(extension_url)
        assert tab.locator("text=Registrar Admin test phone").count() >= 1
        tab.click("a:has-text('Try credentials')")
        tab.fill("input[name=password]", "not the password")
        tab.click("button:has-text('Try it')")
        expect(tab.locator(".step.failed")).to_have_count(2)
        tab.close()

    expect(page.locator("text=/SIP.2.0 401/")).not_to_have_count(0, timeout=10_000)
    assert page.locator(".rung").nth(2).locator("details").get_attribute("open") is not None
    with page.expect_download() as capture:
        page.click("text=Download pcap")
    assert capture.value.path().read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
    with page.expect_download() as text:
        page.click("text=Download text")
    transcript = text.value.path().read_text()
    assert "User-Agent: Registrar Admin test phone" in transcript
    assert card["password"] not in transcript
    page.locator("button:has-text('Stop recording')").click()
    expect(page.locator("[data-trace=off]")).to_be_visible()
    assert page.url == trace_url
