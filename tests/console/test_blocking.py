"""Settings: whom the registrar does not answer."""

import pytest
from django.test import Client
from django.utils.html import escape

from apps.extensions.models import AuditEntry, BlockedSource

pytestmark = pytest.mark.django_db
ADD = "/settings/blocked/"


def test_an_admin_blocks_and_unblocks_a_source(as_admin: Client) -> None:
    note = "<b>scanner</b>"
    page = as_admin.post(ADD, {"network": "203.0.113.7", "note": note}, follow=True).content.decode()
    assert "Nothing from 203.0.113.7/32 is answered any more." in page
    assert escape(note) in page
    assert note not in page
    source = BlockedSource.objects.get()
    page = as_admin.post(f"{ADD}{source.pk}/remove/", follow=True).content.decode()
    assert "203.0.113.7/32 is no longer blocked." in page
    assert not BlockedSource.objects.exists()
    assert {entry.actor_name for entry in AuditEntry.objects.filter(action__startswith="source")} == {"ada"}


def test_a_wide_network_is_refused_until_confirmed(as_admin: Client) -> None:
    page = as_admin.post(ADD, {"network": "10.0.0.0/8"}).content.decode()
    assert 'id="blocked_network_error">10.0.0.0/8 blocks 16,777,216 addresses' in page
    assert 'name="wide_confirmed"' in page
    assert as_admin.post(ADD, {"network": "10.0.0.0/8", "wide_confirmed": "on"}).status_code == 302
    assert BlockedSource.objects.exists()


def test_a_supervisor_neither_sees_nor_changes_it(as_supervisor: Client) -> None:
    source = BlockedSource.objects.create(network="203.0.113.7")
    assert "203.0.113.7" not in as_supervisor.get("/settings/").content.decode()
    assert as_supervisor.post(ADD, {"network": "203.0.113.8"}).status_code == 403
    assert as_supervisor.post(f"{ADD}{source.pk}/remove/").status_code == 403
    assert BlockedSource.objects.count() == 1
