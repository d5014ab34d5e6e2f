"""Bytes for the Hypothesis tests: from pure noise to REGISTERs in which one thing is wrong."""

from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from tests.sip.messages import HEADERS, REQUEST_LINE

CORPUS_DIR: Final = Path(__file__).parent / "corpus"
CORPUS: Final = tuple(sorted(path.read_bytes() for path in CORPUS_DIR.iterdir()))
_WORDS: Final = (Path(__file__).parent / "sip.dict").read_text()
WORDS: Final = tuple(
    line[1:-1].encode().decode("unicode_escape").encode("latin-1")
    for line in _WORDS.splitlines()
    if line.startswith('"')
)
MORE_HEADERS: Final = {
    "Authorization": 'Digest username="1001", realm="example.com", nonce="n", uri="sip:example.com", response="0"',
    "Path": "<sip:edge.example.com;lr;ob>",
    "Require": "path",
    "Supported": "path, outbound, gruu",
    "User-Agent": "Phone 1.0",
    "Content-Type": "application/sdp",
}

SUBSCRIBE_HEADERS: Final = HEADERS | {
    "CSeq": "1 SUBSCRIBE",
    "Event": "reg;id=1",
    "Accept": "application/reginfo+xml",
    "Record-Route": "<sip:proxy.example.net;lr>",
}
REPLY_HEADERS: Final = {
    "Via": "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=NOTIFY-BRANCH",
    "From": "<sip:1001@example.com>;tag=1",
    "To": "<sip:1001@example.com>;tag=456248",
    "Call-ID": "843817637684230@998sdasdh09",
    "CSeq": "1 NOTIFY",
    "Content-Length": "0",
}

_words = st.sampled_from(WORDS) | st.binary(max_size=8)
# Not st.text(): its table of all characters takes seconds to make, on a machine that has not made it yet.
_any_text = st.binary(max_size=60).map(lambda data: data.decode(errors="replace"))
_spiced_text = st.lists(st.sampled_from('<>";,:=@ ?*\\%0aq.[]é\t'), max_size=40).map("".join)


@st.composite
def bent_messages(draw: st.DrawFn) -> bytes:
    """A message of the corpus with pieces cut out, words put in, or the end of another one behind it."""
    data = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 0, 1, 2, 5, 40]))
        data = data[:start] + draw(_words) + data[end:]
    return data


@st.composite
def bent_bindings(draw: st.DrawFn) -> bytes:
    """A STUN message with any type and attributes, and lengths that are sometimes wrong."""
    kind = draw(st.sampled_from([0x0001, 0x0001, 0x0001, 0x0011, 0x0101, 0x0111]))
    attributes = b""
    for _ in range(draw(st.integers(0, 3))):
        value = draw(st.binary(max_size=20))
        length = len(value) + draw(st.sampled_from([0, 0, 0, 1, 60_000]))
        attributes += draw(st.integers(0, 0xFFFF)).to_bytes(2, "big") + length.to_bytes(2, "big")
        attributes += value + bytes(-len(value) % 4)
    length = len(attributes) + draw(st.sampled_from([0, 0, 0, 4]))
    cookie = draw(st.sampled_from([b"\x21\x12\xa4\x42", b"\x21\x12\xa4\x42", bytes(4)]))
    return kind.to_bytes(2, "big") + length.to_bytes(2, "big") + cookie + b"abcdefghijkl" + attributes


@st.composite
def built_registers(draw: st.DrawFn) -> bytes:
    """A REGISTER whose headers are dropped, doubled, re-ordered or filled with anything."""
    more = draw(st.lists(st.sampled_from([*MORE_HEADERS.items()]), max_size=3))
    return _built(draw, REQUEST_LINE, [*HEADERS.items(), *more])


@st.composite
def built_subscribes(draw: st.DrawFn) -> bytes:
    """The same with a SUBSCRIBE, the first of its dialog or a later one."""
    to = draw(st.sampled_from(["<sip:1001@example.com>", "<sip:1001@example.com>;tag=OUR-TAG"]))
    changed = {"To": to, "Expires": draw(st.sampled_from(["600", "0"]))}
    changed["Contact"] = draw(
        st.sampled_from(["<sip:1001@192.0.2.10:5070>", "<sip:1001@h?a=b>", "sip:h;x=y"])
    )
    changed["Record-Route"] = draw(
        st.sampled_from(["<sip:proxy.example.net;lr>", "sip:p;lr", '<sip:p>, "a"'])
    )
    return _built(draw, "SUBSCRIBE sip:1001@example.com SIP/2.0", [*(SUBSCRIBE_HEADERS | changed).items()])


@st.composite
def built_replies(draw: st.DrawFn) -> bytes:
    """The same with an answer to a NOTIFY of ours."""
    status = draw(st.sampled_from(["200 OK", "481 Gone", "100", "1", "999 x", "-10 x", ""]))
    return _built(draw, f"SIP/2.0 {status}", [*REPLY_HEADERS.items()])


def _built(draw: st.DrawFn, start_line: str, headers: list[tuple[str, str]]) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(headers) - 1))
        name, value = headers[index]
        kind = draw(st.sampled_from(["drop", "double", "last", "fill", "fill", "word"]))
        if kind == "double":
            headers.insert(index, (name, value))
        elif kind == "last":
            headers.append(headers.pop(index))
        elif kind == "fill":
            headers[index] = name, draw(_any_text | _spiced_text)
        elif kind == "word":
            position = draw(st.integers(0, len(value)))
            headers[index] = name, value[:position] + draw(_words).decode("latin-1") + value[position:]
        elif len(headers) > 1:
            del headers[index]
    lines = [start_line, *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
