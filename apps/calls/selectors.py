"""Which call processes are well."""

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.calls.models import CallProcess
from apps.registrar.selectors import HEARTBEAT_GOOD_FOR


def call_processes() -> QuerySet[CallProcess]:
    """Those that are well, the oldest first."""
    return CallProcess.objects.filter(seen_at__gt=Now() - HEARTBEAT_GOOD_FOR).order_by("started_at")


def call_process_is_well() -> bool:
    return call_processes().exists()
