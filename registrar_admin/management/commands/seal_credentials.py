"""`manage.py seal_credentials`: encrypts the phones' password hashes, the passwords carriers gave us and the secrets of
webhooks under the first of REGISTRAR_CREDENTIAL_KEYS.

Run it when a key is set for the first time and after a new one was put in front; again does no harm.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.extensions.audit import Actor
from apps.extensions.ha1s import Ha1Keys
from apps.extensions.sealing import credentials_seal
from apps.trunks.uplink.services import passwords_seal, trunk_keys
from apps.webhooks.services import webhook_secrets_seal


class Command(BaseCommand):
    help = (
        "Encrypts phones' password hashes, carriers' passwords and webhooks' secrets under the first key of "
        "REGISTRAR_CREDENTIAL_KEYS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        ha1_keys = Ha1Keys(settings.CREDENTIAL_KEYS)
        if ha1_keys.newest is None:
            raise CommandError(
                "REGISTRAR_CREDENTIAL_KEYS is not set; expected a key to encrypt under.", returncode=2
            )
        actor = Actor.of_command("seal_credentials")
        done = [
            credentials_seal(ha1_keys=ha1_keys, actor=actor),
            passwords_seal(keys=trunk_keys(), actor=actor),
            webhook_secrets_seal(actor=actor),
        ]
        summary = f"{sum(one.sealed for one in done)} credentials were encrypted under key {ha1_keys.newest}."
        if unreadable := sum(one.unreadable for one in done):
            summary += f" {unreadable} cannot be read: their key is not in REGISTRAR_CREDENTIAL_KEYS."
            raise CommandError(summary, returncode=2)
        self.stderr.write(summary)
