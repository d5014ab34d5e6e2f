"""Which role may call which address with which method: the table is made from the addresses themselves."""

from collections.abc import Callable

import pytest
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.console.urls import urlpatterns
from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, BlockedSource, Extension, Peer
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding
from apps.trunks.services import trunk_numbers_put, trusted_host_add
from apps.webhooks.models import Webhook

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")
OPEN = {"sign_in", "sign_out"}
READ = {
    "registrations",
    "registrations_export",
    "extensions",
    "extension",
    "trunks",
    "trunk",
    "events",
    "sites",
    "strangers",
    "settings",
    "trace",
}
OWN = {"password"}
ROUTES = sorted(str(pattern.name) for pattern in urlpatterns)
WRITE = [name for name in ROUTES if name not in OPEN | READ | OWN]


@pytest.fixture
def address(ann: NewPeer, trunk: Peer, admin: User, actor: Actor) -> Callable[[str], str]:
    trusted_host_add(trunk=trunk, name="sip.carrier.example", actor=actor)
    trunk_numbers_put(trunk=trunk, numbers=[("+4930555", "1001")], actor=actor)
    values = {
        "extension_id": ann.peer.extension_id,
        "peer_id": ann.peer.pk,
        "trunk_id": trunk.pk,
        "user_id": User.objects.get(username="ada").pk,
        "address_id": trunk.trusted_addresses.get().pk,
        "host_id": trunk.trusted_hosts.get().pk,
        "number_id": trunk.trunk_numbers.get().pk,
        "webhook_id": Webhook.objects.create(name="pbx", url="http://127.0.0.1:9/", sealed_secret="-").pk,
        "source_id": BlockedSource.objects.create(network="198.51.100.7").pk,
    }

    def of(name: str) -> str:
        pattern = next(pattern for pattern in urlpatterns if pattern.name == name)
        return reverse(f"console:{name}", kwargs={key: values[key] for key in pattern.pattern.converters})

    return of


def call(client: Client, method: str, address: str) -> HttpResponseBase:
    answer: HttpResponseBase = getattr(client, method)(address)
    return answer


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WRITE)
def test_a_supervisor_is_refused_at_every_address_that_changes(
    name: str, method: str, as_supervisor: Client, address: Callable[[str], str]
) -> None:
    before = AuditEntry.objects.count()
    assert call(as_supervisor, method, address(name)).status_code in (403, 405)
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("name", WRITE)
def test_a_supervisor_gets_403_for_the_method_an_admin_may_use(
    name: str, as_supervisor: Client, address: Callable[[str], str]
) -> None:
    assert as_supervisor.post(address(name)).status_code == 403


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
@pytest.mark.parametrize("name", sorted(READ))
def test_a_supervisor_sees_everything(
    name: str, as_supervisor: Client, address: Callable[[str], str]
) -> None:
    assert as_supervisor.get(address(name)).status_code == 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [name for name in ROUTES if name not in OPEN])
def test_nobody_who_is_not_signed_in_gets_past_the_sign_in_page(
    name: str, method: str, client: Client, address: Callable[[str], str]
) -> None:
    answer = call(client, method, address(name))
    assert (answer.status_code, answer.headers.get("Location", "").split("?")[0]) == (302, "/sign-in/")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("name", [name for name in ROUTES if name not in READ])
def test_f43_no_change_without_a_csrf_token(
    name: str, method: str, as_admin: Client, address: Callable[[str], str]
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = as_admin.cookies
    assert call(strict, method, address(name)).status_code in (403, 405)


@pytest.mark.parametrize("name", [name for name in ROUTES if name not in OPEN])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
def test_f43_get_changes_nothing(name: str, as_admin: Client, address: Callable[[str], str]) -> None:
    place = address(name)
    before = (AuditEntry.objects.count(), Extension.objects.count(), Peer.objects.count())
    assert as_admin.get(place).status_code in (200, 405)
    assert (AuditEntry.objects.count(), Extension.objects.count(), Peer.objects.count()) == before


@pytest.mark.parametrize("name", ["registrations", "extensions", "extension", "trunks", "trunk"])
def test_a_supervisor_is_offered_no_change(
    name: str,
    as_supervisor: Client,
    address: Callable[[str], str],
    ann: NewPeer,
    register: Callable[..., Binding],
) -> None:
    register(ann.peer)
    page = as_supervisor.get(address(name)).content.decode()
    offered = {address(write) for write in WRITE if write not in {"registrations_drop"}}
    assert not [place for place in offered if f'"{place}"' in page]
    assert "registrations/drop" not in page


def test_signing_out_needs_a_post(as_admin: Client) -> None:
    assert as_admin.get(reverse("console:sign_out")).status_code == 405
    assert as_admin.post(reverse("console:sign_out")).status_code == 302
    assert as_admin.get("/").status_code == 302
