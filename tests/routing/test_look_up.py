"""Where calls go, asked of PostgreSQL: many addresses in one statement, by keys."""

import pytest
from django.db import connection

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Extension, Peer
from apps.extensions.services import domain_create, peer_create, trunk_create
from apps.registrar.gruu import pub_gruu, temp_gruu
from apps.registrar.models import Probe, ProbeState
from apps.registrar.selectors import bindings_of_extension
from apps.routing import sql
from apps.routing.answer import Found, Question, RouteAnswer, Wanted, WantedContact
from apps.routing.store import answers, params
from apps.sip.uri import parse_sip_uri
from apps.sipserver.events import Origin
from tests.routing.conftest import bind, extension_of, new_device

KEY = b"g" * 32
DESK = "<urn:uuid:0f1a>"


def look_up(*questions: Question) -> list[RouteAnswer]:
    with connection.cursor() as cursor:
        cursor.execute(sql.LOOK_UP, params(questions))
        routes, dialled = cursor.fetchone()
    return answers(questions, routes, dialled, gruu_key=KEY)


def wanted(user: str, domain: str = "example.com") -> RouteAnswer:
    (found,) = look_up(Wanted(domain, user))
    return found


def contacts(found: RouteAnswer) -> list[str]:
    return [target.uri for target in found.targets]


@pytest.fixture
def phone(domain: Domain, actor: Actor) -> Peer:
    return new_device(domain, "1001", actor)


def test_an_extension_leads_to_all_its_phones_and_a_peers_name_to_that_one(phone: Peer, actor: Actor) -> None:
    extension = extension_of(phone)
    desk = peer_create(extension=extension, name="desk", actor=actor).peer
    by_number = bind(desk, user="1001", age=3, contact="sip:by-number@h")
    by_name = bind(desk, age=2, contact="sip:by-name@h")
    first = bind(phone, age=1)
    found = wanted("1001")
    assert (found.aor, found.found, found.extension_id) == (
        "sip:1001@example.com",
        Found.TARGETS,
        extension.pk,
    )
    assert contacts(found) == [by_number, by_name, first]
    assert contacts(wanted("desk")) == [by_number, by_name]
    assert {target.peer_name for target in wanted("desk").targets} == {"desk"}


def test_the_console_and_every_other_door_have_the_same_order(phone: Peer, actor: Actor) -> None:
    desk = peer_create(extension=extension_of(phone), name="desk", actor=actor).peer
    for number in range(8):
        bind(
            desk if number % 2 else phone,
            age=number % 3,
            q=[None, 0, 500, 1000][number // 2],
            contact=f"sip:c{number}@h",
        )
    for binding in bindings_of_extension(extension_of(phone))[::3]:
        Probe.objects.create(binding_id=binding.binding_id, peer_id=phone.pk, state=ProbeState.UNREACHABLE)
    shown = [binding.contact for binding in bindings_of_extension(extension_of(phone))]
    assert contacts(wanted("1001")) == shown
    assert [target.reachable for target in wanted("1001").targets] == [True] * 5 + [False] * 3


def test_an_extension_owns_its_address_even_if_a_peer_of_another_has_its_name(
    domain: Domain, actor: Actor
) -> None:
    """Services refuse such a name; rows that were there before are not asked."""
    other = new_device(domain, "1002", actor)
    Peer.objects.filter(pk=other.pk).update(name="1001")
    own = new_device_beside(domain, actor)
    contact = bind(own)
    bind(Peer.objects.get(pk=other.pk), user="1002")
    assert contacts(wanted("1001")) == [contact]


def new_device_beside(domain: Domain, actor: Actor) -> Peer:
    extension = Extension.objects.create(domain=domain, number="1001")
    return peer_create(extension=extension, name="own", actor=actor).peer


def test_what_an_address_that_rings_nobody_is_told(phone: Peer, domain: Domain, actor: Actor) -> None:
    trunk_create(domain=domain, name="carrier", actor=actor)
    assert wanted("1001").found is Found.NOT_REGISTERED
    assert wanted("9999").found is Found.UNKNOWN_USER
    assert wanted("carrier").found is Found.UNKNOWN_USER
    assert wanted("1001", "example.org").found is Found.NOT_OUR_DOMAIN
    assert wanted("'; --").found is Found.UNKNOWN_USER
    bind(phone)
    Extension.objects.update(enabled=False)
    assert wanted("1001").found is Found.DISABLED


def test_a_disabled_peer_is_left_out_of_its_extension_and_is_disabled_itself(
    phone: Peer, actor: Actor
) -> None:
    desk = peer_create(extension=extension_of(phone), name="desk", actor=actor).peer
    bind(desk)
    kept = bind(phone)
    Peer.objects.filter(pk=desk.pk).update(enabled=False)
    assert contacts(wanted("1001")) == [kept]
    assert wanted("desk").found is Found.DISABLED


def test_an_expired_binding_rings_nobody_swept_or_not(phone: Peer) -> None:
    bind(phone, age=1800, expires_in_s=-1)
    assert wanted("1001").found is Found.NOT_REGISTERED


def test_a_target_says_how_its_packets_come(phone: Peer) -> None:
    edge = "<sip:edge.example.com;lr>, <sip:inner.example.com;lr>"
    bind(phone, transport="TLS", path=edge, q=300, instance_id=DESK)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE registrar_binding SET flow = 'w/7', local = '0a00', server = 'host 0.0.0.0:5060'"
        )
    (target,) = wanted("1001").targets
    assert target.destination == Origin("203.0.113.7", 40000, "TLS", "w/7", b"\x0a\x00")
    assert (target.path, target.q, target.server) == (tuple(edge.split(", ")), 300, "host 0.0.0.0:5060")
    assert (target.instance_id, target.call_id, target.reachable) == (DESK, "c;1^2@x", True)


def test_a_gruu_leads_to_its_device(phone: Peer) -> None:
    bind(phone, contact="sip:other@h")
    own = bind(phone, instance_id=DESK, contact="sip:desk@h")
    aor = "sip:1001@example.com"
    for gruu in (pub_gruu(aor, DESK), temp_gruu(KEY, aor, DESK, "c;1^2@x", 1)):
        (found,) = look_up(Wanted("example.com", "1001", parse_sip_uri(gruu)))
        assert contacts(found) == [own]


def test_a_dial_address_leads_to_who_registered_from_there(phone: Peer) -> None:
    contact = bind(phone)

    def dialled(uri: str, domain: str = "example.com") -> RouteAnswer:
        (found,) = look_up(WantedContact(domain, parse_sip_uri(uri)))
        return found

    assert contacts(dialled("sip:1001@203.0.113.7:40000;transport=udp;ob")) == [contact]
    for other in ("sip:1001@203.0.113.7:40001", "sip:1001@203.0.113.8:40000", "sip:1001@localhost:40000"):
        assert dialled(other).found is Found.NOT_OUR_DOMAIN
    assert dialled("sip:1001@203.0.113.7:40000", "example.org").found is Found.NOT_OUR_DOMAIN
    Extension.objects.update(enabled=False)
    assert dialled("sip:1001@203.0.113.7:40000").found is Found.NOT_OUR_DOMAIN


def test_many_addresses_of_several_domains_are_answered_in_their_order(
    phone: Peer, domain: Domain, actor: Actor
) -> None:
    other = domain_create(name="2001:db8::1", actor=actor)
    Domain.objects.filter(pk=other.pk).update(call_mode="redirect")
    there = new_device(other, "1001", actor)
    bind(there, user="1001", aor="sip:1001@[2001:db8::1]", contact="sip:v6@h")
    mine = bind(phone)
    found = look_up(
        Wanted("2001:db8::1", "1001"),
        WantedContact("example.com", parse_sip_uri("sip:1001@203.0.113.7:40000")),
        Wanted("example.com", "1"),
        Wanted("example.com", "1001"),
        Wanted("2001:db8::1", "1001"),
    )
    assert [contacts(one) for one in found] == [["sip:v6@h"], [mine], [], [mine], ["sip:v6@h"]]
    assert [one.redirects for one in found] == [True, False, False, False, True]
    assert look_up() == []
