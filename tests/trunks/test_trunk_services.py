"""Writing a trunk: each write audited, each mistake told beside its field."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Domain, Peer, TrunkSettings, TrustedAddress
from apps.extensions.services import NewPeer, extension_create, peer_update, source_block, trunk_create
from apps.trunks import services as services
from apps.trunks.services import (
    trunk_numbers_put,
    trunk_settings_update,
    trusted_address_add,
    trusted_host_add,
    trusted_host_remove,
)
from tests.trunks.conftest import register

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(domain: Domain, actor: Actor) -> NewPeer:
    return extension_create(domain=domain, number="1001", actor=actor)


def codes(refused: pytest.ExceptionInfo[ValidationError]) -> dict[str, list[str]]:
    return {field: [each.code or "" for each in found] for field, found in refused.value.error_dict.items()}


def test_settings_are_kept_in_one_form_and_audited(trunk: Peer, actor: Actor) -> None:
    settings = trunk_settings_update(
        trunk=trunk,
        actor=actor,
        server=" SIP.Carrier.Example:5080 ",
        outbound_prefixes="0, + 0",
        inbound_strip=5,
    )
    assert (settings.server, settings.outbound_prefixes) == ("sip.carrier.example:5080", "0 +")
    entry = AuditEntry.objects.get(action="trunk_settings_update")
    assert entry.changes == {
        "server": ["", "sip.carrier.example:5080"],
        "outbound_prefixes": ["", "0 +"],
        "inbound_strip": [0, 5],
    }
    trunk_settings_update(trunk=trunk, actor=actor, inbound_strip=5)
    assert AuditEntry.objects.filter(action="trunk_settings_update").count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("server", "carrier:port"),
        ("server", "sip:carrier.example"),
        ("server", "192.0.2"),
        ("call_mode", "both"),
        ("inbound_add", "abc"),
        ("outbound_add", "1+"),
        ("outbound_prefixes", "0 all"),
        ("outbound_prefixes", " ".join(map(str, range(21)))),
        ("inbound_strip", -1),
    ],
)
def test_a_wrong_setting_names_its_field_and_changes_nothing(
    field: str, value: object, trunk: Peer, actor: Actor
) -> None:
    with pytest.raises(ValidationError) as refused:
        trunk_settings_update(trunk=trunk, actor=actor, **{field: value})
    assert list(refused.value.error_dict) == [field]
    assert not AuditEntry.objects.filter(action="trunk_settings_update").exists()


def test_more_than_32_digits_cannot_be_taken_off(trunk: Peer, actor: Actor) -> None:
    with pytest.raises(ValidationError, match="32 digits"):
        trunk_settings_update(trunk=trunk, actor=actor, inbound_strip=33)


def test_numbers_are_put_all_or_none(trunk: Peer, ann: NewPeer, actor: Actor) -> None:
    made = trunk_numbers_put(
        trunk=trunk, numbers=[("+49 (30) 555-0", "1001"), ("493099", "1001")], actor=actor
    )
    assert sorted(number.number for number in made) == ["+49305550", "493099"]
    with pytest.raises(ValidationError) as refused:
        trunk_numbers_put(
            trunk=trunk,
            numbers=[("+4930777", "1001"), ("abc", "1001"), ("+4930888", "1009"), ("+4930777", "1001")],
            actor=actor,
        )
    assert codes(refused) == {"numbers": ["number", "unknown_extension"]}
    assert "Line 2: abc is no number." in refused.value.messages
    assert trunk.trunk_numbers.count() == 2


def test_a_number_put_again_means_another_extension(trunk: Peer, ann: NewPeer, actor: Actor) -> None:
    extension_create(domain=trunk.domain, number="1002", actor=actor)
    trunk_numbers_put(trunk=trunk, numbers=[("+4930555", "1001")], actor=actor)
    trunk_numbers_put(trunk=trunk, numbers=[("+4930555", "1002")], actor=actor)
    assert [number.extension.number for number in trunk.trunk_numbers.all()] == ["1002"]


def test_one_number_for_two_extensions_is_refused(trunk: Peer, ann: NewPeer, actor: Actor) -> None:
    extension_create(domain=trunk.domain, number="1002", actor=actor)
    with pytest.raises(ValidationError) as refused:
        trunk_numbers_put(trunk=trunk, numbers=[("+4930555", "1001"), ("+49 30 555", "1002")], actor=actor)
    assert codes(refused) == {"numbers": ["twice"]}


def test_all_trunks_have_a_bounded_number_of_numbers(
    trunk: Peer, ann: NewPeer, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_NUMBERS", 1)
    trunk_numbers_put(trunk=trunk, numbers=[("1", "1001")], actor=actor)
    with pytest.raises(ValidationError, match="at most 1 numbers"):
        trunk_numbers_put(trunk=trunk, numbers=[("2", "1001")], actor=actor)


@pytest.mark.parametrize(
    "name", ["", "192.0.2.1", "300.1.1.1", "sip carrier", "sip:carrier.example", "-a.example"]
)
def test_what_is_no_host_name_is_refused(name: str, trunk: Peer, actor: Actor) -> None:
    with pytest.raises(ValidationError):
        trusted_host_add(trunk=trunk, name=name, actor=actor)


def test_a_host_name_is_trusted_once_and_audited(trunk: Peer, actor: Actor) -> None:
    host = trusted_host_add(trunk=trunk, name="SIP.Carrier.Example.", actor=actor)
    assert host.name == "sip.carrier.example"
    with pytest.raises(ValidationError, match="already"):
        trusted_host_add(trunk=trunk, name="sip.carrier.example", actor=actor)
    trusted_host_remove(host=host, actor=actor)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"trusted_host_add", "trusted_host_remove"} <= actions


@pytest.mark.parametrize(
    ("work", "given"),
    [(trusted_host_add, {"name": "a.example"}), (trunk_numbers_put, {"numbers": [("1", "1001")]})],
)
def test_a_device_has_neither_names_nor_numbers(work: Any, given: Any, ann: NewPeer, actor: Actor) -> None:
    with pytest.raises(ValidationError):
        work(trunk=ann.peer, actor=actor, **given)


def test_an_address_with_registered_phones_needs_a_second_word(
    trunk: Peer, ann: NewPeer, actor: Actor
) -> None:
    register(ann.peer, "203.0.113.7")
    with pytest.raises(ValidationError, match=r"1001 is registered from 203\.0\.113\.0/28") as refused:
        trusted_address_add(trunk=trunk, network="203.0.113.0/28", actor=actor)
    assert codes(refused) == {"network": ["conflict"]}
    assert not TrustedAddress.objects.exists()
    trusted_address_add(trunk=trunk, network="203.0.113.0/28", actor=actor, conflicts_confirmed=True)
    trusted_address_add(trunk=trunk, network="203.0.113.16/28", actor=actor)


def test_an_expired_phone_is_no_conflict(trunk: Peer, ann: NewPeer, actor: Actor) -> None:
    register(ann.peer, "203.0.113.7", expired=True)
    trusted_address_add(trunk=trunk, network="203.0.113.7", actor=actor)


@pytest.mark.parametrize(
    ("network", "port", "says"),
    [
        ("192.0.2.16", None, "neither is"),
        ("192.0.2.0/24", None, "is south's, whose network"),
        ("192.0.2.16", 5060, "this trunk names more"),
    ],
)
def test_an_address_of_another_trunk_needs_a_second_word(
    network: str, port: int | None, says: str, trunk: Peer, domain: Domain, actor: Actor
) -> None:
    south = trunk_create(domain=domain, name="south", actor=actor)
    trusted_address_add(trunk=south, network="192.0.2.16", actor=actor)
    with pytest.raises(ValidationError, match=says):
        trusted_address_add(trunk=trunk, network=network, port=port, actor=actor)
    peer_update(peer=south, enabled=False, actor=actor)
    trusted_address_add(trunk=trunk, network=network, port=port, actor=actor)


def test_lines_that_no_packet_fits_both_are_no_conflict(trunk: Peer, domain: Domain, actor: Actor) -> None:
    south = trunk_create(domain=domain, name="south", actor=actor)
    trusted_address_add(trunk=south, network="192.0.2.16", port=5060, transport="udp", actor=actor)
    trusted_address_add(trunk=trunk, network="192.0.2.16", port=5070, actor=actor)
    trusted_address_add(trunk=trunk, network="192.0.2.16", transport="tls", actor=actor)


def test_a_blocked_address_needs_a_second_word(trunk: Peer, actor: Actor) -> None:
    source_block(network="192.0.2.0/24", actor=actor)
    with pytest.raises(ValidationError, match=r"192\.0\.2\.0/24 is blocked"):
        trusted_address_add(trunk=trunk, network="192.0.2.16", actor=actor)


def test_c118_a_wide_network_needs_its_own_second_word(trunk: Peer, actor: Actor) -> None:
    with pytest.raises(ValidationError) as refused:
        trusted_address_add(trunk=trunk, network="192.0.0.0/16", actor=actor, conflicts_confirmed=True)
    assert codes(refused) == {"network": ["wide_network"]}


def test_every_trunk_has_settings_and_takes_no_call_out(trunk: Peer) -> None:
    settings = TrunkSettings.objects.get(peer=trunk)
    assert (settings.server, settings.outbound_prefixes, settings.call_mode) == ("", "", "proxy")
