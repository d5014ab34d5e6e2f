"""The views Asterisk reads as its realtime tables: columns, encodings, who is shown, and nothing can be written."""

import datetime as dt

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Credential, Domain, Peer
from apps.extensions.services import (
    credential_rotate,
    domain_create,
    extension_update,
    peer_create,
    peer_update,
    trunk_create,
    trusted_address_add,
)
from apps.registrar.models import Binding
from apps.routing.models import PbxKind
from apps.sip.digest import Algorithm, ha1
from tests.routing.conftest import PASSWORD, Pbx, bind, extension_of, md5, new_device, new_pbx
from tests.routing.realtime import VALUES, contacts_of, encode, one

COLUMNS = {
    "ps_endpoints": "id transport aors auth context disallow allow direct_media force_rport rewrite_contact "
    "rtp_symmetric ice_support dtmf_mode callerid mailboxes outbound_proxy identify_by trust_id_inbound "
    "redirect_method device_state_busy_at named_call_group named_pickup_group language set_var webrtc tenantid",
    "ps_auths": "id auth_type nonce_lifetime md5_cred password realm username refresh_token oauth_clientid "
    "oauth_secret password_digest supported_algorithms_uas supported_algorithms_uac",
    "ps_aors": "id contact default_expiration mailboxes max_contacts minimum_expiration remove_existing "
    "qualify_frequency authenticate_qualify maximum_expiration outbound_proxy support_path qualify_timeout "
    "voicemail_extension remove_unavailable qualify_2xx_only",
    "ps_contacts": "id uri expiration_time qualify_frequency outbound_proxy path user_agent qualify_timeout "
    "reg_server authenticate_qualify via_addr via_port call_id endpoint prune_on_boot qualify_2xx_only",
    "ps_endpoint_id_ips": "id endpoint match srv_lookups match_header match_request_uri",
}
OF_TABLE = """
SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE relname = '{}' AND nspname = current_schema() ORDER BY attnum
"""


@pytest.fixture
def peer(domain: Domain, actor: Actor) -> Peer:
    return new_device(domain, "6001", actor, display_name='Ada "A" <b>; ^')


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_asterisks_columns_in_the_schema_the_role_is_in(asterisk: Pbx, table: str) -> None:
    found = [row["attname"] for row in asterisk.ask(OF_TABLE.format(table))]

    assert found == COLUMNS[table].split()


def test_a_contact_is_found_by_its_prefix_and_decodes_to_where_the_phone_is(
    asterisk: Pbx, peer: Peer
) -> None:
    contact = bind(peer, contact="sip:6001@10.0.0.5:5060;ob", addr="203.0.113.7", port=40000)

    (row,) = contacts_of(asterisk, "6001")

    assert row["id"] == f"6001;@{md5(contact)}"
    assert row["uri"] == "sip:6001@203.0.113.7:40000;ob;transport=udp"
    assert (row["user_agent"], row["call_id"]) == ("Phone; v^1", "c;1^2@x")
    assert int(row["expiration_time"]) > timezone.now().timestamp()
    assert row["qualify_frequency"] == "0", "Asterisk's own probes would not get through a NAT"
    assert one(asterisk, "ps_contacts", row["id"]) == row


@pytest.mark.parametrize(
    ("contact", "facts", "uri"),
    [
        ("sip:10.0.0.5", {}, "sip:203.0.113.7:40000;transport=udp"),
        (
            "sip:a@[fe80::1]:5060;x=1?h=2",
            {"addr": "2001:db8::7"},
            "sip:a@[2001:db8::7]:40000;x=1;transport=udp",
        ),
        ("SIPS:a@h;Transport=TCP", {"transport": "TLS"}, "SIPS:a@203.0.113.7:40000;Transport=TCP"),
        ("sip:a@h;ob", {"path": "<sip:edge.example.com;lr>"}, "sip:a@h;ob"),
        ("sip:a%3Bb^c@h", {"transport": "TCP"}, "sip:a%3Bb^c@203.0.113.7:40000;transport=tcp"),
    ],
)
def test_the_uri_is_the_contact_at_the_address_its_packets_come_from(
    asterisk: Pbx, peer: Peer, contact: str, facts: dict[str, str], uri: str
) -> None:
    bind(peer, contact=contact, **facts)

    (row,) = contacts_of(asterisk, "6001")

    assert row["uri"] == uri
    assert row.get("path", "") == facts.get("path", "")


def test_what_has_expired_is_not_shown_even_before_the_sweep(asterisk: Pbx, peer: Peer) -> None:
    bind(peer, expires_in_s=-1)

    assert contacts_of(asterisk, "6001") == []
    assert Binding.objects.count() == 1


@pytest.mark.parametrize("what", ["extension", "peer"])
def test_what_is_disabled_is_in_no_view(asterisk: Pbx, peer: Peer, actor: Actor, what: str) -> None:
    bind(peer)
    if what == "extension":
        extension_update(extension=extension_of(peer), actor=actor, enabled=False)
    else:
        peer_update(peer=peer, actor=actor, enabled=False)

    assert contacts_of(asterisk, "6001") == []
    assert one(asterisk, "ps_auths", "6001") == {}
    if what == "extension":
        assert one(asterisk, "ps_endpoints", "6001") == one(asterisk, "ps_aors", "6001") == {}


def test_of_two_flows_of_one_phone_the_fresher_is_shown(asterisk: Pbx, peer: Peer) -> None:
    device = "<urn:uuid:0f1a>"
    bind(peer, contact="sip:6001@10.0.0.5:1", instance_id=device, reg_id=1, age=5)
    fresher = bind(peer, contact="sip:6001@10.0.0.5:2", instance_id=device, reg_id=2, age=9)
    other = bind(peer, contact="sip:6001@10.0.0.6", instance_id="<urn:uuid:ffff>", reg_id=1)

    ids = {row["id"] for row in contacts_of(asterisk, "6001")}

    assert ids == {f"6001;@{md5(fresher)}", f"6001;@{md5(other)}"}


def test_an_extension_has_the_aors_and_passwords_of_all_its_devices(
    asterisk: Pbx, peer: Peer, actor: Actor
) -> None:
    desk = peer_create(extension=extension_of(peer), name="6001-desk", actor=actor).peer
    bind(peer)
    bind(desk)

    endpoint = one(asterisk, "ps_endpoints", "6001")

    assert endpoint["aors"] == "6001,6001-desk"
    assert endpoint["auth"] == "6001,6001-desk"
    assert [len(contacts_of(asterisk, aor)) for aor in endpoint["aors"].split(",")] == [1, 1]
    assert one(asterisk, "ps_endpoints", "6001-desk")["aors"] == "6001-desk"


def test_an_endpoint_cannot_be_used_without_a_password(asterisk: Pbx, peer: Peer) -> None:
    Credential.objects.all().delete()

    assert one(asterisk, "ps_endpoints", "6001")["auth"] == "none"
    assert one(asterisk, "ps_auths", "none") == {}


def test_an_endpoint_says_who_calls_and_through_what(domain: Domain, peer: Peer, actor: Actor) -> None:
    proxied = new_pbx(
        PbxKind.ASTERISK, domain, actor, outbound_proxy="sip:192.0.2.1:5060;lr", codecs="opus,ulaw"
    )

    endpoint = one(proxied, "ps_endpoints", "6001")

    assert endpoint["outbound_proxy"] == "sip:192.0.2.1:5060;lr"
    assert endpoint["callerid"] == "\"Ada 'A' b; ^\" <6001>"
    assert (endpoint["disallow"], endpoint["allow"], endpoint["context"]) == (
        "all",
        "opus,ulaw",
        "from-registrar",
    )


def test_asterisk_refuses_phones_that_register_with_it(asterisk: Pbx, peer: Peer) -> None:
    aor = one(asterisk, "ps_aors", "6001")

    assert (aor["max_contacts"], aor["qualify_frequency"], aor["support_path"]) == ("0", "0", "yes")


def test_the_ha1_is_the_one_the_phone_already_has(asterisk: Pbx, domain: Domain, peer: Peer) -> None:
    auth = one(asterisk, "ps_auths", "6001")

    assert auth["md5_cred"] == ha1(Algorithm.MD5, "6001", domain.realm, PASSWORD)
    assert (auth["auth_type"], auth["realm"], auth["username"]) == ("md5", domain.realm, "6001")


def test_an_old_password_is_shown_as_long_as_it_is_good(asterisk: Pbx, peer: Peer, actor: Actor) -> None:
    credential_rotate(peer=peer, actor=actor, overlap=dt.timedelta(hours=1))

    auths = one(asterisk, "ps_endpoints", "6001")["auth"].split(",")

    assert len(auths) == 2
    assert len({one(asterisk, "ps_auths", auth)["md5_cred"] for auth in auths}) == 2


def test_sealed_hashes_are_shown_nowhere(
    domain: Domain, actor: Actor, settings: LazySettings, asterisk: Pbx, kamailio: Pbx, opensips: Pbx
) -> None:
    settings.CREDENTIAL_KEYS = [b"k" * 32]
    new_device(domain, "6001", actor)

    assert one(asterisk, "ps_endpoints", "6001")["auth"] == "6001"
    assert one(asterisk, "ps_auths", "6001") == {}
    assert kamailio.ask("SELECT * FROM subscriber") == opensips.ask("SELECT * FROM subscriber") == []


def test_a_reader_without_hashes_sees_none_and_meets_no_error(
    domain: Domain, peer: Peer, actor: Actor
) -> None:
    blind = new_pbx(PbxKind.ASTERISK, domain, actor, sees_hashes=False)

    assert one(blind, "ps_auths", "6001") == {}
    assert one(blind, "ps_endpoints", "6001")["auth"] == "6001"


def test_a_trunk_is_identified_by_its_address_alone(asterisk: Pbx, domain: Domain, actor: Actor) -> None:
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    trusted_address_add(trunk=trunk, network="198.51.100.0/28", actor=actor)
    trusted_address_add(trunk=trunk, network="2001:db8::1", actor=actor)
    trusted_address_add(trunk=trunk, network="192.0.2.1", port=5070, actor=actor)
    trusted_address_add(trunk=trunk, network="192.0.2.2", transport="tls", actor=actor)

    endpoint = one(asterisk, "ps_endpoints", "carrier")
    matches = asterisk.ask("SELECT endpoint, match FROM ps_endpoint_id_ips WHERE id LIKE '%' ORDER BY match")

    assert (endpoint["identify_by"], endpoint["context"]) == ("ip", "from-registrar-trunk")
    assert "auth" not in endpoint
    assert [row["match"] for row in matches] == ["198.51.100.0/28", "2001:db8::1/128"]


def test_a_reader_sees_no_other_domain(asterisk: Pbx, actor: Actor) -> None:
    other = domain_create(name="example.net", actor=actor)
    bind(new_device(other, "6001", actor))

    assert contacts_of(asterisk, "6001") == []
    assert [one(asterisk, table, "6001") for table in ("ps_endpoints", "ps_auths", "ps_aors")] == [{}, {}, {}]


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["192.0.2.10", "2001:db8::11"])
def test_a_domain_may_be_an_address(actor: Actor, host: str) -> None:
    domain = domain_create(name=host, actor=actor)
    peer = new_device(domain, "+49~1*2", actor)
    bind(peer, aor=extension_of(peer).aor)

    assert len(contacts_of(new_pbx(PbxKind.ASTERISK, domain, actor), "+49~1*2")) == 1


@pytest.mark.parametrize("table", COLUMNS)
def test_whatever_asterisk_writes_is_ignored_without_an_error(asterisk: Pbx, peer: Peer, table: str) -> None:
    bind(peer, expires_in_s=-1)
    bind(peer)
    values = {name: value for name, value in VALUES.items() if name in COLUMNS[table].split()}
    names = ", ".join(values)
    listed = ", ".join(f"'{encode(value)}'" for value in values.values())
    updates = ", ".join(f"{name} = '{value}'" for name, value in values.items())
    before = asterisk.ask(f"SELECT * FROM {table} WHERE id LIKE '%' ORDER BY id")

    asterisk.ask(f"INSERT INTO {table} ({names}) VALUES ({listed})")
    asterisk.ask(f"UPDATE {table} SET {updates} WHERE id = '6001'")
    asterisk.ask(f"DELETE FROM {table} WHERE id = '{encode(str(before[0]['id'])) if before else 'x'}'")
    asterisk.ask(f"DELETE FROM {table} WHERE id LIKE '%'")

    assert asterisk.ask(f"SELECT * FROM {table} WHERE id LIKE '%' ORDER BY id") == before
    assert Binding.objects.count() == 2


def test_the_odbc_driver_gets_the_same_rows_through_parameters(asterisk: Pbx, peer: Peer) -> None:
    bind(peer)
    expected = asterisk.ask("SELECT * FROM ps_contacts WHERE id LIKE '6001^3B@%' ORDER BY id")

    for kind in ("text", "varchar", "bpchar", "unknown"):
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
            cursor.execute(
                f"SET LOCAL search_path = asterisk, public; SET LOCAL SESSION AUTHORIZATION {asterisk.reader.role}"
            )
            given = "" if kind == "unknown" else f" ({kind})"
            cursor.execute(f"PREPARE asked{given} AS SELECT * FROM ps_contacts WHERE id LIKE $1 ORDER BY id")
            cursor.execute("EXECUTE asked ('6001^3B@%')")
            rows = cursor.fetchall()
            cursor.execute("RESET SESSION AUTHORIZATION; RESET search_path")
        assert [row[0] for row in rows] == [row["id"] for row in expected], kind


def test_escape_with_one_backslash_is_understood(asterisk: Pbx, peer: Peer) -> None:
    bind(peer)

    assert asterisk.ask(r"SELECT * FROM ps_contacts WHERE id LIKE '6001^3B@%' ESCAPE '\' ORDER BY id")
