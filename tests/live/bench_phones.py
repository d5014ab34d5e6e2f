"""Phones that register over SIP at a steady pace, in a process of their own, for bench_live.py.

Each hundred shares a socket. A record is (number, sent, answered): seconds of time.time(), the first for the request
that carried the credentials, not for one that was challenged.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection

from tests.acceptance.bench_words import PASSWORD
from tests.registrar.phone import Phone, Reply, read_reply

EXPIRES_S = 300
A_SOCKET = 100
AT_ONCE = 50
TEN = 10
T1_S = 0.5
Record = tuple[str, float, float]


class Line(asyncio.DatagramProtocol):
    """A socket of a hundred phones; a request without an answer is repeated each half of a second (RFC 3261's T1)."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.waiting: dict[str, asyncio.Future[Reply]] = {}

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"SIP/2.0"):
            reply = read_reply(data)
            future = self.waiting.pop(f"{reply.values('Call-ID')[0]} {reply.values('CSeq')[0]}", None)
            if future is not None and not future.done():
                future.set_result(reply)

    async def request(self, phone: Phone, data: bytes) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.waiting[f"{phone.call_id} {phone.cseq} REGISTER"] = future
        for _ in range(20):
            self.transport.sendto(data)
            done, _ = await asyncio.wait([future], timeout=T1_S)
            if done:
                return await future
        raise AssertionError(f"no answer for {phone.username}")


class Phones:
    def __init__(self, server: tuple[str, int], numbers: list[str]) -> None:
        self.server, self.numbers = server, numbers
        self.clients: dict[str, Line] = {}
        self.phones: dict[str, Phone] = {}
        self.turn: Iterator[str] = itertools.cycle(numbers)

    async def open(self) -> None:
        for start in range(0, len(self.numbers), A_SOCKET):
            transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
                Line, remote_addr=self.server
            )
            client.transport = transport
            for number in self.numbers[start : start + A_SOCKET]:
                self.clients[number] = client
                self.phones[number] = Phone(number, PASSWORD, source=transport.get_extra_info("sockname"))
        waiting = iter(self.numbers)
        await asyncio.gather(*(self._register_all(waiting) for _ in range(AT_ONCE)))

    async def _register_all(self, numbers: Iterable[str]) -> None:
        for number in numbers:
            await self.register(number)

    async def register(self, number: str, expires: int = EXPIRES_S) -> Record:
        client, phone = self.clients[number], self.phones[number]
        for _ in range(4):
            sent = time.time()
            reply = await client.request(phone, phone.register(expires=expires))
            if reply.status != 401:
                break
            phone.read_challenge(reply)
        assert reply.status == 200, reply.raw
        return number, sent, time.time()

    async def steadily(self, rate: float, seconds: float) -> list[Record]:
        """Refreshes, one after the other, `rate` a second whatever the answers take."""
        tasks, started = [], time.monotonic()
        for index in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + index / rate - time.monotonic()))
            tasks.append(asyncio.create_task(self.register(next(self.turn))))
        return list(await asyncio.gather(*tasks))

    async def changing(self, numbers: list[str], rate: float, seconds: float) -> list[Record]:
        """Ten of these sign off, then on again, then the next ten; in the end all are on."""
        records, started = [], time.monotonic()
        tens = itertools.cycle(numbers[start : start + TEN] for start in range(0, len(numbers), TEN))
        for turn in range(int(rate * seconds / 2 / TEN)):
            group = next(tens)
            for index, (expires, number) in enumerate(itertools.product((0, EXPIRES_S), group)):
                await asyncio.sleep(max(0.0, started + (turn * 2 * TEN + index) / rate - time.monotonic()))
                records.append(await self.register(number, expires))
        return records


def main(server: tuple[str, int], numbers: list[str], orders: Connection) -> None:
    """Says "ready", then for each (rate, seconds, changing numbers, their rate) its records; ends with None."""
    asyncio.run(_main(server, numbers, orders))


async def _main(server: tuple[str, int], numbers: list[str], orders: Connection) -> None:
    phones = Phones(server, numbers)
    await phones.open()
    orders.send("ready")
    while order := await asyncio.to_thread(orders.recv):
        rate, seconds, changing, changes = order
        # A changing phone must not be refreshed meanwhile: it would be told twice.
        phones.turn = itertools.cycle([number for number in numbers if number not in set(changing)])
        records = await asyncio.gather(
            phones.steadily(rate, seconds), phones.changing(changing, changes, seconds)
        )
        orders.send(records)
