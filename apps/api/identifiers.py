"""Finds what an address or a field names: by its UUID, or by the name people know, `1001` or `1001@example.com`.

Must not guess: a name that several domains have is answered with a 409.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError

from apps.api.problems import AMBIGUOUS, NOT_FOUND, Problem
from apps.extensions.models import SIP_USER_PATTERN, Domain

UUID_PATTERN: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_UUID: Final = re.compile(UUID_PATTERN)
_DOMAIN: Final = re.compile(r"[a-z0-9.:\[\]-]{1,253}")

Found = TypeVar("Found", bound=Model)


@dataclass(frozen=True, slots=True)
class Reference:
    """Either an id, or a name with or without its domain. What has the form of a UUID is one."""

    id: UUID | None = None
    name: str = ""
    domain: str | None = None

    def matching(self, *, id_field: str, name_field: str, domain_field: str) -> Q:
        if self.id is not None:
            return Q(**{id_field: self.id})
        wanted = Q(**{name_field: self.name})
        return wanted if self.domain is None else wanted & Q(**{domain_field: self.domain})


def parse_reference(text: str) -> Reference | None:
    """None when nothing can have this name."""
    if _UUID.fullmatch(text):
        return Reference(id=UUID(text))
    name, at, domain = text.partition("@")
    domain = domain.lower()
    if not re.fullmatch(SIP_USER_PATTERN, name) or (at and not _DOMAIN.fullmatch(domain)):
        return None
    return Reference(name=name, domain=domain if at else None)


def find(queryset: QuerySet[Found], text: str, name_field: str) -> Found:
    """The one row that `text` names. Raises Problem NOT_FOUND or AMBIGUOUS."""
    reference = parse_reference(text)
    found: list[Found] = []
    if reference is not None:
        wanted = reference.matching(id_field="pk", name_field=name_field, domain_field="domain__name")
        found = list(queryset.filter(wanted)[:2])
    if not found:
        raise Problem(NOT_FOUND, f"There is no {queryset.model._meta.verbose_name} of this name or id.")
    if len(found) > 1:
        raise Problem(AMBIGUOUS, f"Several domains have {text}. Say which: {text}@domain.")
    return found[0]


def find_named(field: str, queryset: QuerySet[Found], text: str, name_field: str) -> Found:
    """As find(), for a name in a body: a fault is the field's and not the address's."""
    try:
        return find(queryset, text, name_field)
    except Problem as problem:
        raise ValidationError({field: ErrorDetail(str(problem.detail), problem.kind.code)}) from None


def domain_named(name: str | None) -> Domain:
    """The domain of this name; without a name the only one. Raises ValidationError on the field `domain`."""
    domains = Domain.objects.all()
    if name:
        domains = domains.filter(name=name.lower())
    found = list(domains[:2])
    if len(found) == 1:
        return found[0]
    problem = "Several domains are served here. Say which." if found else "This domain is not served here."
    raise ValidationError({"domain": ErrorDetail(problem, "required" if found else "unknown_domain")})
