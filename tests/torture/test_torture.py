"""The 61 torture messages, sent over a real socket to a real worker process over a real database."""

import contextlib
import io
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from apps.extensions.models import Domain
from apps.registrar.models import Binding, RegistrationEvent
from tests.addresses import free_address
from tests.registrar.phone import read_reply
from tests.registrar.server import sip_server
from tests.torture.server import Listener, listening
from tests.torture.table import MESSAGES, RFC_4475, RFC_5118, TABLE, Expected

pytestmark = pytest.mark.django_db  # without one marked test there is no test database


@pytest.fixture(scope="module")
def listener(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Listener]:
    """One worker for all messages; at the end nothing is stored and its log holds no error."""
    address, log = free_address(), io.StringIO()
    with django_db_blocker.unblock():
        domain = Domain.objects.create(name="example.com", realm="example.com")
        try:
            with (
                contextlib.redirect_stdout(log),
                sip_server(address, workers=1),
                listening(address) as listener,
            ):
                yield listener
            assert (Binding.objects.count(), RegistrationEvent.objects.count()) == (0, 0)
        finally:
            domain.delete()
    assert " ERROR " not in log.getvalue()
    assert "Exception" not in log.getvalue()


@pytest.mark.parametrize("expected", TABLE, ids=lambda expected: expected.name)
def test_torture_message_is_answered_as_the_table_says(listener: Listener, expected: Expected) -> None:
    answers = listener.answers(expected.data)

    if expected.status is None:
        assert answers == []
        return
    (answer,) = answers
    reply = read_reply(answer)
    assert reply.status == expected.status, reply.raw
    assert reply.headers[0][0] == "Via"
    assert "received=127." in reply.headers[0][1]
    assert reply.headers[-1] == ("Content-Length", "0")
    if reply.status in {405, 501}:
        assert reply.values("Allow") == ["REGISTER, OPTIONS, SUBSCRIBE"]


def test_ipv6_in_sdp_with_its_right_length_is_well_formed(listener: Listener) -> None:
    (message,) = (expected.data for expected in RFC_5118 if expected.name == "ipv6-in-sdp")

    (answer,) = listener.answers(message.replace(b"Content-Length: 268", b"Content-Length: 251"))

    assert read_reply(answer).status == 405


def test_all_messages_of_both_rfcs_are_there() -> None:
    assert (len(RFC_4475), len(RFC_5118)) == (49, 12)
    assert sorted(path.stem for path in MESSAGES.glob("*.dat")) == sorted(expected.name for expected in TABLE)
