"""Group A of the checklist: reading a request."""

from __future__ import annotations

import pytest

from apps.sip.message import parse_request
from apps.sip.response import build_response
from apps.sip.uri import address_of_record
from tests.sip.messages import REQUEST_LINE, malformed, register, request


def test_register_is_read_whole() -> None:
    read = request(register("Supported: path, outbound", "Supported: gruu"))

    assert (read.method, read.request_uri_text, read.cseq) == ("REGISTER", "sip:example.com", 1826)
    assert read.request_uri is not None
    assert read.request_uri.host == "example.com"
    assert (read.vias[0].transport, read.vias[0].host, read.vias[0].port) == ("UDP", "192.0.2.10", 5070)
    assert (read.vias[0].branch, read.vias[0].rport_asked) == ("z9hG4bK776asdhds", True)
    assert (read.from_.tag, read.to.tag, read.to.uri_text) == ("456248", None, "sip:1001@example.com")
    assert read.call_id == "843817637684230@998sdasdh09"
    assert read.value("expires") == "7200"
    assert read.value("path") is None
    assert read.tokens("supported") == ("path", "outbound", "gruu")
    assert read.values("supported") == ("path, outbound", "gruu")


def test_c01_compact_names_in_odd_case_read_like_long_ones() -> None:
    long_form = register("Supported: path", "Content-Type: text/plain")
    compact = long_form
    for name, short in {
        b"Via": b"V",
        b"From": b"f",
        b"To": b"T",
        b"Call-ID": b"i",
        b"Contact": b"M",
        b"Content-Length": b"l",
        b"Supported": b"K",
        b"Content-Type": b"c",
    }.items():
        compact = compact.replace(b"\r\n" + name + b":", b"\r\n" + short + b":")

    assert compact != long_form
    assert parse_request(compact) == parse_request(long_form)
    assert parse_request(long_form.replace(b"Call-ID", b"cALL-iD")) == parse_request(long_form)


def test_c02_folds_read_as_one_space() -> None:
    folded = request(register("User-Agent: one\r\n two\r\n\t  three", CSeq="1826\r\n  REGISTER"))

    assert folded.value("user-agent") == "one two three"
    assert folded.cseq == 1826


def test_c02_folded_request_line_is_refused() -> None:
    assert malformed(register(request_line="REGISTER sip:example.com\r\n SIP/2.0")).status is None


@pytest.mark.parametrize("space", [" ", "\t", " \t "])
def test_c03_space_before_the_colon_is_allowed(space: str) -> None:
    assert request(register(f"User-Agent{space}: x")).value("user-agent") == "x"


@pytest.mark.parametrize("byte", [b"\x01", b"\x0b", b"\x0c", b"\x00", b"\x7f", b"\xc2\xa0", b"\xe2\x80\x8b"])
def test_c03_any_other_byte_before_the_colon_is_refused(byte: bytes) -> None:
    answer = malformed(register("Authorization#: Digest x").replace(b"#", byte))

    assert answer.status == 400


@pytest.mark.parametrize("line", ["no colon here", ": no name", "two words: x", "Subject\x00: x"])
def test_lines_that_are_no_header_are_refused(line: str) -> None:
    assert malformed(register(line)).status == 400


@pytest.mark.parametrize("name", ["To", "From", "Call-ID", "CSeq"])
def test_c08_missing_mandatory_header_is_400_and_never_invented(name: str) -> None:
    answer = malformed(register(**{name.replace("-", "_"): None}))

    assert (answer.status, answer.why) == (400, "missing_" + name.lower().replace("-", "_"))
    text = build_response(answer, ("192.0.2.10", 5070), 400, answer.reason).decode()
    assert f"\r\n{name}:" not in text


@pytest.mark.parametrize(
    "via", [None, "", "SIP/2.0/UDP", "192.0.2.1", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:70000"]
)
def test_c08_without_a_usable_via_silence(via: str | None) -> None:
    assert malformed(register(Via=via)).status is None


@pytest.mark.parametrize("name", ["To", "From", "Call-ID", "CSeq", "Max-Forwards", "Expires"])
def test_c09_doubled_singleton_is_400(name: str) -> None:
    line = next(line for line in register().decode().split("\r\n") if line.startswith(name + ":"))

    answer = malformed(register(line))

    assert answer.status == 400
    assert answer.why == "duplicate_" + name.lower().replace("-", "_")


def test_c09_different_content_lengths_are_400_and_equal_ones_are_one() -> None:
    assert malformed(register("Content-Length: 5") + b"12345").why == "conflicting_content_length"
    assert request(register("l: 0")).body == b""


@pytest.mark.parametrize(
    ("cseq", "why"),
    [
        ("1826 INVITE", "cseq_method_mismatch"),
        ("1826 register", "cseq_method_mismatch"),
        ("1826", "cseq_method_mismatch"),
        ("4294967296 REGISTER", "bad_cseq"),
        ("36893488147419103232 REGISTER", "bad_cseq"),
        ("9" * 6000 + " REGISTER", "bad_cseq"),
        ("-1 REGISTER", "bad_cseq"),
        ("1_0 REGISTER", "bad_cseq"),
        ("٣ REGISTER", "bad_cseq"),
        ("REGISTER", "bad_cseq"),
        ("", "bad_cseq"),
    ],
)
def test_c10_bad_cseq_is_400(cseq: str, why: str) -> None:
    answer = malformed(register(CSeq=cseq))

    assert (answer.status, answer.why) == (400, why)


@pytest.mark.parametrize(("text", "number"), [("4294967295", 2**32 - 1), ("0", 0), ("0000000000000001", 1)])
def test_c10_largest_and_padded_cseq_are_read(text: str, number: int) -> None:
    assert request(register(CSeq=f"{text} \t REGISTER")).cseq == number


@pytest.mark.parametrize(
    "length", ["1", "9999", "99999999999999999999", "-1", "+0", "zero", "", "0x0", "0, 0", "٠"]
)
def test_c11_content_length_beyond_the_datagram_or_no_number_is_400(length: str) -> None:
    assert malformed(register(Content_Length=length)).status == 400


def test_c11_content_length_below_cuts_and_none_takes_the_rest() -> None:
    assert request(register(Content_Length="3") + b"v=0\r\n\r\nmore").body == b"v=0"
    assert request(register(Content_Length=None) + b"v=0\x00\xff").body == b"v=0\x00\xff"


def test_c12_other_version_is_505_and_any_case_is_accepted() -> None:
    answer = malformed(
        register(request_line="REGISTER sip:example.com SIP/7.0", Via="SIP/7.0/UDP c.example.com")
    )

    assert (answer.status, answer.reason) == (505, "Version Not Supported")
    assert request(register(request_line="REGISTER sip:example.com sip/2.0")).method == "REGISTER"


def test_c13_escapes_are_undone_once_in_the_user_and_never_in_the_method() -> None:
    read = request(
        register(
            request_line="RE%47IST%45R sip:example.com SIP/2.0",
            CSeq="1826 RE%47IST%45R",
            To="<sip:%2561lice@example.com>",
        )
    )

    assert read.method == "RE%47IST%45R"
    assert read.to.uri is not None
    assert read.to.uri.user == "%61lice"


@pytest.mark.parametrize(
    "changed",
    [
        {"From": "<sip:a%ff@example.com>;tag=1"},
        {"To": '"\x01" <sip:a@example.com>'},
        {"To": '"\x85" <sip:a@example.com>'},
        {"To": '"\\\x85" <sip:a@example.com>'},
        {"To": "a\\\x01 <sip:a@example.com>"},
        {"To": '"\U0010ff00" <sip:a@example.com>'},
        {"To": "<sip:%F4%8F%BC%80@example.com>"},
        {"Contact": '"\\\x00" <sip:a@example.com>'},
        {"Call_ID": "a\x00b"},
        {"Call_ID": "a b"},
        {"Call_ID": "ü"},
        {"Call_ID": ""},
        {"Call_ID": "x" * 513},
        {"Via": "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\nv: \x07"},
        {"User_Agent": "a\x00"},
        {"User_Agent": "a\x1b[31m"},
        {"Subject": "a\x00"},
    ],
)
def test_c14_control_characters_are_400(changed: dict[str, str]) -> None:
    assert malformed(register(**changed)).status == 400


def test_c14_control_characters_the_grammar_allows_are_kept_out_of_every_text_and_echoed() -> None:
    name = '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"'

    read = request(register(To=f"{name} <sip:null-%00-null@example.com>", From="<sip:a%0d%0ab@h>;tag=1"))

    assert read.to.uri is not None
    assert not set("\0\r\n\x07\x7f") & set(read.to.text + (read.to.uri.user or ""))
    assert address_of_record(read.to.uri) == "sip:null-%00-null@example.com"
    answer = build_response(read, ("192.0.2.1", 5060), 404, "Not Found")
    assert f"\r\nTo: {name} <sip:null-%00-null@example.com>;tag=".encode() in answer
    assert b"\r\nFrom: <sip:a%0d%0ab@h>;tag=1\r\n" in answer


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_c14_no_line_end_hides_behind_a_backslash(end: str) -> None:
    assert malformed(register(To=f'"a\\{end}X: b" <sip:a@example.com>')).status == 400


@pytest.mark.parametrize(
    "name", ["To", "From", "Call-ID", "Contact", "User-Agent", "Authorization", "Supported"]
)
def test_c14_bytes_that_are_not_utf8_are_400_where_used(name: str) -> None:
    data = register(**{name.replace("-", "_"): "BYTES"}).replace(b"BYTES", b"\xff\xfe")

    assert malformed(data).status == 400


def test_c14_display_names_in_utf8_are_kept() -> None:
    assert request(register(From='"Zoë ☎" <sip:1001@example.com>;tag=1')).from_.text.startswith('"Zoë ☎"')


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "keepalive"),
        (b"\r\n\r\n", "keepalive"),
        (b"\0\0\0\0", "keepalive"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"x" * 12, "stun"),
        (b"\x80\xc8\x00\x06" + bytes(range(256)), "not_sip"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not_sip"),
        (b"jaK\x00", "not_sip"),
        (b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n", "response"),
        (b"SIP/2.0 4294967301 better not break the receiver\r\n\r\n", "response"),
    ],
)
def test_c15_c18_noise_and_responses_get_silence(data: bytes, why: str) -> None:
    answer = malformed(data)

    assert (answer.status, answer.why) == (None, why)


@pytest.mark.parametrize("cseq", ["1 ACK", "x"])
def test_c29_ack_gets_silence_even_when_malformed(cseq: str) -> None:
    assert malformed(register(request_line="ACK sip:example.com SIP/2.0", CSeq=cseq)).status is None


def test_empty_lines_before_the_request_are_skipped() -> None:
    assert parse_request(b"\r\n\r\n" + register()) == parse_request(register())


def test_c19_unknown_and_unneeded_malformed_headers_are_ignored() -> None:
    data = register("Date: Fri, 01 Jan 2010 16:00:00 EST", "X-Odd: \x01@@", "NewFangled: ;;,,;", "Subject: #")

    assert request(data.replace(b"#", b"\xff\xfe")).cseq == 1826


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_other_line_ends_are_refused(end: bytes) -> None:
    assert malformed(register().replace(b"\r\n", end)).status is None


@pytest.mark.parametrize("byte", [b"\r", b"\n", b"\0"])
def test_bare_line_ends_and_nul_inside_a_header_are_400(byte: bytes) -> None:
    answer = malformed(register("Subject: a#b").replace(b"#", byte))

    assert (answer.status, answer.why) == (400, "control_character")


def test_message_without_its_empty_line_is_400() -> None:
    assert malformed(register().removesuffix(b"\r\n")).why == "no_empty_line"


@pytest.mark.parametrize(
    "line",
    [
        "REGISTER  sip:example.com SIP/2.0",
        "REGISTER sip:example.com SIP/2.0 ",
        "REGISTER <sip:example.com> SIP/2.0",
        "REGISTER sip:user@example.com; lr SIP/2.0",
        "REGISTER example.com SIP/2.0",
        "REGI,STER sip:example.com SIP/2.0",
        "REGISTER sip:example.com?Route=%3Csip:x%3E SIP/2.0",
    ],
)
def test_bad_request_lines_are_400(line: str) -> None:
    assert malformed(register(request_line=line)).status == 400


def test_c33_c54_other_schemes_parse_with_no_uri() -> None:
    read = request(
        register(
            request_line=REQUEST_LINE.replace("sip:example.com", "nobodyKnowsThisScheme:x"),
            To="isbn:2983792873",
        )
    )

    assert (read.request_uri, read.request_uri_text) == (None, "nobodyKnowsThisScheme:x")
    assert (read.to.uri, read.to.uri_text) == (None, "isbn:2983792873")


@pytest.mark.parametrize(
    "to",
    [
        '"Mr. J. User <sip:j.user@example.com>',
        '"Joe" sip:joe@example.com',
        "<sip:a@example.com",
        "<sip:a@example.com>tag=1",
        "<sip:a@example.com>;tag=",
        "<sip:a@example.com>;tag=1;tag=2",
        "<sip:a@example.com>;;;;",
        "sip:a@example.com?x=y",
        "<sip:a@ex ample.com>",
        "<sip:a@2001:db8::10>",
        "Watson, Thomas <sip:t.watson@example.org>",
        "",
    ],
)
def test_bad_to_is_400(to: str) -> None:
    assert malformed(register(To=to)).why == "bad_to"


def test_c05_anything_inside_a_quoted_display_name_separates_nothing() -> None:
    read = request(register(From=r'"a, <sip:x@y>;tag=no \" \\" <sip:1001@example.com>;tag=yes'))

    assert (read.from_.uri_text, read.from_.tag) == ("sip:1001@example.com", "yes")


def test_c06_parameters_of_a_bare_uri_belong_to_the_header() -> None:
    read = request(register(From="sip:1001@example.com;tag=abc"))

    assert (read.from_.uri_text, read.from_.tag) == ("sip:1001@example.com", "abc")


def test_wsinv_white_space_everywhere_a_grammar_allows_it() -> None:
    read = request(
        register(
            "s :",
            Via="SIP  / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
            v="SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239",
            To="\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
            From='"J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
            Contact='\r\n "Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n'
            "      newvalue ;\r\n  secondparam ; q = 0.33",
        )
    )

    assert [via.host for via in read.vias] == ["192.0.2.2", "spindle.example.com", "192.168.255.111"]
    assert [via.branch for via in read.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert (read.to.tag, read.from_.tag) == ("1918181833n", "98asjd8")


def test_badinv01_extra_separators_are_400() -> None:
    answer = malformed(
        register(Via="SIP/2.0/UDP 192.0.2.15;;,;,,", Contact='"Joe" <sip:joe@example.org>;;;;')
    )

    assert (answer.status, answer.why) == (400, "bad_via")


@pytest.mark.parametrize("sent_by", ["[2001:db8::9:1]", "[2001:DB8:0::9:1]:5070"])
@pytest.mark.parametrize("received", ["[2001:db8::9:255]", "2001:db8::9:255"])
def test_c17_ipv6_references_are_read(sent_by: str, received: str) -> None:
    read = request(
        register(
            request_line="REGISTER sip:[2001:db8::10] SIP/2.0",
            Via=f"SIP/2.0/UDP {sent_by};received={received};branch=z9hG4bKas3-111",
        )
    )

    assert read.vias[0].host == "2001:db8::9:1"
    assert read.request_uri is not None
    assert read.request_uri.host == "2001:db8::10"
