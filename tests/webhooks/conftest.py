"""A phone's peer, rows of the ledger as a SIP worker writes them, and a receiver of webhooks on a real socket."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg.types.json import Json

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import extension_create
from apps.registrar import sql
from apps.webhooks.feed import Wanted, feed_update, read

NO_REST = "0 seconds"
Connection = psycopg.Connection[Any]


@dataclass
class Receiver:
    """answers: what it says next, in order; then 204."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.requests for event in json.loads(body)["events"]]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.requests.append(({name.lower(): text for name, text in self.headers.items()}, body))
            status, headers, answer = received.answers.pop(0) if received.answers else (204, {}, b"")
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}/hooks?to=pbx"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield received
        server.shutdown()
        thread.join()


@pytest.fixture
def peer(domain: Domain, actor: Actor) -> Peer:
    return extension_create(domain=domain, number="1001", password="k8-Fuchsbau-71", actor=actor).peer


def event_of(peer: Peer, kind: str = "registered", **facts: Any) -> dict[str, Any]:
    """A row as for INSERT_EVENTS."""
    return {
        "at": "now",
        "event": kind,
        "reason": "ok",
        "aor": "sip:1001@example.com",
        "peer_id": str(peer.pk),
        "extension_id": str(peer.extension_id),
        "contact": "sip:1001@192.0.2.1:5060",
        "received_addr": "203.0.113.9",
        "received_port": 40001,
        "user_agent": "Phone/1",
        "count": 1,
        **facts,
    }


def write(connection: Connection, *events: dict[str, Any]) -> None:
    connection.execute(sql.INSERT_EVENTS, {"rows": Json(list(events))})


@pytest.fixture
def connect(transactional_db: None) -> Iterator[Callable[[], Connection]]:
    """Connections beside Django's, as a SIP worker's."""
    made: list[Connection] = []

    def connected() -> Connection:
        made.append(psycopg.connect(settings.DATABASE_DIRECT_URL))
        return made[-1]

    yield connected
    for connection in made:
        connection.close()


def fed(after: int = 0, **wanted: Any) -> list[dict[str, Any]]:
    """What the feed has, brought up to date."""
    feed_update(NO_REST)
    return read(Wanted(**wanted), after).events
