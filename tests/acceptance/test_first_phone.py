"""From `./run` on an empty folder to a phone on the screen, with a real browser and real SIP clients."""

import shutil
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import Product, Softphone, healthz
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

RECORDS_WITHIN_MS = 1_000
# All at one moment.
FIELDS = "fields => fields.map(field => [field.dataset.field, field.innerText])"


@pytest.fixture(autouse=True)
def light_site() -> None:
    """Nothing of Django runs in this process."""


def create_extension(page: Page, number: str, name: str) -> dict[str, str]:
    """Through the form; what the hand-over card shows."""
    page.goto("/extensions/new/")
    page.fill("input[name=number]", number)
    page.fill("input[name=display_name]", name)
    page.click("button:has-text('Create extension')")
    page.locator("[data-field]:visible").first.wait_for()
    page.wait_for_load_state("load")  # by then the page's script shows one transport's card alone
    return dict(page.locator("[data-field]:visible").evaluate_all(FIELDS))


def state_of(page: Page, number: str, state: str) -> None:
    row = page.locator(f"tr[data-extension='{number}']")
    expect(row).to_have_attribute("data-state", state)


def allow_short_expiry(page: Page, seconds: int) -> None:
    page.goto("/settings/")
    page.fill("input[name=min_expires_s]", str(seconds))
    page.locator("form:has(input[name=min_expires_s]) button").click()
    page.wait_for_load_state()


def test_a_phone_registers_unregisters_and_expires_before_the_eyes_of_the_browser(
    product: Product, page: Page
) -> None:
    assert healthz(product) == 200
    card = create_extension(page, "1001", "Ann Lee")
    server = f"{card['server']}:{card['port']}"
    assert server == product.sip
    line = page.locator("[data-live]").first
    expect(line).to_have_attribute("data-live", "waiting")

    with Softphone(card["username"], card["password"], server) as phone:
        assert phone.say("register") == "registered"
        expect(line).to_have_attribute("data-live", "registered")

        page.goto("/")
        state_of(page, "1001", "online")
        page.evaluate("window.notReloaded = true")
        assert phone.say("unregister") == "unregistered"
        state_of(page, "1001", "offline")
        assert phone.say("register") == "registered"
        state_of(page, "1001", "online")
        assert phone.say("unregister") == "unregistered"
        state_of(page, "1001", "offline")
    assert page.evaluate("window.notReloaded") is True


def test_a_wrong_password_is_said_in_the_row(product: Product, page: Page) -> None:
    create_extension(page, "1002", "Bo Berg")
    page.goto("/")
    state_of(page, "1002", "never_registered")

    with Softphone("1002", "not the password", product.sip) as phone:
        assert phone.say("register").startswith("failed")

    state_of(page, "1002", "refused")
    assert "wrong password" in page.locator("tr[data-extension='1002']").inner_text().lower()


def test_a_phone_whose_plug_was_pulled_turns_offline_when_it_expires(product: Product, page: Page) -> None:
    allow_short_expiry(page, 3)
    card = create_extension(page, "1003", "Cy Chen")
    page.goto("/")
    page.evaluate("window.notReloaded = true")

    with Softphone(card["username"], card["password"], product.sip, expires_s=4) as phone:
        assert phone.say("register") == "registered"
        state_of(page, "1003", "online")
        phone.pull_the_plug()
    state_of(page, "1003", "offline")

    assert page.evaluate("window.notReloaded") is True


@pytest.mark.skipif(shutil.which("sipsak") is None, reason="sipsak is not installed (apt-get install sipsak)")
def test_sipsak_registers(product: Product, page: Page) -> None:
    page.goto("/settings/")
    page.select_option("select[name=digest_order]", "md5_first")
    page.locator("form:has(select[name=digest_order]) button").click()
    page.wait_for_load_state()
    card = create_extension(page, "1004", "Di Diaz")
    page.goto("/")

    done = subprocess.run(
        [
            *("sipsak", "-U", "-C", "sip:1004@127.0.0.1:7777", "-x", "60"),
            *("-s", f"sip:1004@{product.sip}", "-u", card["username"], "-a", card["password"]),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    state_of(page, "1004", "online")


def test_a_phones_messages_and_the_test_phones_appear_in_the_ladder(product: Product, page: Page) -> None:
    card = create_extension(page, "1005", "Eve Evans")
    page.goto("/extensions/")
    page.click("a:has-text('1005')")
    extension_url = page.url
    page.click("button:has-text('Record messages')")
    expect(page.locator("[data-trace=on]")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    trace_url = page.url
    # Each worker records from its next look on, and which of them hears the phone is chance.
    page.wait_for_timeout(RECORDS_WITHIN_MS)

    with Softphone(card["username"], card["password"], product.sip) as phone:
        assert phone.say("register") == "registered"
        expect(page.locator(".rung")).to_have_count(4)
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

    expect(page.locator("text=/SIP.2.0 401/")).not_to_have_count(0)
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
