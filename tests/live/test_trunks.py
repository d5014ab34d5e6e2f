"""A trunk's page is read again when its registration with the carrier stands otherwise."""

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import trunk_create
from apps.trunks.models import TrunkRegistrationState
from apps.trunks.uplink.selectors import uplink_state
from apps.trunks.uplink.services import registration_set
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
    shown = (await in_database(lambda: uplink_state(trunk))).version
    async with open_page(client, {str(trunk.pk): shown}, view="trunk") as page:
        await page.heard(lambda message: message.get("fresh"))
        await in_database(lambda: registered(trunk))
        message = await page.heard(lambda message: "n" in message)
        assert message["reload"] is True
        assert "rows" not in message
