"""The states a peer can be in, computed from facts and the time at each read; never stored."""

from django.db import models


class PeerState(models.TextChoices):
    """Labels are the words on the page (ui.md's list)."""

    ONLINE = "online", "Online"
    REFUSED = "refused", "Refused"
    OFFLINE = "offline", "Offline"
    NEVER_REGISTERED = "never_registered", "Never registered"
    DISABLED = "disabled", "Disabled"
