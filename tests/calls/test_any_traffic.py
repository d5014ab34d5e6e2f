"""Whatever comes: nothing raises, all that leaves can be read, and nothing stays."""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.calls.values import Ask, Effect, Forward, Hop, Refuse, Send
from apps.sip.message import Request, parse_request
from apps.sip.reply import parse_reply
from apps.sipserver.events import Origin
from tests.calls.scene import Phone, Scene, Way, hop
from tests.torture.table import MESSAGES

ALICE = Phone("1001")
BROWSER = Phone("1001", Origin("198.51.100.7", 50000, "WSS", "w:7"), "x.invalid")
BOB = Phone("1002", ("203.0.113.2", 5060), "10.0.0.2")
CAROL = Phone("1003", Origin("203.0.113.3", 41000, "TCP", "w:3"), "10.0.0.3")
LINES = [
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKcall.0",
    b"Via: ,",
    b"Route: <sip:pbx.example;lr>",
    b"Route: <sip:AAAA@192.0.2.1:5060;lr>",
    b"Record-Route: <>",
    b"Content-Length: 7",
    b"Max-Forwards: 0",
    b'Proxy-Authorization: Digest realm="',
    b"P-Asserted-Identity:",
    b"Reason: x",
    b" folded",
    b"\xff\xfe: \x00",
    b"CSeq: 1 CANCEL",
    b"To: <sip:a@b>;tag=",
]

Change = Callable[[bytes, random.Random], bytes]


def _bent(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + data[b:]


def _with_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    lines.insert(chance.randrange(len(lines)), chance.choice(LINES))
    return b"\r\n".join(lines)


def _without_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    del lines[chance.randrange(len(lines))]
    return b"\r\n".join(lines)


def _swapped(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\r\n".join(lines)


def _same(data: bytes, chance: random.Random) -> bytes:
    return data


CHANGES: list[Change] = [_bent, _cut, _with_line, _without_line, _swapped, _same, _same, _same]


class Wild(Scene):
    """All that was said and heard is material for what is said next."""

    def play(self, chance: random.Random, steps: int) -> None:
        said: list[tuple[bytes, Way]] = []
        for _ in range(steps):
            data, way = self._message(said, chance)
            for change in chance.choices(CHANGES, k=chance.randrange(1, 3)):
                data = change(data, chance) or b"\r\n"
            self._effects(self.proxy.receive(data, way, self.now), said, chance)
            if chance.random() < 0.2:
                self.now += chance.choice([0.1, 0.6, 5, 33, 190])
                self._effects(self.proxy.due(self.now), said, chance)
            if chance.random() < 0.05:
                self._effects(self.proxy.flows_closed(["w:7", "w:3"], self.now), said, chance)

    def _message(self, said: list[tuple[bytes, Way]], chance: random.Random) -> tuple[bytes, Way]:
        who = chance.choice([ALICE, BROWSER, BOB])
        if not said or chance.random() < 0.3:
            method = chance.choice(["INVITE", "INVITE", "ACK", "BYE", "CANCEL", "MESSAGE", "NOTIFY"])
            return who.request(method, cseq=chance.randrange(3)), who.way
        return chance.choice(said[-12:])

    def _effects(self, effects: list[Effect], said: list[tuple[bytes, Way]], chance: random.Random) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                self.asks.append(effect)
            elif isinstance(effect, Send):
                said += self._reactions(effect, chance)
        while self.asks:
            ask, verdict = self.asks.pop(0), self._verdict(chance)
            if verdict is not None:
                self._effects(self.proxy.answer(ask.number, verdict, self.now), said, chance)

    def _verdict(self, chance: random.Random) -> Forward | Refuse | None:
        hops: list[Hop] = [hop(BOB), hop(CAROL, ("<sip:edge.example;lr>",), "<sip:x@pbx.example>")]
        groups = (tuple(hops), (hops[0],))
        return chance.choice([Forward(groups), Forward(groups, 3), Refuse(404, ""), None, Forward(())])

    def _reactions(self, send: Send, chance: random.Random) -> list[tuple[bytes, Way]]:
        """Everything that leaves can be read; and what whoever hears it might say to it."""
        if parse_reply(send.data) is not None:
            return [(send.data, send.destination)]
        request = parse_request(send.data, with_ack=True)
        assert isinstance(request, Request), (request, send.data)
        assert (
            b"Content-Length" in send.data
            or b"l:" in send.data.lower()
            or b"content-length" in send.data.lower()
        )
        head, _, _ = send.data.partition(b"\r\n\r\n")
        status = chance.choice([100, 180, 183, 200, 200, 302, 407, 486, 487, 503, 603])
        lines = [
            line for line in head.split(b"\r\n")[1:] if not line.lower().startswith((b"content-", b"l:"))
        ]
        answer = b"\r\n".join([b"SIP/2.0 %d Any" % status, *lines]) + b"\r\nContent-Length: 0\r\n\r\n"
        return [(answer, send.destination), (send.data, send.destination)]


def _left(scene: Scene) -> tuple[int, ...]:
    layer = scene.proxy._layer
    return len(layer.servers), len(layer.clients), len(layer.asking), len(layer.timers)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=120)
def test_p78_any_traffic_raises_nothing_and_is_forgotten(seed: int) -> None:
    scene = Wild()
    scene.play(random.Random(seed), 40)
    for _ in range(60):
        scene.now += 5
        for effect in scene.proxy.due(scene.now):
            assert isinstance(effect, Send)
    assert _left(scene) == (0, 0, 0, 0)


@given(
    data=st.binary(max_size=200),
    start=st.sampled_from([b"", b"SIP/2.0 200 OK\r\n", b"INVITE sip:a@b SIP/2.0\r\n"]),
)
@settings(max_examples=200)
def test_p78_any_bytes_raise_nothing(data: bytes, start: bytes) -> None:
    scene = Scene()
    scene.proxy.receive(start + data, ALICE.way, 0)
    scene.proxy.receive(start + data, BROWSER.way, 0)


def test_p78_the_torture_messages_raise_nothing() -> None:
    for data in [path.read_bytes() for path in sorted(MESSAGES.glob("*.dat"))]:
        scene = Wild()
        scene._effects(scene.proxy.receive(data, ALICE.way, 0), [], random.Random(1))
        scene._effects(scene.proxy.receive(data, BROWSER.way, 0), [], random.Random(2))
        scene.wait(300)
        assert _left(scene) == (0, 0, 0, 0)
