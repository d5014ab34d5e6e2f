"""The page of one trunk: what is known of it, and its forms. Must not write."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode

from apps.console.extension_queries import trunk_list
from apps.console.trunk_forms import TrunkNumbersForm, TrustedAddressForm
from apps.extensions.models import Peer
from apps.trunks.findings import Finding, Name
from apps.trunks.status import TrunkStatus, number_in, number_out, status_of
from apps.trunks.uplink.selectors import page_version, uplink_state

MOST_NUMBERS: Final = 100
LONGEST_TRIED: Final = 64


@dataclass(frozen=True, slots=True)
class Action:
    url: str
    label: str


@dataclass(frozen=True, slots=True)
class FindingLine:
    finding: Finding
    action: Action | None


@dataclass(frozen=True, slots=True)
class HostLine:
    """A trusted host name's row, and what it leads to."""

    row: Any
    name: Name


def trunk_named(trunk_id: UUID) -> Peer:
    """Raises Http404."""
    return get_object_or_404(trunk_list(), pk=trunk_id)


def trunk_page(
    request: HttpRequest,
    trunk: Peer,
    address_form: TrustedAddressForm | None = None,
    numbers_form: TrunkNumbersForm | None = None,
) -> HttpResponse:
    status, uplink = status_of(trunk), uplink_state(trunk)
    called, dialled = (request.GET.get(name, "")[:LONGEST_TRIED].strip() for name in ("called", "dialled"))
    context = {
        "section": "trunks",
        "trunk": trunk,
        "settings": trunk.trunk_settings,
        "status": status,
        "now": status.now,
        "lines": [_line(trunk, finding) for finding in status.findings],
        "hosts": [HostLine(host, status.names[host.name]) for host in trunk.trusted_hosts.all()],
        "server_name": _server_name(trunk, status),
        "address_form": address_form
        or TrustedAddressForm(initial={"network": request.GET.get("add", "")[:64]}),
        "numbers_form": numbers_form or TrunkNumbersForm(),
        "numbers": list(trunk.trunk_numbers.select_related("extension")[:MOST_NUMBERS]),
        "number_count": trunk.trunk_numbers.count(),
        "uplink": uplink,
        "version": page_version(status, uplink),
        "tried_in": number_in(trunk, called) if called else None,
        "tried_out": number_out(trunk, dialled) if dialled else None,
    }
    return render(request, "console/trunks/show.html", context)


def _line(trunk: Peer, finding: Finding) -> FindingLine:
    page = reverse("console:trunk", args=[trunk.pk])
    if finding.add:
        return FindingLine(
            finding, Action(f"{page}?{urlencode({'add': finding.add})}#add-address", f"Add {finding.add}")
        )
    if finding.code == "disabled":
        return FindingLine(finding, Action(reverse("console:trunk_edit", args=[trunk.pk]), "Settings"))
    if finding.code == "trusted_from_nowhere":
        return FindingLine(finding, Action(f"{page}#add-address", "Add an address"))
    return FindingLine(finding, None)


def _server_name(trunk: Peer, status: TrunkStatus) -> Name | None:
    """What the server's host name leads to; None where it is an address."""
    host = trunk.trunk_settings.server.rpartition(":")[0] or trunk.trunk_settings.server
    return status.names.get(host) or status.names.get(trunk.trunk_settings.server)
