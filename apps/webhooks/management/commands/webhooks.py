"""`manage.py webhooks`: deliver webhooks until Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import signal
from typing import Any

from django.core.management.base import BaseCommand

from apps.webhooks.deliverer import deliver_forever


class Command(BaseCommand):
    help = "Tell webhooks what happens. One process of a site delivers; others wait to take over."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(_until_stopped())


async def _until_stopped() -> None:
    task = asyncio.ensure_future(deliver_forever())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task
