"""What the tests of probes share: answers to OPTIONS, and bindings that did not come by REGISTER."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from apps.extensions.models import Peer
from apps.registrar.models import Binding
from apps.sip.message import Request, parse_request
from apps.sip.response import build_response

KEY = b"q" * 32
SERVER = "host 127.0.0.1:5060"


def read_options(data: bytes) -> Request:
    request = parse_request(data)
    assert isinstance(request, Request), request
    assert request.method == "OPTIONS"
    return request


def answer_to(data: bytes, status: int = 200) -> bytes:
    return build_response(read_options(data), ("192.0.2.1", 5060), status, "Whatever")


def bind(peer: Peer, number: int = 1, **changes: object) -> UUID:
    """A live binding of the peer over UDP; its id."""
    now = timezone.now()
    contact = f"sip:{peer.name}@10.0.0.{number}:5062"
    columns: dict[str, object] = {
        "aor": f"sip:{peer.name}@example.com",
        "binding_key": contact,
        "peer": peer,
        "extension": peer.extension,
        "contact": contact,
        "received_addr": f"203.0.113.{number}",
        "received_port": 5062,
        "transport": "UDP",
        "call_id": "c",
        "cseq": 1,
        "registered_at": now,
        "refreshed_at": now,
        "expires_at": now + timedelta(hours=1),
        "server": SERVER,
    }
    return Binding.objects.create(**{**columns, **changes}).binding_id
