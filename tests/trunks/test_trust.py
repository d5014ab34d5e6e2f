"""Whose packet it is, by its source alone."""

from ipaddress import ip_address, ip_network
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trunks.trust import Entry, TrustTable, source_address

NORTH, SOUTH = UUID(int=1), UUID(int=2)


def entry(network: str, peer_id: UUID = NORTH, **rest: object) -> Entry:
    return Entry(ip_network(network), peer_id, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("entries", [[], [entry("192.0.2.16/32")]])
def test_c117_who_is_in_no_list_is_nobodys(entries: list[Entry]) -> None:
    assert TrustTable(entries).trunk_at("192.0.2.17", 5060, "UDP") is None


def test_c115_f39_of_a_whole_neighbourhood_only_the_carrier_is_known() -> None:
    """A packet's source is all that is asked for: what a forged one says of itself is not even an argument."""
    table = TrustTable([entry("192.0.2.16/32", port=5060, transport="UDP")])
    known = [
        (host, port, transport)
        for host in map(str, ip_network("192.0.2.0/24"))
        for port in (5059, 5060, 5061)
        for transport in ("UDP", "TCP", "TLS", "WS", "WSS")
        if table.trunk_at(host, port, transport) is not None
    ]
    assert known == [("192.0.2.16", 5060, "UDP")]


@pytest.mark.parametrize(
    ("network", "port", "transport", "host", "whose"),
    [
        ("192.0.2.16/32", None, "", "192.0.2.16", NORTH),
        ("192.0.2.16/30", None, "", "192.0.2.19", NORTH),
        ("192.0.2.16/30", None, "", "192.0.2.20", None),
        ("192.0.2.16/32", 5060, "UDP", "192.0.2.16", NORTH),
        ("192.0.2.16/32", 5070, "", "192.0.2.16", None),
        ("192.0.2.16/32", None, "TLS", "192.0.2.16", None),
        ("2001:db8::/48", None, "", "2001:db8::1", NORTH),
        ("2001:db8::/48", None, "", "2001:db8:1::1", None),
        ("fe80::/64", None, "", "fe80::1%eth0", None),
        ("0.0.0.0/0", None, "", "not an address", None),
        ("0.0.0.0/0", None, "", "", None),
    ],
)
def test_address_port_and_transport_have_to_fit(
    network: str, port: int | None, transport: str, host: str, whose: UUID | None
) -> None:
    table = TrustTable([entry(network, port=port, transport=transport)])
    assert table.trunk_at(host, 5060, "UDP") == whose


@pytest.mark.parametrize("transport", ["WS", "WSS", "", "udp", "SCTP"])
def test_no_websocket_is_trusted_by_its_address(transport: str) -> None:
    assert TrustTable([entry("192.0.2.16/32")]).trunk_at("192.0.2.16", 5060, transport) is None


def test_c116_an_ipv4_mapped_source_is_its_ipv4_address() -> None:
    table = TrustTable([entry("192.0.2.1/32")])
    assert table.trunk_at("::ffff:192.0.2.1", 5060, "UDP") == NORTH
    assert source_address("::ffff:192.0.2.1") == ip_address("192.0.2.1")


def test_c116_all_of_one_family_says_nothing_of_the_other() -> None:
    assert TrustTable([entry("0.0.0.0/0")]).trunk_at("2001:db8::1", 5060, "UDP") is None
    assert TrustTable([entry("::/0")]).trunk_at("192.0.2.1", 5060, "UDP") is None
    assert TrustTable([entry("::/0")]).trunk_at("::ffff:192.0.2.1", 5060, "UDP") is None


@pytest.mark.parametrize(
    ("north", "south", "whose"),
    [
        (entry("192.0.2.0/24"), entry("192.0.2.16/32", SOUTH), SOUTH),
        (entry("192.0.2.16/32"), entry("192.0.2.16/32", SOUTH), None),
        (entry("192.0.2.16/32"), entry("192.0.2.16/32", SOUTH, port=5060), SOUTH),
        (entry("192.0.2.16/32", transport="UDP"), entry("192.0.2.16/32", SOUTH, port=5060), None),
        (entry("192.0.2.16/32", port=5060, transport="UDP"), entry("192.0.2.16/32", SOUTH, port=5060), NORTH),
        (entry("192.0.2.0/24"), entry("192.0.2.16/32", SOUTH, port=5070), NORTH),
        # A tie of the most specific does not fall back to who has less to say.
        (entry("192.0.2.0/24"), entry("192.0.2.16/32", SOUTH, enabled=False), None),
        (entry("192.0.2.16/32", enabled=False), entry("192.0.2.16/32", SOUTH), SOUTH),
    ],
)
def test_of_two_trunks_the_more_specific_wins_and_a_tie_is_nobodys(
    north: Entry, south: Entry, whose: UUID | None
) -> None:
    assert TrustTable([north, south]).trunk_at("192.0.2.16", 5060, "UDP") == whose
    assert TrustTable([south, north]).trunk_at("192.0.2.16", 5060, "UDP") == whose


NETWORKS = st.one_of(
    st.builds(
        lambda host, bits: f"{ip_network((f'198.51.{host % 4}.{host % 256}', bits), strict=False)}",
        st.integers(0, 1023),
        st.integers(16, 32),
    ),
    st.builds(
        lambda host, bits: f"{ip_network((f'2001:db8::{host:x}', bits), strict=False)}",
        st.integers(0, 255),
        st.integers(112, 128),
    ),
)
ENTRIES = st.builds(
    entry,
    NETWORKS,
    st.sampled_from([NORTH, SOUTH, UUID(int=3)]),
    port=st.sampled_from([None, 5060, 5070]),
    transport=st.sampled_from(["", "UDP", "TLS"]),
    enabled=st.booleans(),
)
SOURCES = st.tuples(
    st.one_of(
        st.integers(0, 1023).map(lambda host: f"198.51.{host % 4}.{host % 256}"),
        st.integers(0, 255).map(lambda host: f"2001:db8::{host:x}"),
    ),
    st.sampled_from([5060, 5070, 5080]),
    st.sampled_from(["UDP", "TCP", "TLS"]),
)


@given(st.lists(ENTRIES, max_size=12), SOURCES)
def test_the_table_answers_as_reading_every_line_would(
    entries: list[Entry], source: tuple[str, int, str]
) -> None:
    host, port, transport = source
    address = ip_address(host)
    fitting = [one for one in entries if address in one.network and one.fits(port, transport)]
    best = max(((one.network.prefixlen, one.named) for one in fitting), default=None)
    owners = {one.peer_id for one in fitting if (one.network.prefixlen, one.named) == best and one.enabled}
    expected = owners.pop() if len(owners) == 1 else None
    assert TrustTable(entries).trunk_at(host, port, transport) == expected


@given(st.lists(ENTRIES, max_size=6), st.text(max_size=50), st.integers(), st.text(max_size=5))
def test_whatever_the_source_is_called_nothing_breaks(
    entries: list[Entry], host: str, port: int, transport: str
) -> None:
    TrustTable(entries).trunk_at(host, port, transport)


@given(ENTRIES, ENTRIES)
def test_what_ties_meets_and_both_go_either_way(one: Entry, other: Entry) -> None:
    assert one.meets(other) == other.meets(one)
    assert one.ties(other) == other.ties(one)
    assert one.meets(other) or not one.ties(other)
