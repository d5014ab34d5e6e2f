"""The trace's page and downloads, and the form of the test phone."""

from collections.abc import Callable

import pytest
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Peer
from apps.extensions.services import NewPeer
from apps.registrar.trace.messages import Message
from apps.registrar.trace.models import Trace, TracedMessage
from apps.registrar.trace.selectors import trace_status
from apps.registrar.trace.services import trace_start, trace_stop
from tests.registrar.trace.messages import CHALLENGE, message

pytestmark = pytest.mark.django_db

HOSTILE = (
    b'<script>alert(1)</script> sip:x\r\nFrom: "><img src=x onerror=alert(1)>\r\n'
    b"X: \x00\xff=cmd|' /C'!A0\xe2\x80\xae\r\n\r\n"
)


@pytest.fixture
def traced(ann: NewPeer, actor: Actor) -> Callable[..., Peer]:
    """The peer with a running trace and these messages."""

    def record(*messages: Message) -> Peer:
        trace = trace_start(peer=ann.peer, actor=actor)
        for one in messages:
            TracedMessage.objects.create(
                trace=trace,
                at=one.at,
                direction=one.direction,
                source=one.source,
                destination=one.destination,
                transport=one.transport,
                data=one.data,
                size=one.size,
            )
        return ann.peer

    return record


def address(name: str, peer: Peer) -> str:
    return reverse(f"console:{name}", args=[peer.pk])


def text_of(answer: HttpResponseBase) -> str:
    content: bytes = getattr(answer, "content")  # noqa: B009 - not of a stream
    return content.decode()


def test_an_admin_starts_and_stops_a_trace(as_admin: Client, ann: NewPeer) -> None:
    started = as_admin.post(address("trace_start", ann.peer), {"minutes": "120"}, follow=True)
    assert "Recording</span> for another" in text_of(started)
    assert trace_status(ann.peer).is_on
    stopped = as_admin.post(address("trace_stop", ann.peer), follow=True)
    assert "Ended" in text_of(stopped)
    assert not trace_status(ann.peer).is_on
    assert list(AuditEntry.objects.values_list("action", "actor_name")[:2]) == [
        ("trace_stop", "ada"),
        ("trace_start", "ada"),
    ]


@pytest.mark.parametrize("minutes", ["", "1", "99999", "x"])
def test_no_other_length_is_taken(minutes: str, as_admin: Client, ann: NewPeer) -> None:
    page = as_admin.post(address("trace_start", ann.peer), {"minutes": minutes}, follow=True)
    assert 'data-level="error"' in text_of(page)
    assert not Trace.objects.exists()


def test_the_ladder_shows_each_message_to_a_supervisor(
    as_supervisor: Client, traced: Callable[..., Peer]
) -> None:
    page = text_of(
        as_supervisor.get(address("trace", traced(message(), message(CHALLENGE, inward=False, after_ms=4))))
    )
    assert page.count('class="rung from-phone') == page.count('class="rung to-phone') == 1
    assert "<b>401 Unauthorized</b>" in page
    assert "10:04:05.254" in page
    assert "Stop recording" not in page
    assert "Download" not in page


def test_hostile_bytes_stay_text(as_admin: Client, traced: Callable[..., Peer]) -> None:
    peer = traced(message(HOSTILE))
    page = text_of(as_admin.get(address("trace", peer)))
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\\x00\\xff" in page
    assert "\u202e" not in page
    text = as_admin.get(address("trace_text", peer))
    assert (text["Content-Type"], text["X-Content-Type-Options"]) == ("text/plain; charset=utf-8", "nosniff")
    assert text["Content-Disposition"] == 'attachment; filename="trace-1001.txt"'
    assert "\x00" not in text_of(text)
    assert "\u202e" not in text_of(text)


def test_the_capture_is_a_file(as_admin: Client, traced: Callable[..., Peer]) -> None:
    answer = as_admin.get(address("trace_capture", traced(message())))
    assert answer.content[:4] == b"\xd4\xc3\xb2\xa1"
    assert answer["Content-Disposition"] == 'attachment; filename="trace-1001.pcap"'


def test_the_extensions_page_says_that_it_is_recorded(
    as_admin: Client, traced: Callable[..., Peer], actor: Actor
) -> None:
    peer = traced(message())
    place = address("extension", peer).replace(str(peer.pk), str(peer.extension_id))
    assert "recording</span> for another" in text_of(as_admin.get(place))
    trace_stop(peer=peer, actor=actor)
    assert "1 message." in text_of(as_admin.get(place))


def test_the_password_is_asked_for_and_never_shown_again(as_admin: Client, ann: NewPeer) -> None:
    page = text_of(as_admin.get(address("credentials_test", ann.peer)))
    assert 'type="password"' in page
    again = as_admin.post(address("credentials_test", ann.peer), {"password": ""})
    assert "This field is required" in text_of(again)
    assert not AuditEntry.objects.filter(action="credentials_test").exists()


def test_a_device_without_a_password_has_nothing_to_test(as_admin: Client, ann: NewPeer) -> None:
    ann.credential.delete()
    answer = as_admin.post(address("credentials_test", ann.peer), {"password": "s3cret-typed"})
    assert "has no password yet" in text_of(answer)
    assert "s3cret-typed" not in text_of(answer)
