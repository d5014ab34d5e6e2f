"""The Registrations page: what a row says, how a list is searched, filtered, sorted and paged."""

import datetime as dt
import html
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import NewPeer, extension_create
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent

pytestmark = pytest.mark.django_db
Register = Callable[..., Binding]


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def shown(client: Client, query: str = "") -> list[str]:
    """Extension numbers of the rows, from the top."""
    return re.findall(r'<tr id="peer-[^>]*data-extension="([^"]*)"', client.get(f"/{query}").content.decode())


def test_an_online_row_says_who_with_which_phone_from_where(
    as_admin: Client, ann: NewPeer, register: Register
) -> None:
    register(ann.peer)
    page = as_admin.get("/").content.decode()
    assert f'id="peer-{ann.peer.pk}"' in page
    assert 'data-state="online"' in page
    text = text_of(page)
    for words in (
        "Online",
        "1001 Ann Lee",
        "Yealink T46S",
        "203.0.113.7:5062 UDP",
        "192.168.1.20:5060",
        "2 h",
    ):
        assert words in text
    assert re.search(r"29:\d\d", text)


def test_a_refused_row_says_why(as_admin: Client, ann: NewPeer) -> None:
    PeerActivity.objects.create(
        peer=ann.peer, refused_at=timezone.now(), refused_reason="wrong_password", received_addr="203.0.113.9"
    )
    page = as_admin.get("/").content.decode()
    assert 'data-state="refused"' in page
    assert "Refused: wrong password" in text_of(page)


def test_an_offline_row_says_since_when_and_why(as_admin: Client, ann: NewPeer) -> None:
    ended = timezone.now() - dt.timedelta(seconds=1)
    PeerActivity.objects.create(peer=ann.peer, registered_at=ended, ended_at=ended, end_reason="unregistered")
    text = text_of(as_admin.get("/").content.decode())
    assert f"Offline since {ended:%H:%M}" in text
    assert "signed off by the phone" in text


def test_more_bindings_are_in_place_behind_a_number(
    as_admin: Client, ann: NewPeer, register: Register
) -> None:
    for port in (5060, 5061, 5062):
        register(ann.peer, contact=f"sip:1001@10.0.0.1:{port}", received_port=port)
    page = as_admin.get("/").content.decode()
    assert "<summary>+2</summary>" in page
    assert page.count("registered <time") == 2


def test_search_finds_by_name_address_and_phone(
    as_admin: Client, domain: Domain, actor: Actor, ann: NewPeer, register: Register
) -> None:
    bob = extension_create(domain=domain, number="1002", display_name="Bob", actor=actor)
    register(bob.peer, received_addr="198.51.100.4", user_agent="snomD785/10.1")
    assert shown(as_admin, "?q=ann") == ["1001"]
    assert shown(as_admin, "?q=198.51") == ["1002"]
    assert shown(as_admin, "?q=snom") == ["1002"]
    assert shown(as_admin, "?state=online") == ["1002"]
    assert shown(as_admin, "?state=never_registered") == ["1001"]


def test_nonsense_in_the_address_means_the_default(as_admin: Client, ann: NewPeer) -> None:
    assert shown(as_admin, "?state=%27;--&sort=password&page=99&q=%00") == ["1001"]


def test_pages_of_fifty_in_the_chosen_order(as_admin: Client, domain: Domain, actor: Actor) -> None:
    for number in range(1001, 1053):
        extension_create(domain=domain, number=str(number), actor=actor, password="correct-horse-9")
    assert shown(as_admin, "?sort=-extension")[0] == "1052"
    assert len(shown(as_admin)) == 50
    first = as_admin.get("/?sort=extension").content.decode()
    [second] = re.findall(r'rel="next" href="/?([^"]*)"', first)
    assert shown(as_admin, html.unescape(second)) == ["1051", "1052"]


def test_the_number_of_queries_does_not_grow_with_the_rows(
    as_admin: Client,
    domain: Domain,
    actor: Actor,
    register: Register,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for number in range(1001, 1021):
        new = extension_create(domain=domain, number=str(number), actor=actor, password="correct-horse-9")
        register(new.peer)
    with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
        as_admin.get("/")


def test_the_empty_page_does_the_next_thing(as_admin: Client, domain: Domain) -> None:
    page = as_admin.get("/").content.decode()
    assert "No phone yet" in page
    assert 'href="/extensions/new/"' in page
    assert "Create extension 1001" in page


def test_dropping_names_how_many_and_waits_for_yes(
    as_admin: Client, ann: NewPeer, register: Register
) -> None:
    first, second = register(ann.peer), register(ann.peer, contact="sip:1001@10.0.0.1")
    asked = as_admin.get("/registrations/drop/", {"peer": str(ann.peer.pk)}).content.decode()
    assert "Drop 2 bindings?" in asked
    assert Binding.objects.count() == 2
    sent = {"binding": [str(first.binding_id), str(second.binding_id)]}
    answer = as_admin.post("/registrations/drop/", sent, follow=True)
    assert "2 bindings dropped." in answer.content.decode()
    assert not Binding.objects.exists()


def test_a_full_page_is_small_on_the_wire(
    as_admin: Client, domain: Domain, actor: Actor, register: Register
) -> None:
    for number in range(1001, 1051):
        new = extension_create(
            domain=domain, number=str(number), display_name="Ann Lee", actor=actor, password="correct-horse-9"
        )
        register(new.peer)
    page = as_admin.get("/", headers={"accept-encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    assert len(page.content) < 15_000


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7|add:7 }}<i>{% debug %}",
    "</td></tr></table><svg onload=alert(1)>",
)


@pytest.mark.parametrize("payload", HOSTILE)
@pytest.mark.parametrize("place", ["/", "/events/", "extension", "drop"])
def test_f44_sip_text_is_shown_as_text(
    place: str,
    payload: str,
    as_admin: Client,
    ann: NewPeer,
    register: Register,
    happen: Callable[..., RegistrationEvent],
) -> None:
    for contact in (f"sip:{payload}@h", f"sip:2{payload}@h"):
        register(ann.peer, user_agent=payload, contact=contact)
    happen(ann.peer, 1, user_agent=payload, contact=payload)
    happen(ann.peer, 2, event="refused", reason=payload[:32], user_agent=payload)
    address = {
        "extension": f"/extensions/{ann.peer.extension_id}/",
        "drop": f"/registrations/drop/?peer={ann.peer.pk}",
    }.get(place, place)
    page = as_admin.get(address).content.decode()
    assert payload not in page
    assert not re.search(r"<(img|script)[^>]*(onerror|alert)", page)
