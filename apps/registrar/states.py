"""The states a peer can be in, computed from facts and the time whenever one is shown."""

from django.db import models


class PeerState(models.TextChoices):
    """Labels are the words on the page."""

    ONLINE = "online", "Online"
    LATE = "late", "Late"
    UNREACHABLE = "unreachable", "Unreachable"
    REFUSED = "refused", "Refused"
    OFFLINE = "offline", "Offline"
    NEVER_REGISTERED = "never_registered", "Never registered"
    DISABLED = "disabled", "Disabled"
