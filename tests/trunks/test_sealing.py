"""Passwords that carriers gave us are kept sealed."""

import base64

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import trunk_create
from apps.trunks.models import TrunkRegistration
from apps.trunks.sealing import CannotOpenPassword, TrunkKeys
from apps.trunks.uplink.services import registration_set, trunk_keys

KEY, SECOND = b"k" * 32, b"l" * 32
PASSWORD = "k8-Fuchsbau-71"


@pytest.fixture
def trunk(domain: Domain, actor: Actor) -> Peer:
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    registration_set(trunk=trunk, actor=actor, registration_string=f"4940:{PASSWORD}@sip.carrier.example")
    return trunk


def test_what_is_kept_opens_at_its_place_only(trunk: Peer) -> None:
    kept = TrunkRegistration.objects.get().sealed_password
    assert PASSWORD not in kept
    assert base64.b64encode(PASSWORD.encode()).decode() not in kept
    assert trunk_keys().open(kept, trunk.pk) == PASSWORD
    with pytest.raises(CannotOpenPassword, match="changed or moved"):
        trunk_keys().open(kept, trunk.domain_id)
    with pytest.raises(CannotOpenPassword, match="encrypted under key"):
        TrunkKeys((), "another secret").open(kept, trunk.pk)


def test_a_key_of_the_site_seals_and_what_was_sealed_before_still_opens(
    trunk: Peer, settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.CREDENTIAL_KEYS = (KEY,)
    kept = TrunkRegistration.objects.get().sealed_password
    assert trunk_keys().open(kept, trunk.pk) == PASSWORD
    call_command("seal_credentials")
    call_command("seal_credentials")
    assert capsys.readouterr().err.splitlines()[0].startswith("1 credentials were encrypted")
    sealed = TrunkRegistration.objects.get().sealed_password
    assert sealed != kept
    settings.SECRET_KEY = "another"
    assert trunk_keys().open(sealed, trunk.pk) == PASSWORD
    settings.CREDENTIAL_KEYS = (SECOND,)
    with pytest.raises(CommandError, match="1 cannot be read"):
        call_command("seal_credentials")
