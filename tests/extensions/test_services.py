"""The directory's writes: validated in words, audited and announced in their own transaction."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.extensions import services
from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Credential, Domain, Extension, Peer, TrustedAddress
from apps.extensions.notices import EVERYTHING, parse_payload, payloads
from apps.extensions.services import (
    credential_rotate,
    domain_create,
    domain_update,
    extension_create,
    extension_delete,
    extension_update,
    peer_create,
    peer_delete,
    peer_update,
    trunk_create,
    trusted_address_add,
    trusted_address_remove,
)
from apps.sip.digest import Algorithm, ha1


@pytest.fixture
def extension(domain: Domain, actor: Actor) -> Extension:
    extension_create(domain=domain, number="1001", display_name="Ada", actor=actor)
    return Extension.objects.get()


@pytest.fixture
def peer(extension: Extension) -> Peer:
    return extension.peers.get()


@pytest.fixture
def trunk(domain: Domain, actor: Actor) -> Peer:
    return trunk_create(domain=domain, name="carrier", actor=actor)


def code(refused: ValidationError, field: str) -> str | None:
    assert list(refused.error_dict) == [field]
    return refused.error_dict[field][0].code


def test_a_new_extension_has_one_peer_with_a_generated_password(domain: Domain, actor: Actor) -> None:
    new = extension_create(domain=domain, number=" 1001 ", display_name=" Ada ", actor=actor)
    extension = new.peer.extension
    assert extension is not None
    assert (extension.number, extension.display_name, new.peer.name) == ("1001", "Ada", "1001")
    password = new.registration_string.password
    assert len(password) == 20
    assert new.credential.ha1_sha256 == ha1(Algorithm.SHA256, "1001", "example.com", password)
    everything = [list(model.objects.values_list()) for model in (Extension, Peer, Credential, AuditEntry)]
    assert password not in str(everything)


@pytest.mark.parametrize(
    "number", ["", " ", "10 01", "a@b", "ü", "1001;x", "%31", "a/b", "x" * 65, "a\x00", "1\n"]
)
def test_a_number_that_is_no_sip_user_is_refused(domain: Domain, actor: Actor, number: str) -> None:
    if number == "1\n":
        assert (
            extension_create(domain=domain, number=number, actor=actor).peer.name == "1"
        )  # spaces around go
        return
    with pytest.raises(ValidationError) as refused:
        extension_create(domain=domain, number=number, actor=actor)
    assert code(refused.value, "number") == "not_a_sip_user"


@pytest.mark.parametrize(
    "password",
    ["short", "1001-1001-1001", "aaaaaaaaaaaa", "password", "naïve-Fuchsbau", "a\tFuchsbau-71", "x" * 129],
)
def test_a_password_that_is_guessed_or_cannot_be_typed_is_refused(
    domain: Domain, actor: Actor, password: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        extension_create(domain=domain, number="1001", password=password, actor=actor)
    assert code(refused.value, "password") == "weak_password"
    assert not Extension.objects.exists()


def test_names_are_taken_once_whoever_has_them(extension: Extension, actor: Actor) -> None:
    domain = extension.domain
    peer_create(extension=extension, name="desk", username="deskuser", actor=actor)
    attempts: list[tuple[Callable[[], Any], str, str]] = [
        (lambda: extension_create(domain=domain, number="1001", actor=actor), "number", "number_taken"),
        (lambda: extension_create(domain=domain, number="desk", actor=actor), "number", "number_taken"),
        (lambda: peer_create(extension=extension, name="desk", actor=actor), "name", "name_taken"),
        (lambda: trunk_create(domain=domain, name="1001", actor=actor), "name", "name_taken"),
        (
            lambda: extension_create(domain=domain, number="1002", username="deskuser", actor=actor),
            "username",
            "username_taken",
        ),
    ]
    for attempt, field, expected in attempts:
        with pytest.raises(ValidationError) as refused:
            attempt()
        assert code(refused.value, field) == expected
    other = domain_create(name="example.net", actor=actor)
    assert extension_create(domain=other, number="1001", actor=actor).peer.name == "1001"


def test_a_change_of_nothing_writes_nothing(extension: Extension, actor: Actor) -> None:
    before = (AuditEntry.objects.count(), Extension.objects.get().updated_at)
    extension_update(extension=extension, actor=actor, display_name="Ada")
    assert (AuditEntry.objects.count(), Extension.objects.get().updated_at) == before


def test_a_change_says_before_and_after(extension: Extension, actor: Actor) -> None:
    extension_update(extension=extension, actor=actor, display_name="Grace", enabled=True)
    entry = AuditEntry.objects.get(action="extension_update")
    assert entry.changes == {"display_name": ["Ada", "Grace"]}
    assert (entry.actor_name, entry.via, entry.target_label) == ("test", "command", "1001")


def test_a_change_does_not_write_back_what_another_admin_changed(extension: Extension, actor: Actor) -> None:
    stale = Extension.objects.get(pk=extension.pk)
    extension_update(extension=extension, actor=actor, display_name="Grace")
    extension_update(extension=stale, actor=actor, enabled=False)
    now = Extension.objects.get()
    assert (now.display_name, now.enabled) == ("Grace", False)


def test_a_change_does_not_bring_back_what_was_deleted(extension: Extension, actor: Actor) -> None:
    stale = Extension.objects.get(pk=extension.pk)
    extension_delete(extension=extension, actor=actor)
    with pytest.raises(Extension.DoesNotExist):
        extension_update(extension=stale, actor=actor, display_name="Ghost")
    assert not Extension.objects.exists()


def test_a_field_that_is_not_on_the_list_is_our_fault(extension: Extension, peer: Peer, actor: Actor) -> None:
    with pytest.raises(TypeError):
        extension_update(extension=extension, actor=actor, number="1")
    with pytest.raises(TypeError):
        peer_update(peer=peer, actor=actor, kind="trunk")
    with pytest.raises(TypeError):
        domain_update(domain=extension.domain, actor=actor, realm="x")


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x00b", "\u202egpj.exe", "\x85", "\u2028"])
def test_a_display_name_is_one_line_as_typed(extension: Extension, actor: Actor, text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        extension_update(extension=extension, actor=actor, display_name=text)
    assert code(refused.value, "display_name") == "control_characters"


def test_deleting_an_extension_takes_peers_and_credentials_and_keeps_the_audit(
    extension: Extension, actor: Actor
) -> None:
    extension_delete(extension=extension, actor=actor)
    assert not any(model.objects.exists() for model in (Extension, Peer, Credential))
    assert AuditEntry.objects.filter(target_id__isnull=False, target_label="1001").count() >= 3


def test_a_rotation_keeps_the_user_name_and_ends_the_old_password_after_the_overlap(
    peer: Peer, actor: Actor
) -> None:
    new = credential_rotate(peer=peer, actor=actor, overlap=dt.timedelta(hours=1))
    old = Credential.objects.exclude(pk=new.credential.pk).get()
    assert new.credential.username == old.username
    assert new.credential.valid_until is None
    assert old.valid_until is not None
    assert old.valid_until > timezone.now() + dt.timedelta(minutes=59)
    credential_rotate(peer=peer, actor=actor)
    assert Credential.objects.exclude(valid_until__lte=timezone.now()).count() == 1


@pytest.mark.parametrize("overlap", [dt.timedelta(seconds=-1), dt.timedelta(days=91)])
def test_an_overlap_out_of_range_is_refused(peer: Peer, actor: Actor, overlap: dt.timedelta) -> None:
    with pytest.raises(ValidationError, match="0 seconds to 90 days"):
        credential_rotate(peer=peer, actor=actor, overlap=overlap)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_contacts": 0}, "1 to 20"),
        ({"max_contacts": 21}, "1 to 20"),
        ({"min_expires_s": 600, "max_expires_s": 60}, "in that order"),
        ({"max_expires_s": 604_801}, "7 days"),
        ({"when_full": "explode"}, "not a valid choice"),
    ],
)
def test_a_limit_out_of_range_is_refused_in_words(
    peer: Peer, actor: Actor, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        peer_update(peer=peer, actor=actor, **fields)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a-", "exam ple.com", "a/b", "x" * 254, "a\x00"])
def test_a_domain_is_a_host_name(db: None, actor: Actor, name: str) -> None:
    with pytest.raises(ValidationError):
        domain_create(name=name, actor=actor)


def test_a_domains_expiry_limits_stay_in_order(domain: Domain, actor: Actor) -> None:
    with pytest.raises(ValidationError, match="in that order"):
        domain_update(domain=domain, actor=actor, min_expires_s=7200)
    assert domain_update(domain=domain, actor=actor, min_expires_s=120).min_expires_s == 120


@pytest.mark.parametrize(
    ("network", "stored"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:DB8::/48", "2001:db8::/48"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
    ],
)
def test_c116_a_trusted_network_is_kept_in_one_form(
    trunk: Peer, actor: Actor, network: str, stored: str
) -> None:
    trusted_address_add(trunk=trunk, network=network, actor=actor)
    assert str(TrustedAddress.objects.get().network) == stored


@pytest.mark.parametrize(
    "network", ["203.0.113.7/24", "carrier.example", "", "fe80::1%eth0", "::ffff:0:0/90", "1.2.3"]
)
def test_what_is_no_network_is_refused(trunk: Peer, actor: Actor, network: str) -> None:
    with pytest.raises(ValidationError) as refused:
        trusted_address_add(trunk=trunk, network=network, actor=actor)
    assert list(refused.value.error_dict) == ["network"]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "203.0.112.0/23", "::/0", "2001:db8::/47"])
def test_c118_a_wide_network_needs_a_second_word(trunk: Peer, actor: Actor, network: str) -> None:
    with pytest.raises(ValidationError) as refused:
        trusted_address_add(trunk=trunk, network=network, actor=actor)
    assert code(refused.value, "network") == "wide_network"
    assert trusted_address_add(trunk=trunk, network=network, actor=actor, wide_confirmed=True).pk


def test_a_device_is_never_trusted_by_its_address(peer: Peer, actor: Actor) -> None:
    with pytest.raises(ValidationError, match="needs its password"):
        trusted_address_add(trunk=peer, network="203.0.113.7", actor=actor)


def test_the_same_address_twice_is_refused_also_without_a_port(trunk: Peer, actor: Actor) -> None:
    trusted_address_add(trunk=trunk, network="203.0.113.7", actor=actor)
    with pytest.raises(ValidationError, match="already"):
        trusted_address_add(trunk=trunk, network="203.0.113.7", actor=actor)


IMPOSSIBLE: list[tuple[type[Any], dict[str, Any]]] = [
    (Extension, {"number": "a b"}),
    (Extension, {"number": ""}),
    (Peer, {"name": "a b"}),
    (Peer, {"kind": "trunk"}),
    (Peer, {"extension": None}),
    (Peer, {"kind": "robot"}),
    (Peer, {"max_contacts": 0}),
    (Peer, {"max_contacts": 21}),
    (Peer, {"when_full": "explode"}),
    (Peer, {"min_expires_s": 2, "max_expires_s": 1}),
    (Credential, {"ha1_md5": "k8-Fuchsbau-71"}),
    (Credential, {"ha1_sha256": "0" * 63}),
    (Credential, {"ha1_sha256": "s1.0123abcd.AAAA"}),
    (Credential, {"username": "a b"}),
    (Domain, {"name": "Example.com"}),
    (Domain, {"realm": ""}),
    (Domain, {"digest_order": "none"}),
    (Domain, {"min_expires_s": 7200}),
    (TrustedAddress, {"port": 0}),
    (TrustedAddress, {"port": 65_536}),
    (TrustedAddress, {"transport": "sctp"}),
]


@pytest.mark.parametrize(("model", "fields"), IMPOSSIBLE)
def test_the_database_refuses_an_impossible_state(
    extension: Extension, actor: Actor, model: type[Any], fields: dict[str, Any]
) -> None:
    carrier = trunk_create(domain=extension.domain, name="carrier", actor=actor)
    trusted_address_add(trunk=carrier, network="203.0.113.7", actor=actor)
    rows = model.objects.exclude(pk=carrier.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(**fields)


def test_the_database_refuses_a_second_current_credential_of_a_user_name(peer: Peer) -> None:
    credential = peer.credentials.get()
    credential.pk = None
    credential._state.adding = True
    with pytest.raises(IntegrityError), transaction.atomic():
        credential.save(force_insert=True)


def test_a_notice_stays_under_postgresqls_limit_and_says_everything_when_there_are_too_many() -> None:
    ids = [uuid4() for _ in range(500)]
    sent = list(payloads(ids))
    assert all(len(payload) < 8000 for payload in sent)
    assert frozenset().union(*(parse_payload(payload) or frozenset() for payload in sent)) == set(ids)
    assert list(payloads(uuid4() for _ in range(3000))) == [EVERYTHING]
    for payload in (EVERYTHING, "", "nonsense", '["x"]', "1", "[1]"):
        assert parse_payload(payload) is None


@pytest.fixture
def heard(transactional_db: None) -> Iterator[Callable[[], list[set[str]]]]:
    """What was announced on directory_changed since the last question."""
    settings = connection.settings_dict
    listener = psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
        autocommit=True,
    )
    listener.execute("LISTEN directory_changed")

    def listen() -> list[set[str]]:
        listener.execute("SELECT 1")  # PostgreSQL hands notices over with the next answer
        return [set(json.loads(notice.payload)) for notice in listener.notifies(timeout=0.2)]

    yield listen
    listener.close()


def test_every_change_of_a_peer_is_audited_and_announced(
    heard: Callable[[], list[set[str]]], actor: Actor
) -> None:
    domain = domain_create(name="example.com", actor=actor)
    heard()
    peer = extension_create(domain=domain, number="1001", actor=actor).peer
    extension = Extension.objects.get()
    assert heard() == [{peer.pk.hex}]
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    assert heard() == [{trunk.pk.hex}]
    address = trusted_address_add(trunk=trunk, network="203.0.113.7", actor=actor)
    assert heard() == [{trunk.pk.hex}]
    changes: list[tuple[str, Callable[[], object], Peer]] = [
        (
            "extension_update",
            lambda: extension_update(extension=extension, actor=actor, enabled=False),
            peer,
        ),
        ("peer_update", lambda: peer_update(peer=peer, actor=actor, max_contacts=1), peer),
        ("credential_rotate", lambda: credential_rotate(peer=peer, actor=actor), peer),
        ("trusted_address_remove", lambda: trusted_address_remove(address=address, actor=actor), trunk),
        ("trunk_delete", lambda: peer_delete(peer=trunk, actor=actor), trunk),
        ("extension_delete", lambda: extension_delete(extension=extension, actor=actor), peer),
    ]
    for action, change, changed in changes:
        announced = {changed.pk.hex}
        change()
        assert heard() == [announced], action
        assert AuditEntry.objects.filter(action=action).count() == 1


def test_a_change_whose_audit_row_fails_is_neither_made_nor_announced(
    heard: Callable[[], list[set[str]]], actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = domain_create(name="example.com", actor=actor)
    peer = extension_create(domain=domain, number="1001", actor=actor).peer
    heard()

    def broken(*args: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(services, "record", broken)
    for change in (
        lambda: extension_create(domain=domain, number="1002", actor=actor),
        lambda: peer_update(peer=peer, actor=actor, max_contacts=1),
        lambda: credential_rotate(peer=peer, actor=actor),
        lambda: peer_delete(peer=Peer.objects.get(), actor=actor),
    ):
        with pytest.raises(RuntimeError):
            change()
    assert heard() == []
    assert (Extension.objects.count(), Peer.objects.get().max_contacts) == (1, 5)
    assert Credential.objects.get().valid_until is None
