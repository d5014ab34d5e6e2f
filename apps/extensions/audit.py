"""Who acts, and the row that says what they did.

Must not open a transaction: an entry belongs to the transaction of the change it tells of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.extensions.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who changes the directory. `via` is the door: console, api or command."""

    name: str
    via: str
    user: AbstractUser | None = None

    @classmethod
    def of_user(cls, user: AbstractUser, via: str) -> "Actor":
        return cls(name=user.get_username(), via=via, user=user)

    @classmethod
    def of_command(cls, name: str) -> "Actor":
        return cls(name=name, via="command")


def audit_entry(
    actor: Actor, action: str, target: models.Model, changes: Mapping[str, Any] | None = None
) -> AuditEntry:
    """An unsaved entry. `changes` is {field: value} or {field: [before, after]}; never a password or an HA1."""
    return AuditEntry(
        actor_id=actor.user.pk if actor.user else None,
        actor_name=actor.name,
        via=actor.via,
        action=action,
        target_kind=target._meta.model_name or "",
        target_id=target.pk,
        target_label=str(target),
        changes=dict(changes or {}),
    )


def record(actor: Actor, action: str, target: models.Model, changes: Mapping[str, Any] | None = None) -> None:
    audit_entry(actor, action, target, changes).save(force_insert=True)
