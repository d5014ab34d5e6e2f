"""Signatures, back-off, addresses and sealing: without network or database."""

import base64
import datetime as dt
import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings

from apps.webhooks.backoff import delay_s, is_given_up
from apps.webhooks.destinations import UnusableUrl, destination_of, is_allowed
from apps.webhooks.feed import Wanted
from apps.webhooks.sealing import CannotOpen, seal, unseal
from apps.webhooks.signing import secret_of, signature, signed_headers

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
SECRET = secret_of(bytes(range(32)))
BODY = b'{"webhook":"pbx","events":[]}'


def test_the_signature_is_that_of_the_published_example() -> None:
    """The example of the specification's libraries, standard-webhooks 1.0."""
    assert (
        signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_the_check_in_the_documentation_takes_what_we_sign_and_nothing_else() -> None:
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(found[1], names)
    check = names["is_from_the_registrar"]
    assert callable(check)
    headers = signed_headers(SECRET, "msg_1", 1_700_000_000, BODY)

    assert check(SECRET, headers, BODY, now=1_700_000_100)
    assert not check(SECRET, headers, BODY + b" ", now=1_700_000_100)
    assert not check(SECRET, headers, BODY, now=1_700_000_301)
    assert not check(SECRET, {**headers, "webhook-id": "msg_2"}, BODY, now=1_700_000_100)
    assert not check(secret_of(bytes(32)), headers, BODY, now=1_700_000_100)


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 1, 1.2), (2, 1.6, 2.4), (5, 12.8, 19.2)])
def test_back_off_doubles(failures: int, least: float, most: float) -> None:
    assert delay_s(failures, 0) == pytest.approx(least)
    assert delay_s(failures, 1) == pytest.approx(most)


@pytest.mark.parametrize("failures", [12, 13, 1000])
def test_back_off_ends_at_an_hour(failures: int) -> None:
    assert delay_s(failures, 1) <= 3600
    assert delay_s(failures, 0) >= 1600


def test_given_up_after_three_days() -> None:
    now = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    assert not is_given_up(now - dt.timedelta(days=2, hours=23), now)
    assert is_given_up(now - dt.timedelta(days=3), now)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "0.0.0.0",
        "::",
        "100.100.100.200",
        "fd00:ec2::254",
        "224.0.0.1",
        "ff02::1",
    ],
)
def test_addresses_that_are_denied(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "192.168.1.2", "::1", "fd00::5", "203.0.113.9"])
def test_addresses_that_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "https://",
        "pbx.example.com",
        "http://ann:secret@example.com/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://example.com:99999/",
        "http://example.com/\r\nx: y",
        "http://exämple.com/",
        "http://example.com/" + "a" * 2000,
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(UnusableUrl):
        destination_of(url)


def test_parts_of_a_url() -> None:
    to = destination_of("https://[2001:db8::1]:8443/hooks?a=1#part")

    assert (to.is_tls, to.host, to.port, to.target) == (True, "2001:db8::1", 8443, "/hooks?a=1")
    assert to.host_header == "[2001:db8::1]:8443"
    assert destination_of("http://pbx").host_header == "pbx"


def test_a_secret_opens_at_its_webhook_alone(settings: LazySettings) -> None:
    mine, other = uuid4(), uuid4()
    kept = seal(SECRET, mine)

    assert SECRET not in kept
    assert unseal(kept, mine) == SECRET
    with pytest.raises(CannotOpen):
        unseal(kept, other)
    settings.SECRET_KEY = "another one, long enough for everybody"
    with pytest.raises(CannotOpen):
        unseal(kept, mine)


def test_an_older_key_of_the_site_opens(settings: LazySettings) -> None:
    webhook_id = uuid4()
    settings.CREDENTIAL_KEYS = (b"a" * 32,)
    kept = seal(SECRET, webhook_id)
    settings.CREDENTIAL_KEYS = (b"b" * 32, b"a" * 32)

    assert unseal(kept, webhook_id) == SECRET
    assert seal(SECRET, webhook_id).split(".")[1] != kept.split(".")[1]


def test_what_is_wanted() -> None:
    event = {"type": "expired", "domain": "example.com", "extension": "1001"}
    assert Wanted().wants(event)
    assert Wanted(("expired",), "example.com", "1001").wants(event)
    assert not Wanted(("registered",)).wants(event)
    assert not Wanted(domain="example.org").wants(event)
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"))) == 32
