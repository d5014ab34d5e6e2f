"""How a trunk's server is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trunks.servers import is_host_name, split_server


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("sip.carrier.example", ("sip.carrier.example", None)),
        ("SIP.Carrier.Example.:5080", ("sip.carrier.example", 5080)),
        ("192.0.2.1", ("192.0.2.1", None)),
        ("192.0.2.1:5061", ("192.0.2.1", 5061)),
        ("2001:DB8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]:5061", ("2001:db8::1", 5061)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("::ffff:192.0.2.1", ("192.0.2.1", None)),
        ("carrier:0", None),
        ("carrier:65536", None),
        ("carrier:", None),
        ("carrier:sip", None),
        ("300.1.1.1", None),
        ("192.0.2", None),
        ("fe80::1%eth0", None),
        ("[carrier]:5060", None),
        ("sip:carrier.example", None),
        ("carrier.example;lr", None),
        ("-carrier.example", None),
        ("", None),
    ],
)
def test_a_server_is_a_host_with_or_without_a_port(text: str, split: tuple[str, int | None] | None) -> None:
    assert split_server(text) == split


def test_a_name_is_no_address_and_fits_a_name_server() -> None:
    assert is_host_name("sip-1.carrier.example.")
    assert not is_host_name("a" * 64 + ".example")
    assert not is_host_name(".".join(["abc"] * 70))
    assert not is_host_name("192.0.2.1")


@given(st.text(alphabet="ab1.:[]-%é /", max_size=40))
def test_what_is_split_splits_again_the_same(text: str) -> None:
    found = split_server(text)
    if found is not None:
        host, port = found
        shown = f"[{host}]" if ":" in host else host
        assert split_server(shown if port is None else f"{shown}:{port}") == found
