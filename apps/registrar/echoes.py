"""Answers to a REGISTER that was read as text: what they repeat of it, and where they go. Pure.

Says what sip/response.py and received.py say of a request that was read in full. Must not decide what is answered.
"""

import re
from typing import Protocol

from apps.registrar.bindings import Address
from apps.sip.transactions import answer_tag, cookie_key
from apps.sip.uri import normal_host
from apps.sipserver.events import Origin, flow_of


class Echoing(Protocol):
    """What an answer repeats. via: its groups are protocol and sent-by, its host, its port, and the parameters; branch
    begins with the magic cookie; no address of the answer is named in them already."""

    @property
    def origin(self) -> Address | Origin: ...
    @property
    def via(self) -> re.Match[str]: ...
    @property
    def via_host(self) -> str: ...
    @property
    def branch(self) -> str: ...
    @property
    def from_text(self) -> str: ...
    @property
    def to_text(self) -> str: ...
    @property
    def call_id(self) -> str: ...
    @property
    def cseq(self) -> int: ...


def transaction_key(one: Echoing) -> bytes:
    return cookie_key("REGISTER", one.cseq, one.call_id, one.branch, one.via_host, one.via[3] or "")


def response(one: Echoing, head: str, tail: str) -> bytes:
    """The answer (RFC 3261 §8.2.6.2, RFC 3581 §4). head: status and phrase; tail: the headers after the echo, each with
    its line end."""
    sent, _, _, params = one.via.groups("")
    host, port = plain_host(one.origin[0]), one.origin[1]
    asks_rport = f"{params};".find(";rport;")
    if asks_rport >= 0:
        params = f"{params[:asks_rport]};rport={port}{params[asks_rport + 6 :]}"
    if asks_rport >= 0 or one.via_host != host:
        params += f";received={host}"
    tag = answer_tag(transaction_key(one))
    return (
        f"SIP/2.0 {head}\r\nVia: {sent}{params}\r\nFrom: {one.from_text}\r\nTo: {one.to_text};tag={tag}\r\n"
        f"Call-ID: {one.call_id}\r\nCSeq: {one.cseq} REGISTER\r\n{tail}Content-Length: 0\r\n\r\n"
    ).encode()


def way_back(one: Echoing) -> Address | Origin:
    """Over UDP to the host it came from, at the port the Via says (RFC 3261 §18.2.2, RFC 3581 §4)."""
    origin = one.origin
    if flow_of(origin) is not None or ";rport;" in f"{one.via[4]};":
        return origin
    port = int(one.via[3] or (5061 if one.via[1].startswith("SIP/2.0/TLS") else 5060))
    return origin._replace(port=port) if isinstance(origin, Origin) else (origin[0], port)


def plain_host(host: str) -> str:
    """As normal_host has it; raises UriError for what is no IPv6 address."""
    return normal_host(host.partition("%")[0]) if ":" in host else host
