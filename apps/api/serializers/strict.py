"""The base of every body the API takes: only named fields, and a name nobody knows is refused (not ignored)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError


class StrictSerializer(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            problem = f"This cannot be set here. What can: {', '.join(sorted(self.fields))}."
            raise ValidationError({_shown(name): [ErrorDetail(problem, "unknown_field")] for name in unknown})
        return super().to_internal_value(data)


def _shown(name: object) -> str:
    """A lone surrogate, which JSON can escape but UTF-8 cannot hold, as a question mark."""
    return str(name)[:64].encode(errors="replace").decode()
