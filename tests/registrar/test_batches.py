"""REGISTER through triage, digest, rules and commit, checked in the database and over SIP."""

import datetime as dt
import json
import re

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import DigestOrder, Domain, Peer, WhenFull
from apps.extensions.services import NewPeer, credential_rotate, extension_create, peer_create
from apps.registrar.decision_log import LineFormatter
from apps.registrar.models import Binding, NonceUse, PeerActivity, RegistrationEvent
from apps.registrar.services import extension_delete, extension_update
from apps.registrar.sweeper import sweep
from apps.sip.digest import Algorithm
from tests.registrar.conftest import PASSWORD, Registrar
from tests.registrar.phone import Phone, read_reply

pytestmark = pytest.mark.django_db(transaction=True)


@sync_to_async
def stored() -> list[Binding]:
    return list(Binding.objects.order_by("registered_at", "contact"))


@sync_to_async
def events() -> list[tuple[str, str, int]]:
    return list(RegistrationEvent.objects.order_by("event_id").values_list("event", "reason", "count"))


async def test_c52_register_without_credentials_is_challenged_and_changes_nothing(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.send(phone, phone.register())

    assert reply is not None
    assert reply.status == 401
    offered = [re.search(r"algorithm=([A-Z0-9-]+)", value)[1] for value in reply.values("WWW-Authenticate")]  # type: ignore[index]
    assert offered == ["SHA-256", "MD5"]
    assert await stored() == []
    assert await events() == []


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
async def test_register_with_the_right_password_is_stored(
    registrar: Registrar, phone: Phone, algorithm: str
) -> None:
    await Domain.objects.aupdate(digest_order=DigestOrder.SHA512_256_FIRST)
    phone.algorithm = Algorithm(algorithm)

    reply = await registrar.register(phone, expires=600)

    assert reply.status == 200
    assert reply.contacts == ["<sip:1001@203.0.113.7:5062>;expires=600"]
    assert reply.values("Date")[0].endswith("GMT")
    (binding,) = await stored()
    assert binding.aor == "sip:1001@example.com"
    assert binding.received_addr == "203.0.113.7"
    assert binding.user_agent == "Yealink SIP-T46S 66.86.0.15"
    assert (binding.expires_at - binding.refreshed_at).total_seconds() == 600
    assert await events() == [("registered", "registered", 1)]
    assert registrar.changed == {binding.peer_id}


async def test_refresh_updates_the_binding_without_a_row_in_the_ledger(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone, expires=120)
    reply = await registrar.register(phone, expires=120)

    assert reply.contacts == ["<sip:1001@203.0.113.7:5062>;expires=120"]
    (binding,) = await stored()
    assert binding.refresh_count == 1
    assert await events() == [("registered", "registered", 1)]


async def test_f40_renewals_leave_no_line_in_the_log_and_a_line_cannot_be_forged(
    registrar: Registrar, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    phone.call_id = 'x"}'
    with caplog.at_level("INFO", logger="apps.registrar"):
        await registrar.register(phone)
        await registrar.register(phone)

    (line,) = [record.getMessage() for record in caplog.records]
    assert json.loads(line)["call_id"] == phone.call_id


async def test_each_decision_of_a_batch_is_a_line_of_its_own(
    registrar: Registrar, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    other = Phone("1009", "x", call_id='x"}')
    await registrar.register(phone)
    caplog.clear()
    with caplog.at_level("DEBUG", logger="apps.registrar"):
        await registrar.processor.answers([(one.register(), one.source) for one in (phone, other, other)])

    (record,) = [record for record in caplog.records if record.name.endswith("decision_log")]
    formatter = LineFormatter("%(levelname)s %(message)s")
    for _ in range(2):
        lines = formatter.format(record).split("\n")
        assert [line.partition(" ")[0] for line in lines] == ["DEBUG"] * len(lines)
        assert sorted(json.loads(line.partition(" ")[2])["status"] for line in lines) == [200, 401, 401]


async def test_wrong_password_is_refused_and_summed_in_the_ledger(registrar: Registrar, phone: Phone) -> None:
    phone.password = "not it at all"

    first = await registrar.register(phone)
    second = await registrar.register(phone)

    assert (first.status, second.status) == (401, 401)
    assert not first.stale
    assert await stored() == []
    assert await events() == [("refused", "wrong_password", 2)]
    activity = await PeerActivity.objects.aget()
    assert activity.refused_reason == "wrong_password"
    assert activity.received_addr == "203.0.113.7"


async def test_c91_unknown_user_and_wrong_password_and_disabled_look_the_same(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    def shape(raw: bytes) -> bytes:
        return re.sub(rb'nonce="[^"]+"|branch=\w+|Call-ID: \S+|tag=\w+', b"", raw)

    unknown = await registrar.register(Phone("1009", "x" * 9))
    wrong = await registrar.register(Phone("1001", "x" * 9))
    extension = await sync_to_async(lambda: extension_1001.peer.extension)()
    assert extension is not None
    await sync_to_async(extension_update)(extension=extension, actor=actor, enabled=False)
    disabled = await registrar.register(Phone("1001", PASSWORD))

    assert shape(unknown.raw).replace(b"1009", b"1001") == shape(wrong.raw) == shape(disabled.raw)
    assert [reason for _, reason, _ in await events()] == ["wrong_password", "disabled"]


async def test_c57_fetch_lists_all_bindings_and_changes_nothing(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, ["<sip:a@192.0.2.1>;q=0.5", "<sip:b@192.0.2.2:5070>;expires=300"])
    before = await stored()

    reply = await registrar.register(phone, [])

    assert reply.contacts == [
        "<sip:a@192.0.2.1>;q=0.5;expires=3600",
        "<sip:b@192.0.2.2:5070>;expires=300",
    ]
    assert [row.refreshed_at for row in await stored()] == [row.refreshed_at for row in before]


async def test_c58_star_with_expires_0_removes_all(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, ["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>"])

    reply = await registrar.register(phone, ["*"], expires=0)

    assert reply.status == 200
    assert reply.contacts == []
    assert await stored() == []
    assert [event for event, _, _ in await events()] == ["registered"] * 2 + ["unregistered"] * 2


@pytest.mark.parametrize(
    ("contacts", "expires"),
    [(["*"], None), (["*"], 60), (["*", "<sip:a@192.0.2.1>"], 0), (["*", "*"], 0)],
)
async def test_c59_c60_bad_wildcards_change_nothing(
    registrar: Registrar, phone: Phone, contacts: list[str], expires: int | None
) -> None:
    await registrar.register(phone)

    reply = await registrar.register(phone, contacts, expires=expires)

    assert reply.status == 400
    assert len(await stored()) == 1


async def test_c61_star_with_a_cseq_that_does_not_rise_removes_nothing(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone, ["<sip:a@192.0.2.1>"])
    await registrar.register(phone, ["<sip:b@192.0.2.2>"], cseq=50)

    reply = await registrar.register(phone, ["*"], expires=0, cseq=50)

    assert reply.status == 400
    assert len(await stored()) == 2


async def test_c62_expiry_is_the_parameter_else_the_header_else_the_default(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(
        phone, ["<sip:a@192.0.2.1>;expires=100", "<sip:b@192.0.2.2>"], expires=200
    )
    defaulted = await registrar.register(phone, ["<sip:c@192.0.2.3>"])

    assert [contact.partition("expires=")[2] for contact in reply.contacts] == ["100", "200"]
    assert defaulted.contacts[2].endswith(";expires=3600")


async def test_c63_too_brief_an_interval_is_423_and_changes_nothing(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(phone, ["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>;expires=59"])

    assert reply.status == 423
    assert reply.values("Min-Expires") == ["60"]
    assert await stored() == []
    assert await events() == [("refused", "interval_too_brief", 1)]


async def test_c64_c65_more_than_the_maximum_is_granted_as_the_maximum(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(phone, ["<sip:a@192.0.2.1>;expires=99999999999999999999"])

    assert reply.contacts == ["<sip:a@192.0.2.1>;expires=3600"]


async def test_c66_the_same_device_is_replaced_first_when_the_peer_is_full(
    registrar: Registrar, phone: Phone
) -> None:
    instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    for port in range(5):
        extra = f";{instance}" if port == 3 else ""
        await registrar.register(phone, [f"<sip:1001@192.0.2.1:{6000 + port}>{extra}"])

    reply = await registrar.register(phone, [f"<sip:1001@192.0.2.9:7000>;{instance}"])

    assert reply.status == 200
    assert len(reply.contacts) == 5
    assert not any(":6003>" in contact for contact in reply.contacts)
    assert (await events())[-2:] == [("rejected", "replaced", 1), ("registered", "registered", 1)]


async def test_c66_the_oldest_is_replaced_when_no_device_matches(registrar: Registrar, phone: Phone) -> None:
    for port in range(6):
        reply = await registrar.register(phone, [f"<sip:1001@192.0.2.1:{6000 + port}>"])

    assert len(reply.contacts) == 5
    assert not any(":6000>" in contact for contact in reply.contacts)


async def test_c66_a_peer_set_to_reject_keeps_its_old_contacts(registrar: Registrar, phone: Phone) -> None:
    await Peer.objects.aupdate(when_full=WhenFull.REJECT, max_contacts=1)
    await registrar.register(phone)

    reply = await registrar.register(phone, ["<sip:1001@192.0.2.99>"])

    assert reply.status == 403
    assert [row.contact for row in await stored()] == ["sip:1001@203.0.113.7:5062"]


async def test_c66_one_request_cannot_ask_for_more_contacts_than_allowed(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.register(phone, [f"<sip:1001@192.0.2.{n}>" for n in range(1, 7)])

    assert reply.status == 403
    assert await stored() == []


async def test_c68_a_lower_cseq_of_the_same_call_changes_nothing(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, cseq=90)
    (before,) = await stored()

    reply = await registrar.register(phone, cseq=89, expires=120)

    assert reply.status == 400
    (after,) = await stored()
    assert after.expires_at == before.expires_at


async def test_c56_a_rebooted_phone_is_updated_whatever_its_cseq(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, cseq=90)
    phone.call_id = "after-reboot"

    reply = await registrar.register(phone, cseq=1)

    assert reply.status == 200
    (binding,) = await stored()
    assert (binding.call_id, binding.cseq) == ("after-reboot", 1)


async def test_c70_expires_0_removes_that_contact_alone(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, ["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>"])

    reply = await registrar.register(
        phone, ["<sip:a@192.0.2.1>;expires=0", "<sip:unknown@192.0.2.3>;expires=0"]
    )

    assert reply.status == 200
    assert [row.contact for row in await stored()] == ["sip:b@192.0.2.2"]


async def test_c71_one_bad_contact_spoils_the_whole_request(registrar: Registrar, phone: Phone) -> None:
    reply = await registrar.register(
        phone, ["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>", "<sip:c@192.0.2.3>;q=1.5"]
    )

    assert reply.status == 400
    assert await stored() == []


async def test_c53_another_users_address_is_forbidden_whether_it_exists_or_not(
    registrar: Registrar, phone: Phone, actor: Actor
) -> None:
    domain = await Domain.objects.aget()
    await sync_to_async(extension_create)(domain=domain, number="1002", actor=actor)

    existing = await registrar.register(phone, to="<sip:1002@example.com>")
    absent = await registrar.register(phone, to="<sip:1003@example.com>")

    assert (existing.status, absent.status) == (403, 403)
    assert await stored() == []


async def test_c49_c54_other_domains_are_not_found(registrar: Registrar, phone: Phone) -> None:
    foreign = await registrar.send(phone, phone.register(request_uri="sip:example.org"))
    await registrar.register(phone)
    other_to = await registrar.register(phone, to="<sip:1001@example.org>")

    assert foreign is not None
    assert foreign.status == 404
    assert other_to.status == 404


async def test_c55_the_aor_is_canonical(registrar: Registrar, phone: Phone) -> None:
    reply = await registrar.register(phone, to="<sip:%31001@EXAMPLE.com:5060;x=y>")

    assert reply.status == 200
    assert (await stored())[0].aor == "sip:1001@example.com"


async def test_c31_unknown_require_is_refused_before_anything_else(
    registrar: Registrar, phone: Phone
) -> None:
    reply = await registrar.send(phone, phone.register(headers=["Require: outer, space"]))

    assert reply is not None
    assert reply.status == 420
    assert reply.values("Unsupported") == ["outer, space"]


async def test_c29_c30_c39_other_methods(registrar: Registrar, phone: Phone) -> None:
    statuses = {}
    for method in ("INVITE", "FROB", "CANCEL", "OPTIONS"):
        reply = await registrar.send(phone, phone.register(method=method))
        assert reply is not None
        statuses[method] = (reply.status, reply.values("Allow"))

    assert statuses == {
        "INVITE": (405, ["REGISTER, OPTIONS, SUBSCRIBE"]),
        "FROB": (501, ["REGISTER, OPTIONS, SUBSCRIBE"]),
        "CANCEL": (481, []),
        "OPTIONS": (200, ["REGISTER, OPTIONS, SUBSCRIBE"]),
    }


async def test_c15_noise_is_met_with_silence(registrar: Registrar, phone: Phone) -> None:
    for noise in (
        b"",
        b"\r\n\r\n",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"x" * 12,
        b"SIP/2.0 200 OK\r\n\r\n",
    ):
        assert await registrar.send(phone, noise) is None


async def test_c42_c47_a_repeat_gets_the_same_bytes_and_changes_nothing(
    registrar: Registrar, phone: Phone
) -> None:
    first_try = phone.register()
    challenge = await registrar.send(phone, first_try)
    assert challenge is not None
    again = await registrar.send(phone, first_try)
    assert again is not None
    assert again.raw == challenge.raw
    phone.read_challenge(challenge)
    request = phone.register()
    first = await registrar.send(phone, request)
    before = await stored()

    other_worker = Registrar(registrar.store)
    repeat = await other_worker.send(phone, request)

    assert first is not None
    assert repeat is not None
    assert repeat.raw == first.raw
    assert [row.refreshed_at for row in await stored()] == [row.refreshed_at for row in before]


async def test_c42_c47_the_repeat_of_a_later_refresh_under_an_old_nonce_gets_the_same_bytes(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone)
    await NonceUse.objects.aupdate(accepted_at=F("accepted_at") - dt.timedelta(minutes=10))
    refresh = phone.register()

    first = await registrar.send(phone, refresh)
    repeat = await registrar.send(phone, refresh)

    assert first is not None
    assert repeat is not None
    assert first.status == 200
    assert repeat.raw == first.raw


async def test_c92_a_used_nonce_count_is_stale_and_changes_nothing(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone)
    phone.nc = 0

    replay = await registrar.send(phone, phone.register(["<sip:thief@192.0.2.66>"]))

    assert replay is not None
    assert replay.status == 401
    assert replay.stale
    assert len(await stored()) == 1


async def test_c93_a_nonce_of_another_source_is_challenged_anew(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone)
    phone.source = ("203.0.113.8", 5062)

    reply = await registrar.send(phone, phone.register())

    assert reply is not None
    assert reply.status == 401
    assert not reply.stale
    assert await NonceUse.objects.acount() == 1


async def test_requests_of_one_batch_see_one_another_in_order(registrar: Registrar, phone: Phone) -> None:
    challenge = await registrar.send(phone, phone.register())
    assert challenge is not None
    phone.read_challenge(challenge)
    batch = [
        phone.register(["<sip:a@192.0.2.1>"]),
        phone.register(["<sip:b@192.0.2.2>"]),
        phone.register(["<sip:a@192.0.2.1>"], expires=0),
        phone.register([]),
    ]

    answers = await registrar.processor.answers([(data, phone.source) for data in batch])

    counts = [len(read_reply(data).contacts) for data, _ in answers]
    assert counts == [1, 2, 1, 1]
    assert [row.contact for row in await stored()] == ["sip:b@192.0.2.2"]


async def test_a_change_of_the_password_acts_on_the_next_packet(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await registrar.register(phone)
    new = await sync_to_async(credential_rotate)(peer=extension_1001.peer, actor=actor)

    old_password = await registrar.register(phone)
    phone.password = new.registration_string.password
    new_password = await registrar.register(phone)

    assert (old_password.status, new_password.status) == (401, 200)


async def test_both_passwords_are_good_while_a_rotation_overlaps(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    new = await sync_to_async(credential_rotate)(
        peer=extension_1001.peer, actor=actor, overlap=dt.timedelta(minutes=5)
    )

    old = await registrar.register(phone)
    phone.password = new.registration_string.password
    fresh = await registrar.register(phone)

    assert (old.status, fresh.status) == (200, 200)


async def test_c99_disabling_an_extension_ends_its_bindings(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await registrar.register(phone)
    extension = await sync_to_async(lambda: extension_1001.peer.extension)()
    assert extension is not None

    await sync_to_async(extension_update)(extension=extension, actor=actor, enabled=False)

    assert await stored() == []
    assert (await events())[-1] == ("deactivated", "disabled", 1)
    assert (await registrar.register(phone)).status == 401


async def test_deleting_an_extension_removes_everything_but_its_history(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await registrar.register(phone)
    extension = await sync_to_async(lambda: extension_1001.peer.extension)()
    assert extension is not None

    await sync_to_async(extension_delete)(extension=extension, actor=actor)

    assert await stored() == []
    assert await Peer.objects.acount() == 0
    assert await PeerActivity.objects.acount() == 0
    assert [reason for _, reason, _ in await events()] == ["registered", "deleted"]
    assert (await registrar.register(phone)).status == 401


async def test_c77_an_expired_binding_is_gone_before_the_sweeper_ran(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone, ["<sip:a@192.0.2.1>"])
    past = timezone.now() - dt.timedelta(seconds=1)
    await Binding.objects.aupdate(
        registered_at=past - dt.timedelta(seconds=9),
        refreshed_at=past - dt.timedelta(seconds=9),
        expires_at=past,
        due_at=past,
    )

    reply = await registrar.register(phone, [])

    assert reply.contacts == []
    assert await stored() == []
    assert (await events())[-1] == ("expired", "expired", 1)


async def test_the_sweeper_makes_each_expiry_one_event(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, ["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>"])
    past = timezone.now() - dt.timedelta(seconds=1)
    await Binding.objects.filter(contact="sip:a@192.0.2.1").aupdate(
        registered_at=past - dt.timedelta(seconds=9),
        refreshed_at=past - dt.timedelta(seconds=9),
        expires_at=past,
        due_at=past,
    )

    first, _ = await sweep(registrar.store)
    second, _ = await sweep(registrar.store)

    assert (len(first), len(second)) == (1, 0)
    assert [row.contact for row in await stored()] == ["sip:b@192.0.2.2"]
    assert [event for event, _, _ in await events()] == ["registered", "registered", "expired"]
    event = await RegistrationEvent.objects.aget(event="expired")
    assert event.at == past


async def test_a_device_registers_as_its_own_name_or_as_its_extensions_number(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    extension = await sync_to_async(lambda: extension_1001.peer.extension)()
    assert extension is not None
    await sync_to_async(peer_create)(extension=extension, name="1001-desk", password=PASSWORD, actor=actor)
    desk = Phone("1001-desk", PASSWORD, source=("203.0.113.9", 5060))

    as_name = await registrar.register(desk)
    as_number = await registrar.register(desk, to="<sip:1001@example.com>")

    assert (as_name.status, as_number.status) == (200, 200)
    assert sorted(row.aor for row in await stored()) == ["sip:1001-desk@example.com", "sip:1001@example.com"]


async def test_c72_without_a_database_the_answer_is_503_with_retry_after(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.store.close()

    reply = await registrar.send(phone, phone.register())

    assert reply is not None
    assert reply.status == 503
    assert reply.values("Retry-After") == ["7"]
