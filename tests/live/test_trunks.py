"""A trunk's page is read again when its registration with the carrier stands otherwise, or it was heard."""

import pytest
from django.conf import settings
from django.utils import timezone
from psycopg_pool import AsyncConnectionPool

from apps.accounts.models import User
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import trunk_create
from apps.sipserver.events import Origin
from apps.trunks.models import TrunkRegistrationState
from apps.trunks.sightings import TrunkSightings
from apps.trunks.uplink.selectors import page_versions, uplink_state
from apps.trunks.uplink.services import registration_set
from apps.trunks.values import CallMode, Trunk
from tests.live.conftest import in_database, notify, open_page, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trunk(domain: Domain, actor: Actor) -> Peer:
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    registration_set(trunk=trunk, actor=actor, registration_string="4940:k8-Fuchsbau-71@sip.carrier.example")
    return trunk


def registered(trunk: Peer) -> None:
    """As the keeper writes it."""
    registration = uplink_state(trunk).registration
    assert registration is not None
    TrunkRegistrationState.objects.create(
        registration=registration, version=registration.version, state="registered", since=timezone.now()
    )
    notify(trunk.pk)


async def test_the_page_hears_of_it(supervisor: User, trunk: Peer) -> None:
    client = await in_database(lambda: signed_in(supervisor))
    shown = await in_database(lambda: page_versions([trunk.pk])[trunk.pk])
    async with open_page(client, {str(trunk.pk): shown}, view="trunk") as page:
        await page.heard(lambda message: message.get("fresh"))
        await in_database(lambda: registered(trunk))
        message = await page.heard(lambda message: "n" in message)
        assert message["reload"] is True
        assert "rows" not in message


async def test_the_page_hears_of_the_first_packet(supervisor: User, trunk: Peer) -> None:
    client = await in_database(lambda: signed_in(supervisor))
    shown = await in_database(lambda: page_versions([trunk.pk])[trunk.pk])
    sightings = TrunkSightings()
    async with (
        open_page(client, {str(trunk.pk): shown}, view="trunk") as page,
        AsyncConnectionPool(
            settings.DATABASE_DIRECT_URL, min_size=1, max_size=1, open=False, kwargs={"autocommit": True}
        ) as pool,
    ):
        await page.heard(lambda message: message.get("fresh"))
        known = Trunk(trunk.pk, trunk.name, "example.com", CallMode.PROXY)
        sightings.heard(known, Origin("203.0.113.7", 5060), "INVITE")
        await sightings.flush(pool)
        message = await page.heard(lambda message: "n" in message)
        assert message["reload"] is True
