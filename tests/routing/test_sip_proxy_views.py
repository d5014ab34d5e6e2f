"""The views Kamailio and OpenSIPS read: columns, look-ups by user and domain, trusted addresses, hashes."""

import pytest

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import (
    domain_create,
    peer_create,
    peer_update,
    trunk_create,
    trusted_address_add,
)
from apps.registrar.models import Binding
from apps.routing.models import PbxKind
from apps.sip.digest import Algorithm, ha1
from tests.routing.conftest import PASSWORD, Pbx, bind, extension_of, new_device, new_pbx

COLUMNS = {
    PbxKind.KAMAILIO: {
        "location": "id ruid username domain contact received path expires q callid cseq last_modified flags cflags "
        "user_agent socket methods instance reg_id server_id connection_id keepalive partition",
        "subscriber": "id username domain password ha1 ha1b",
        "address": "id grp ip_addr mask port tag",
        "trusted": "id src_ip proto from_pattern ruri_pattern tag priority",
        "version": "table_name table_version",
    },
    PbxKind.OPENSIPS: {
        "location": "contact_id username domain contact received path expires q callid cseq last_modified flags "
        "cflags user_agent socket methods sip_instance kv_store attr",
        "subscriber": "id username domain password ha1 ha1_sha256 ha1_sha512t256",
        "address": "id grp ip mask port proto pattern context_info",
        "version": "table_name table_version",
    },
}
# db_mode 3 of usrloc, as Kamailio 5.6 sends it.
USRLOC = (
    "select contact,expires,q,callid,cseq,flags,cflags,user_agent,received,path,socket,methods,last_modified,ruid,"
    "instance,reg_id,server_id,connection_id,keepalive,partition from location "
    "where username='{}' AND domain='{}' order by q"
)
AUTH = "select password,ha1 from subscriber where username='6001' AND domain='example.com'"


@pytest.fixture
def peer(domain: Domain, actor: Actor) -> Peer:
    return new_device(domain, "6001", actor)


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_view_has_the_columns_of_the_table_it_stands_for(
    kind: PbxKind, domain: Domain, peer: Peer, actor: Actor
) -> None:
    bind(peer)
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    trusted_address_add(trunk=trunk, network="192.0.2.1", actor=actor)
    reader = new_pbx(kind, domain, actor)

    for view, columns in COLUMNS[kind].items():
        assert list(reader.ask(f"SELECT * FROM {view}")[0]) == columns.split(), view


def test_usrloc_finds_the_contact_and_the_way_to_it(kamailio: Pbx, peer: Peer) -> None:
    bind(peer, contact="sip:6001@10.0.0.5:5060;ob", transport="TCP", q=700, path="<sip:edge.example.com;lr>")

    (row,) = kamailio.ask(USRLOC.format("6001", "example.com"))

    assert row["contact"] == "sip:6001@10.0.0.5:5060;ob"
    assert row["received"] == "sip:203.0.113.7:40000;transport=tcp"
    assert row["path"] == "<sip:edge.example.com;lr>"
    assert row["q"] == pytest.approx(0.7)


def test_an_extension_has_the_contacts_of_all_its_devices_and_a_device_its_own(
    kamailio: Pbx, peer: Peer, actor: Actor
) -> None:
    desk = peer_create(extension=extension_of(peer), name="6001-desk", actor=actor).peer
    first, second, third = bind(peer), bind(desk), bind(desk, user="6001", contact="sip:6001@10.0.0.7")

    def found(user: str) -> set[str]:
        return {row["contact"] for row in kamailio.ask(USRLOC.format(user, "example.com"))}

    assert found("6001") == {first, second, third}
    assert found("6001-desk") == {second, third}
    assert found("6002") == set()


def test_of_two_flows_of_one_phone_the_fresher_is_shown(kamailio: Pbx, peer: Peer) -> None:
    bind(peer, contact="sip:6001@10.0.0.5:1", instance_id="<urn:uuid:0f1a>", reg_id=1, age=5)
    fresher = bind(peer, contact="sip:6001@10.0.0.5:2", instance_id="<urn:uuid:0f1a>", reg_id=2, age=9)

    assert [row["contact"] for row in kamailio.ask(USRLOC.format("6001", "example.com"))] == [fresher]


def test_what_is_expired_or_disabled_is_not_there(
    kamailio: Pbx, peer: Peer, domain: Domain, actor: Actor
) -> None:
    bind(peer, expires_in_s=-1)
    other = new_device(domain, "6002", actor)
    bind(other)
    peer_update(peer=other, actor=actor, enabled=False)

    assert kamailio.ask("SELECT * FROM location") == []
    assert [row["username"] for row in kamailio.ask("SELECT * FROM subscriber")] == ["6001"]


def test_opensips_is_told_times_as_numbers(opensips: Pbx, peer: Peer) -> None:
    bind(peer)
    (row,) = opensips.ask("SELECT contact_id, expires FROM location WHERE username = '6001'")
    binding = Binding.objects.get()

    assert row["expires"] == round(binding.expires_at.timestamp())
    assert 0 < row["contact_id"] < 2**60


def test_times_are_those_of_the_sessions_zone(kamailio: Pbx, peer: Peer) -> None:
    bind(peer)
    asked = "SELECT expires = (now() AT TIME ZONE '{0}' + (expires - localtimestamp)) AS told FROM location"

    kamailio.ask("SET TimeZone = 'Asia/Tokyo'")

    assert kamailio.ask(asked.format("Asia/Tokyo")) == [{"told": True}]


def test_the_hash_is_the_one_the_phone_already_has(kamailio: Pbx, opensips: Pbx, peer: Peer) -> None:
    (row,) = kamailio.ask(AUTH)
    (strong,) = opensips.ask("SELECT ha1, ha1_sha256 FROM subscriber")

    assert row == {"password": "", "ha1": ha1(Algorithm.MD5, "6001", "example.com", PASSWORD)}
    assert strong["ha1_sha256"] == ha1(Algorithm.SHA256, "6001", "example.com", PASSWORD)


def test_an_address_trusted_for_one_transport_is_told_only_where_that_can_be_said(
    kamailio: Pbx, opensips: Pbx, domain: Domain, actor: Actor
) -> None:
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    trusted_address_add(trunk=trunk, network="198.51.100.0/28", port=5070, actor=actor)
    trusted_address_add(trunk=trunk, network="2001:db8::1", transport="tls", actor=actor)

    (row,) = kamailio.ask("SELECT grp, ip_addr, mask, port, tag FROM address")
    (single,) = kamailio.ask("SELECT src_ip, proto, from_pattern, ruri_pattern, tag FROM trusted")
    both = opensips.ask("SELECT grp, ip, mask, port, proto, context_info FROM address ORDER BY mask")

    assert list(row.values()) == [1, "198.51.100.0", 28, 5070, "carrier"]
    assert list(single.values()) == ["2001:db8::1", "tls", None, None, "carrier"]
    assert [list(row.values()) for row in both] == [
        [1, "198.51.100.0", 28, 5070, "any", "carrier"],
        [1, "2001:db8::1", 128, 0, "tls", "carrier"],
    ]


def test_a_reader_of_all_domains_sees_all_and_one_of_a_domain_that_one(
    kamailio: Pbx, peer: Peer, actor: Actor
) -> None:
    other = domain_create(name="example.net", actor=actor)
    bind(peer)
    bind(new_device(other, "6001", actor))
    every = new_pbx(PbxKind.KAMAILIO, None, actor)

    asked = "SELECT domain FROM location ORDER BY domain"

    assert [row["domain"] for row in every.ask(asked)] == ["example.com", "example.net"]
    assert [row["domain"] for row in kamailio.ask(asked)] == ["example.com"]


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("view", ["location", "subscriber", "address"])
def test_whatever_a_proxy_writes_is_ignored_without_an_error(
    kind: PbxKind, view: str, domain: Domain, peer: Peer, actor: Actor
) -> None:
    reader = new_pbx(kind, domain, actor)
    bind(peer)
    column = "tag" if (kind, view) == (PbxKind.KAMAILIO, "address") else "context_info"
    column = "username" if view != "address" else column
    before = reader.ask(f"SELECT * FROM {view}")

    reader.ask(f"INSERT INTO {view} ({column}) VALUES ('x')")
    reader.ask(f"UPDATE {view} SET {column} = 'x'")
    reader.ask(f"DELETE FROM {view}")

    assert reader.ask(f"SELECT * FROM {view}") == before
    assert Binding.objects.count() == 1
