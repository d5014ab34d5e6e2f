"""Whom a pressed worker lets in: known phones first, repeats and floods not at all, and nothing it keeps grows."""

import pytest

from apps.registrar import overload
from apps.registrar.admission import MOST_KNOWN, Admission, Turned
from apps.registrar.consumers import retry_after_s
from apps.registrar.credit import FULL, MOST_SOURCES, REFILL_PER_S, Credit
from apps.registrar.glance import credentials, is_success, source_of, was_challenged
from apps.registrar.overload import OverloadLog, refusals
from apps.registrar.recent import Recent
from apps.registrar.strain import CROWDED_FOR_S, LASTS_S, LEAST, Strain
from apps.sipserver.events import Datagram, Load, Origin
from tests.registrar.phone import Phone, read_reply
from tests.registrar.storm import NONCE_KEY, answer, nonce_for, register

CALM = Load()
CROWDED = Load(waited_s=0.2)
FULL_BUFFER = Load(waited_s=0.2, filled=0.8)
LATE = Load(waited_s=3.9)


def source(number: int) -> tuple[str, int]:
    return f"10.0.{number >> 8}.{number & 255}", 5060


def strangers(count: int) -> list[Datagram]:
    return [(register(number, source(number)), source(number)) for number in range(count)]


def proven(count: int, first: int = 10_000) -> list[Datagram]:
    return [
        (register(number, source(number), nonce=nonce_for(source(number)[0])), source(number))
        for number in range(first, first + count)
    ]


def lasting(admission: Admission, load: Load) -> float:
    """Until a full buffer counts; the time it then is."""
    for tenth in range(int(LASTS_S * 10) + 1):
        admission.admit([], load, 1 + tenth / 10)
    return 1 + LASTS_S + 0.2


@pytest.fixture
def admission() -> Admission:
    return Admission(NONCE_KEY)


def test_without_strain_all_are_let_in_unseen(admission: Admission) -> None:
    batch = [*strangers(200), (b"junk", source(1))]

    assert admission.admit(batch, CALM, 1.0).datagrams is batch
    assert admission.turned == Turned()


def test_while_the_buffer_stays_full_phones_we_challenged_come_before_strangers(admission: Admission) -> None:
    now_s = lasting(admission, FULL_BUFFER)
    known = proven(50)

    admitted = admission.admit([*strangers(200), *known], FULL_BUFFER, now_s).datagrams

    assert [one for one in admitted if one in known] == known
    assert 40 <= len(admitted) - 50 <= 60
    assert admission.turned.silenced == 250 - len(admitted)


def test_a_buffer_that_is_full_for_a_moment_turns_nobody_away(admission: Admission) -> None:
    admission.admit([], FULL_BUFFER, 1.0)

    assert len(admission.admit(strangers(200), FULL_BUFFER, 1.5).datagrams) == 200


def test_what_the_kernel_drops_counts_as_a_full_buffer(admission: Admission) -> None:
    for tenth in range(int(LASTS_S * 10) + 3):
        load = Load(dropped=7 + tenth)
        admitted = admission.admit(strangers(100), load, 1 + tenth / 10)

    assert len(admitted.datagrams) < 100
    assert len(admission.admit(proven(100), Load(dropped=99), 4.0).datagrams) == 100


def test_a_nonce_of_another_address_or_key_makes_nobody_known(admission: Admission) -> None:
    now_s = lasting(admission, FULL_BUFFER)
    stolen: list[Datagram] = [
        (register(1, source(n), nonce=nonce_for("192.0.2.1")), source(n)) for n in range(100)
    ]

    assert len(admission.admit(stolen, FULL_BUFFER, now_s).datagrams) < 50


def test_where_somebody_registered_before_is_known_without_a_nonce(admission: Admission) -> None:
    batch = strangers(10)
    admission.learn(
        admission.admit(batch, CALM, 0.5), [(answer(200, data), origin) for data, origin in batch], 0.6
    )
    now_s = lasting(admission, FULL_BUFFER)

    assert len(admission.admit(strangers(10), FULL_BUFFER, now_s).datagrams) == 10


def test_known_phones_are_turned_away_only_when_they_wait_too_long_and_then_hear_503(
    admission: Admission,
) -> None:
    assert len(admission.admit(proven(100), Load(waited_s=1.9), 1.0).datagrams) == 100

    admitted = admission.admit(proven(200, 20_000), LATE, 1.1)

    assert len(admitted.datagrams) == 10
    assert len(admitted.refused) == 8 + 5
    assert admission.turned == Turned(refused=13, silenced=200 - 10 - 13)


def test_a_connection_is_no_stranger_and_is_told(admission: Admission) -> None:
    over: list[Datagram] = [(register(n, source(n)), Origin(*source(n), "TCP", f"w/{n}")) for n in range(40)]

    admitted = admission.admit(over, LATE, 1.0)

    assert len(admitted.datagrams) + len(admitted.refused) + admission.turned.silenced == 40
    assert len(admitted.refused) > 5


def test_a_repeat_of_what_waited_beside_it_is_dropped_and_a_later_one_is_not(admission: Admission) -> None:
    batch = strangers(20)
    assert len(admission.admit([*batch, *batch[:5]], CROWDED, 1.0).datagrams) == 20

    assert admission.admit(batch, CROWDED, 1.1).datagrams == []
    assert admission.turned == Turned(repeats=25)
    assert len(admission.admit(batch, CROWDED, 1.5).datagrams) == 20


def test_a_repeat_that_came_while_its_answer_was_made_is_dropped(admission: Admission) -> None:
    batch, late_s = strangers(5), 2.0
    admitted = admission.admit(batch, CROWDED, 1.0)
    admission.learn(admitted, [], late_s)

    assert admission.admit(batch, Load(filled=0.3), late_s + 0.01).datagrams == []
    admission.learn(admitted, [], late_s + 0.02)
    assert len(admission.admit(batch, Load(filled=0.3), late_s + 0.5).datagrams) == 5


def test_responses_are_for_others(admission: Admission) -> None:
    assert admission.admit([(b"SIP/2.0 200 OK\r\n\r\n", source(1))], CROWDED, 1.0).datagrams == []
    assert admission.turned == Turned()


def test_a_source_that_only_asks_has_its_share_and_no_more(admission: Admission) -> None:
    one = source(7)
    flood: list[Datagram] = [(register(n, one), one) for n in range(3000)]

    admitted = admission.admit(flood, CROWDED, 1.0)
    later = admission.admit([(register(n, one), one) for n in range(3000)], CROWDED, 2.0)

    assert len(admitted.datagrams) == FULL
    assert len(later.datagrams) == REFILL_PER_S
    assert admission.turned.indebted == 6000 - FULL - REFILL_PER_S


def test_an_ipv6_network_is_one_source() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1%eth0") != source_of("2001:db8:0:1::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")


def test_who_fails_pays_and_who_registers_earns(admission: Admission) -> None:
    batch = proven(3)
    failing, well, again = [origin for _, origin in batch]
    admitted = admission.admit(batch, CROWDED, 1.0)
    for account in (admission.asking, admission.proving):
        account.add(well[0], -100, 1.0)
        account.add(again[0], -100, 1.0)

    answers = [(answer(401, batch[0][0]), failing), (answer(200, batch[1][0]), well)]
    admission.learn(admitted, [*answers, *[(answer(200, batch[2][0]), again)] * 50], 1.0)

    balances = [
        (admission.asking.balance(host, 1.0), admission.proving.balance(host, 1.0))
        for host, *_ in (failing, well, again)
    ]
    assert balances == [(FULL, FULL - 4), (FULL - 96, FULL - 96), (FULL - 96, FULL - 96 - 49)]


@pytest.mark.parametrize(
    "head", [b"SIP/2.0 503 X\r\n", b"SIP/2.0 423 X\r\n", b"SIP/2.0 401 X\r\nA: stale=true\r\n"]
)
def test_what_is_not_the_phones_fault_costs_it_nothing(admission: Admission, head: bytes) -> None:
    batch = proven(100)
    admitted = admission.admit(batch, CROWDED, 1.0)

    admission.learn(admitted, [(head, origin) for _, origin in batch], 1.0)

    assert {admission.proving.balance(origin[0], 1.0) for _, origin in batch} == {FULL}


def test_who_forges_an_address_does_not_silence_the_phones_there(admission: Admission) -> None:
    (phone,) = proven(1, first=3)
    forged: list[Datagram] = [(register(n, source(3), nonce="A" * 40), source(3)) for n in range(3000)]
    admission.learn(admission.admit(forged, CROWDED, 1.0), [], 1.0)

    assert admission.admit([*forged, phone], CROWDED, 1.0).datagrams == [phone]


def test_an_answer_to_options_shows_nobody_to_be_known() -> None:
    assert is_success(b"SIP/2.0 200 OK\r\nVia: x\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n")
    assert not is_success(b"SIP/2.0 200 OK\r\nFrom: x REGISTER\r\nCSeq: 1 OPTIONS\r\n\r\n")
    assert not is_success(b"SIP/2.0 401 No\r\nCSeq: 1 REGISTER\r\n\r\n")


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_credentials_are_found_however_they_are_spelled(name: str) -> None:
    data = register(1, source(1), nonce=nonce_for("10.0.0.1")).replace(b"Authorization", name.encode())

    header = credentials(data)

    assert header is not None
    assert was_challenged(header, NONCE_KEY, "10.0.0.1")
    assert not was_challenged(header, NONCE_KEY, "10.0.0.2")
    assert not was_challenged(header.replace(b" nonce=", b" cnonce="), NONCE_KEY, "10.0.0.1")


@pytest.mark.parametrize("data", [b"", b"\0" * 9, b"REGISTER ", b"\nAuthorization:", b"\xff" * 2000])
def test_whatever_comes_is_let_in_or_not_and_never_an_error(admission: Admission, data: bytes) -> None:
    for load in (CROWDED, FULL_BUFFER, LATE):
        admission.admit([(data, ("fe80::1%3", 1))], load, 1.0)


def test_what_is_kept_does_not_grow_with_the_phones() -> None:
    recent: Recent[int, int] = Recent(100)
    for number in range(10_000):
        recent.note(number, number)
    credit = Credit()
    for number in range(40_000):
        credit.add(str(number), -1, 1.0)

    assert 50 <= len(recent) <= 100
    assert 9_999 in recent
    assert recent.get(9_950) == 9_950
    assert recent.get(1) is None
    assert len(credit) <= MOST_SOURCES < MOST_KNOWN


def test_a_debt_ends(admission: Admission) -> None:
    admission.asking.add("10.0.0.1", -99_999, 1.0)

    assert admission.asking.balance("10.0.0.1", 1.0) == -FULL
    assert admission.asking.balance("10.0.0.1", 1.0 + 2 * FULL / REFILL_PER_S) == FULL


def test_strain_ends_when_it_has_not_been_felt_for_a_while() -> None:
    strain = Strain()
    assert not strain.feel(0, 0, 5, 1.0)
    assert strain.feel(9, 0, 5, 2.0)
    assert strain.known == LEAST

    assert strain.feel(0, 0, 5, 2.0 + CROWDED_FOR_S / 2)
    assert (strain.strangers, strain.known) == (1, 1)
    assert not strain.feel(0, 0, 5, 2.0 + CROWDED_FOR_S)


def test_a_503_says_when_to_come_again_each_phone_another_time() -> None:
    phones = [Phone("1001", "x", source=source(number)) for number in range(200)]

    sent = refusals([(phone.register(), phone.source) for phone in phones], retry_after_s, lambda host: False)

    assert [destination for _, destination in sent] == [phone.source for phone in phones]
    replies = [read_reply(data) for data, _ in sent]
    assert {reply.status for reply in replies} == {503}
    again_s = {int(reply.values("Retry-After")[0]) for reply in replies}
    assert again_s <= set(range(5, 31))
    assert len(again_s) > 15


def test_a_blocked_source_and_what_cannot_be_read_get_no_503() -> None:
    data = Phone("1001", "x").register()
    batch = [(data, source(1)), (b"REGISTER nonsense SIP/2.0\r\n\r\n", source(2)), (data, source(3))]

    sent = refusals(batch, lambda: 7, lambda host: host == "10.0.0.1")

    assert [destination[0] for _, destination in sent] == ["10.0.0.3"]


async def test_the_log_has_one_line_for_all_that_was_turned_away(
    admission: Admission, caplog: pytest.LogCaptureFixture
) -> None:
    log = OverloadLog(admission, LATE)
    await log.tell()
    admission.admit(proven(200), LATE, 1.0)
    with caplog.at_level("WARNING", logger=overload.logger.name):
        await log.tell()
        await log.tell()

    (line,) = [record.getMessage() for record in caplog.records]
    assert "13 known phones were told 503, 177 packets got silence" in line
