"""The domain's and the peer's choices and the extensions' columns, through the database and over SIP."""

import re
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import domain_update
from apps.registrar.models import Binding, NonceUse, RegistrationEvent
from apps.sip.digest import DigestCredentials, expected_response, ha1
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)

DEVICE = '+sip.instance="<urn:uuid:0f1a>";reg-id=1'


class OldPhone(Phone):
    """Signs in as RFC 2069 has it."""

    def authorization(self, method: str, uri: str) -> str:
        credentials = DigestCredentials(
            self.username, self.domain, self.nonce or "", uri, "", self.algorithm, "", 0, None
        )
        secret = ha1(self.algorithm, self.username, self.domain, self.password)
        response = expected_response(credentials, secret, method)
        return (
            f'Authorization: Digest username="{self.username}", realm="{self.domain}", nonce="{self.nonce}", '
            f'uri="{uri}", response="{response}", algorithm={self.algorithm}'
        )


@pytest.fixture
def old_phone(phone: Phone) -> OldPhone:
    return OldPhone(phone.username, phone.password)


@sync_to_async
def set_domain(**fields: object) -> None:
    domain_update(domain=Domain.objects.get(), actor=Actor.of_command("test"), **fields)


@sync_to_async
def reasons() -> list[str]:
    return list(RegistrationEvent.objects.order_by("event_id").values_list("reason", flat=True))


async def test_c103_c105_path_instance_and_reg_id_are_stored_and_survive_a_reread(
    registrar: Registrar, phone: Phone
) -> None:
    await set_domain(edge_proxies="203.0.113.0/28", service_routes="<sip:p1.example.com;lr>")
    headers = ["Path: <sip:e2;lr>", "Path: <sip:e1;lr;ob>", "Supported: path, outbound"]

    await registrar.register(phone, [f"{phone.contact};{DEVICE}"], headers=headers)
    reply = await registrar.register(phone, [f"<sip:1001@192.0.2.77>;{DEVICE}"], headers=headers)

    assert reply.values("Path") == ["<sip:e2;lr>", "<sip:e1;lr;ob>"]
    assert reply.values("Require") == ["outbound"]
    assert reply.values("Service-Route") == ["<sip:p1.example.com;lr>"]
    binding = await Binding.objects.aget()
    assert binding.contact == "sip:1001@192.0.2.77"
    assert binding.path == "<sip:e2;lr>, <sip:e1;lr;ob>"
    assert (binding.instance_id, binding.reg_id, binding.refresh_count) == ("<urn:uuid:0f1a>", 1, 1)


async def test_c104_a_path_from_a_stranger_is_refused_and_told_in_the_ledger(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(phone, headers=["Path: <sip:e1;lr>", "Supported: path"])

    assert reply.status == 403
    assert await reasons() == ["path_not_allowed"]
    assert not await Binding.objects.aexists()


async def test_c63_c69_the_domains_choices_reach_the_rules(registrar: Registrar, phone: Phone) -> None:
    await set_domain(raise_brief=True, strict_cseq=True, any_contact=True, outbound=False)

    brief = await registrar.register(phone, ["<sip:1001@127.0.0.1>"], expires=5)
    repeated = await registrar.register(phone, ["<sip:1001@127.0.0.1>"], cseq=phone.cseq)
    required = await registrar.register(phone, headers=["Require: outbound"])

    assert brief.contacts == ["<sip:1001@127.0.0.1>;expires=60"]
    assert (repeated.status, required.status) == (400, 420)
    assert required.values("Unsupported") == ["outbound"]


async def test_f37_a_contact_that_points_inward_is_refused_and_told_in_the_ledger(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(phone, ["<sip:1001@169.254.169.254>"])

    assert reply.status == 403
    assert await reasons() == ["contact_not_allowed"]


async def test_c100_digest_without_qop_is_refused_unless_the_peer_allows_it(
    registrar: Registrar, old_phone: OldPhone
) -> None:
    refused = await registrar.register(old_phone)
    await Peer.objects.aupdate(accepts_no_qop=True)
    old_phone.nonce = None
    accepted = await registrar.register(old_phone)

    assert (refused.status, accepted.status) == (401, 200)
    assert not refused.stale
    assert await reasons() == ["no_qop", "registered"]


async def test_c100_without_qop_each_nonce_is_good_for_one_request(
    registrar: Registrar, old_phone: OldPhone
) -> None:
    await Peer.objects.aupdate(accepts_no_qop=True)
    challenge = await registrar.send(old_phone, old_phone.register())
    assert challenge is not None
    old_phone.read_challenge(challenge)
    request = old_phone.register()

    first = await registrar.send(old_phone, request)
    repeat = await registrar.send(old_phone, request)
    replay = await registrar.send(old_phone, re.sub(rb"branch=\w+", b"branch=z9hG4bKreplayed", request))
    changed = await registrar.send(old_phone, old_phone.register(expires=0))

    assert first is not None
    assert repeat is not None
    assert replay is not None
    assert changed is not None
    assert first.status == 200
    assert repeat.raw == first.raw
    assert replay.status == 482  # the same request another way while the first still lives (C38)
    assert (changed.status, changed.stale) == (401, True)
    assert await NonceUse.objects.acount() == 1
    assert await Binding.objects.acount() == 1


async def test_c113_gin_is_not_supported_and_changes_nothing(registrar: Registrar, phone: Phone) -> None:
    reply = await registrar.send(phone, phone.register(["<sip:203.0.113.7;bnc>"], headers=["Require: gin"]))

    assert reply is not None
    assert reply.status == 420
    assert reply.values("Unsupported") == ["gin"]
    assert not await Binding.objects.aexists()


async def test_c110_gruus_are_stored_beside_the_binding(registrar: Registrar, phone: Phone) -> None:
    registrar.processor.means.chance = replace(registrar.processor.means.chance, gruu_key=b"g" * 32)

    reply = await registrar.register(phone, [f"{phone.contact};{DEVICE}"], headers=["Supported: gruu"])

    binding = await Binding.objects.aget()
    assert binding.pub_gruu == "sip:1001@example.com;gr=urn:uuid:0f1a"
    assert f';pub-gruu="{binding.pub_gruu}";temp-gruu="{binding.temp_gruu}"' in reply.contacts[0]


async def test_c81_the_from_header_proves_nothing(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone)
    as_somebody_else = phone.register().replace(b"From: <sip:1001@", b"From: <sip:boss@")

    reply = await registrar.send(phone, as_somebody_else)

    assert reply is not None
    assert reply.status == 200
    assert (await Binding.objects.aget()).aor == "sip:1001@example.com"
