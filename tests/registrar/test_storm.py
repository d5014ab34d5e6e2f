"""Storms in virtual time: what the admission makes of them. 1,000 requests a second can be answered."""

from tests.registrar.storm import ANSWER_S, Address, Phone, Storm, register

CAPACITY = 1 / ANSWER_S
START_S = 100.0


def place(number: int) -> Address:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060


def done(phones: list[Phone], within_s: float) -> int:
    return sum(phone.done_s is not None and phone.done_s <= START_S + within_s for phone in phones)


def test_at_three_times_the_capacity_goodput_stays_above_80_percent_of_the_peak() -> None:
    storm = Storm()
    for number in range(15_000):
        storm.start(Phone(number, place(number), initial=False), START_S + number / (3 * CAPACITY))

    storm.run(START_S + 12)

    assert storm.did["registered"] >= 0.8 * CAPACITY * 12
    assert storm.did["answered"] <= 1.1 * storm.did["registered"]


def test_after_a_power_cut_all_phones_come_back_and_repeats_cost_nothing() -> None:
    storm = Storm()
    phones = [Phone(number, place(number)) for number in range(5000)]
    for number, phone in enumerate(phones):
        storm.start(phone, START_S + number * 1e-5)

    storm.run(START_S + 180)

    assert done(phones, 180) == len(phones)
    assert done(phones, 60) >= 0.9 * len(phones)
    assert storm.did["answered"] <= 2.4 * len(phones)


def test_an_office_behind_one_address_comes_back_with_the_others() -> None:
    storm = Storm()
    office = [Phone(number, ("198.51.100.7", 10_000 + number)) for number in range(2000)]
    others = [Phone(number, place(number)) for number in range(3000)]
    for number, phone in enumerate([*office, *others]):
        storm.start(phone, START_S + number * 1e-5)

    storm.run(START_S + 90)

    assert done(office, 90) == len(office)
    assert done(office, 20) >= 0.8 * len(office)


def test_a_flood_from_one_address_does_not_push_out_the_others() -> None:
    storm, flooder = Storm(), ("203.0.113.66", 5060)
    phones = [Phone(number, place(number)) for number in range(500)]
    storm.flood(8 * CAPACITY, START_S + 10, lambda: (register(9, flooder), flooder))
    for number, phone in enumerate(phones):
        storm.start(phone, START_S + 2 + number / 100)

    storm.run(START_S + 20)

    assert done(phones, 20) == len(phones)
    assert sum(phone.sendings for phone in phones) <= 2.1 * len(phones)
    assert storm.admission is not None
    assert storm.admission.turned.indebted > 50_000


def test_a_flood_of_failing_credentials_runs_out_of_credit() -> None:
    storm, guesser = Storm(), Phone(9, ("203.0.113.66", 5060), right=False)
    phones = [Phone(number, place(number), initial=False) for number in range(500)]
    data = guesser.begin(challenged=True)
    turn = iter(range(10**9))
    storm.flood(4 * CAPACITY, START_S + 10, lambda: (data + b"%d" % next(turn), guesser.source))
    for number, phone in enumerate(phones):
        storm.start(phone, START_S + 2 + number / 100)

    storm.run(START_S + 20)

    assert done(phones, 20) == len(phones)
    assert storm.did["answered"] < 0.3 * 10 * CAPACITY


def test_a_flood_from_forged_addresses_leaves_room_for_those_we_know() -> None:
    storm = Storm()
    phones = [Phone(number, place(number), initial=False) for number in range(500)]

    def forged() -> tuple[bytes, Address]:
        number = storm.chance.randrange(1 << 24)
        address = f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060
        return register(9, address), address

    storm.flood(4 * CAPACITY, START_S + 12, forged)
    for number, phone in enumerate(phones):
        storm.start(phone, START_S + 4 + number / 100)

    storm.run(START_S + 20)

    assert done(phones, 20) == len(phones)
    assert sum(phone.sendings for phone in phones) <= 1.5 * len(phones)


def test_in_a_small_buffer_the_drops_of_the_kernel_show_the_flood() -> None:
    storm, flooder = Storm(buffer=160), ("203.0.113.66", 5060)
    phones = [Phone(number, place(number)) for number in range(300)]
    storm.flood(8 * CAPACITY, START_S + 10, lambda: (register(9, flooder), flooder))
    for number, phone in enumerate(phones):
        storm.start(phone, START_S + 2 + number / 100)

    storm.run(START_S + 20)

    assert done(phones, 20) == len(phones)
    assert sum(phone.sendings for phone in phones) <= 2.4 * len(phones)


def test_after_a_stall_the_old_go_and_the_new_are_served() -> None:
    storm = Storm(buffer=6000)
    phones = [Phone(number, place(number), initial=False) for number in range(6000)]
    for number, phone in enumerate(phones):
        storm.start(phone, START_S + number / 600)
    storm.run(START_S + 0.5)
    storm.at(START_S + 1, lambda: setattr(storm, "now_s", START_S + 11))

    storm.run(START_S + 60)

    assert done(phones, 60) == len(phones)
    assert storm.did["answered"] <= 1.2 * len(phones)
