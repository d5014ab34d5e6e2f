"""Blocking a source: in words, audited, announced."""

import pytest
from django.core.exceptions import ValidationError

from apps.extensions import services
from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, BlockedSource
from apps.extensions.services import source_block, source_unblock

pytestmark = pytest.mark.django_db


def code(refused: ValidationError, field: str) -> str | None:
    assert list(refused.error_dict) == [field]
    return refused.error_dict[field][0].code


def test_a_source_is_blocked_and_unblocked_with_an_audit_row_each(actor: Actor) -> None:
    source = source_block(network="203.0.113.7", note=" a scanner ", actor=actor)
    assert (str(source.network), source.note) == ("203.0.113.7/32", "a scanner")
    source_unblock(source=source, actor=actor)
    assert not BlockedSource.objects.exists()
    actions = [(entry.action, entry.target_label) for entry in AuditEntry.objects.order_by("id")]
    assert actions == [("source_block", "203.0.113.7/32"), ("source_unblock", "203.0.113.7/32")]


@pytest.mark.parametrize("network", ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32"])
def test_a_wide_network_needs_a_confirmation(network: str, actor: Actor) -> None:
    with pytest.raises(ValidationError) as refused:
        source_block(network=network, actor=actor)
    assert code(refused.value, "network") == "wide_network"
    source_block(network=network, wide_confirmed=True, actor=actor)
    assert BlockedSource.objects.exists()


@pytest.mark.parametrize("network", ["scanner.example", "203.0.113.7/28", "fe80::1%eth0", ""])
def test_what_is_no_network_is_refused_in_words(network: str, actor: Actor) -> None:
    with pytest.raises(ValidationError) as refused:
        source_block(network=network, actor=actor)
    assert list(refused.value.error_dict) == ["network"]


def test_the_same_network_twice_is_refused(actor: Actor) -> None:
    source_block(network="203.0.113.7", actor=actor)
    with pytest.raises(ValidationError) as refused:
        source_block(network="::ffff:203.0.113.7", actor=actor)
    assert code(refused.value, "network") == "unique"


@pytest.mark.parametrize("note", ["two\nlines", "\u202eturned", "x" * 201])
def test_a_note_is_one_line_that_can_be_shown(note: str, actor: Actor) -> None:
    with pytest.raises(ValidationError) as refused:
        source_block(network="203.0.113.7", note=note, actor=actor)
    assert list(refused.value.error_dict) == ["note"]


def test_no_more_can_be_blocked_than_are_read_with_every_batch(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_BLOCKED", 1)
    source_block(network="203.0.113.7", actor=actor)
    with pytest.raises(ValidationError):
        source_block(network="203.0.113.8", actor=actor)
