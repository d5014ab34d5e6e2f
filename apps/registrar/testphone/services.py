"""A test of credentials as an act of somebody: written down before it begins, never with the password."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.extensions.audit import Actor, record
from apps.extensions.models import Peer
from apps.registrar.testphone.values import Plan
from apps.sipserver.addresses import parse_address

LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


@transaction.atomic
def credentials_test(*, peer: Peer, actor: Actor) -> Plan:
    """What the test phone needs to try this peer's credentials but for the password. Raises ValidationError when it
    has none."""
    credential = peer.credentials.filter(valid_until__isnull=True).first()
    if credential is None:
        raise ValidationError({"password": f"{peer.name} has no password yet: make one first."})
    record(actor, "credentials_test", peer, {"username": credential.username})
    return Plan(
        peer_id=peer.pk,
        peer_name=peer.name,
        username=credential.username,
        domain=peer.domain.name,
        server=server_address(),
        least_expires_s=peer.min_expires_s or peer.domain.min_expires_s,
        max_contacts=peer.max_contacts,
        enabled=peer.enabled and (peer.extension is None or peer.extension.enabled),
    )


def server_address() -> tuple[str, int]:
    """Where the SIP server is reached from this machine: its own address, over loopback if it has all of them."""
    host, port = parse_address(settings.SIP_BIND)
    return LOOPBACKS.get(host, host), port
