"""Bindings by SQL, and a connection of a PBX's own role to the test database."""

import hashlib
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Extension, Peer
from apps.extensions.services import extension_create
from apps.routing.models import PbxKind, PbxReader
from apps.routing.pbx.services import pbx_reader_create

Rows = list[dict[str, Any]]
PASSWORD = "k8-Fuchsbau-71"

BIND = """
INSERT INTO registrar_binding (aor, binding_id, binding_key, peer_id, extension_id, contact, q, received_addr,
    received_port, transport, path, instance_id, reg_id, call_id, cseq, user_agent, registered_at, refreshed_at,
    expires_at, refresh_count)
VALUES (%(aor)s, %(binding_id)s, %(binding_key)s, %(peer)s, %(extension)s, %(contact)s, %(q)s, %(addr)s, %(port)s,
    %(transport)s, %(path)s, %(instance_id)s, %(reg_id)s, 'c;1^2@x', 7, 'Phone; v^1', now() - interval '2 h',
    now() - interval '1 h' + %(age)s * interval '1 s', now() + %(expires_in_s)s * interval '1 s', 0)
"""


def bind(peer: Peer, user: str | None = None, **facts: Any) -> str:
    """A binding of the peer under its own name or `user`; the contact that was bound."""
    values: dict[str, Any] = {
        "aor": f"sip:{user or peer.name}@{peer.domain.name}",
        "binding_id": uuid4(),
        "binding_key": uuid4().hex,
        "peer": peer.pk,
        "extension": peer.extension_id,
        "contact": f"sip:{peer.name}@10.0.0.5:5060;ob",
        "q": None,
        "addr": "203.0.113.7",
        "port": 40000,
        "transport": "UDP",
        "path": "",
        "instance_id": None,
        "reg_id": None,
        "age": 0,
        "expires_in_s": 600,
    } | facts
    with connection.cursor() as cursor:
        cursor.execute(BIND, values)
    return str(values["contact"])


def new_device(domain: Domain, number: str, actor: Actor, **facts: Any) -> Peer:
    new = extension_create(domain=domain, number=number, password=PASSWORD, actor=actor, **facts)
    return new.peer


def extension_of(peer: Peer) -> Extension:
    assert peer.extension is not None
    return peer.extension


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Pbx:
    """Statements as the role of a reader sends them, in the test's own transaction."""

    def __init__(self, reader: PbxReader) -> None:
        self.reader = reader

    def ask(self, statement: str, *, expect_rows: bool = True) -> Rows:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL SESSION AUTHORIZATION {self.reader.role}")
            cursor.execute(f"SET LOCAL search_path = {self.reader.kind}")
            try:
                cursor.execute(statement)
                if cursor.description is None:
                    return []
                names = [column.name for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            finally:
                if connection.connection.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
                    cursor.execute("RESET SESSION AUTHORIZATION")
                    cursor.execute("RESET search_path")


def new_pbx(kind: PbxKind, domain: Domain | None, actor: Actor, **fields: Any) -> Pbx:
    role = f"test_{kind.value}_{uuid4().hex[:8]}"
    reader = PbxReader(role=role, kind=kind, domain=domain, **{"sees_hashes": True, **fields})
    return Pbx(pbx_reader_create(reader=reader, actor=actor).reader)


@pytest.fixture
def asterisk(domain: Domain, actor: Actor) -> Pbx:
    return new_pbx(PbxKind.ASTERISK, domain, actor)


@pytest.fixture
def kamailio(domain: Domain, actor: Actor) -> Pbx:
    return new_pbx(PbxKind.KAMAILIO, domain, actor)


@pytest.fixture
def opensips(domain: Domain, actor: Actor) -> Pbx:
    return new_pbx(PbxKind.OPENSIPS, domain, actor)
