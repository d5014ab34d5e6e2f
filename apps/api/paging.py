"""Pages by the last row seen, so that a list can be walked while it changes and page 1,000 costs what page 1 does.

Unlike DRF's own cursor it compares the whole order and not its first column only: thousands of events may share one
instant. The order's last column must be unique. Must not count rows.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeGuard

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import DateTimeField, Model, Q, QuerySet
from django.utils.timezone import is_aware
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
LONGEST_CURSOR: Final = 2048
# Where no index knows what a filter wants, so many rows are looked through for a page, however few are found.
MOST_LOOKED_AT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Position:
    """Just after (or, going back, just before) the row with these values of the order's columns."""

    values: tuple[Any, ...]
    back: bool = False


class Walked(Protocol):
    def walked_rows(self) -> QuerySet[Any]: ...


class KeysetPagination(CursorPagination):
    """Of a view that `walks` only the next MOST_LOOKED_AT rows of the list are looked through: a page may then hold few
    rows, or none, and still have a next."""

    next_link: str | None = None
    previous_link: str | None = None
    page_size = DEFAULT_LIMIT
    max_page_size = MAX_LIMIT
    page_size_query_param = "limit"
    page_size_query_description = f"Rows per page, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} when absent."
    cursor_query_description = "Where to go on; taken from `next` or `previous`, never made up."

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        order: tuple[str, ...] = getattr(view, "ordering", ())
        limit = _limit(request)
        position = _position(request, queryset.model, order)
        back = position is not None and position.back
        direction = _reversed(order) if back else order
        if position is not None:
            queryset = queryset.filter(_beyond(order, position))
        last = _last_looked_at(view.walked_rows(), direction, order, position) if _walks(view) else None
        if last is not None:
            queryset = queryset.filter(_until(order, Position(_values(last, order), back)))
        found = list(queryset.order_by(*direction)[: limit + 1])
        page = found[:limit]
        beyond = page[-1] if len(found) > limit else last
        onwards = self._link(request, beyond, order, back)
        returning = self._link(request, page[0], order, not back) if page and position else None
        self.next_link, self.previous_link = (returning, onwards) if back else (onwards, returning)
        return page[::-1] if back else page

    def _link(self, request: Request, row: Model | None, order: Sequence[str], back: bool) -> str | None:
        if row is None:
            return None
        return replace_query_param(request.build_absolute_uri(), "cursor", _cursor(row, order, back))

    def get_next_link(self) -> str | None:
        return self.next_link

    def get_previous_link(self) -> str | None:
        return self.previous_link

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        cursor, limit = super().get_schema_operation_parameters(view)
        limit["schema"] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [cursor, limit]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        properties = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}


def _limit(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise ValidationError({"limit": f"Give a number from 1 to {MAX_LIMIT}."})
    return int(text)


def _position(request: Request, model: type[Model], order: Sequence[str]) -> Position | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        back, *values = json.loads(base64.urlsafe_b64decode(text[:LONGEST_CURSOR].encode("ascii")))
        pairs = zip(order, values, strict=True)
        return Position(tuple(_value(model, column, value) for column, value in pairs), bool(back))
    except (ValueError, TypeError, RecursionError, binascii.Error, DjangoValidationError):
        raise ValidationError(
            {"cursor": "This is not a cursor of this list."}, code="invalid_cursor"
        ) from None


def _value(model: type[Model], column: str, value: Any) -> Any:
    """The value as the column's own type; whoever makes up a cursor may put anything in it."""
    if not isinstance(value, str | int) or (isinstance(value, str) and not value.isprintable()):
        raise ValueError("neither text nor number")
    field = model._meta.get_field(column.lstrip("-"))
    read = field.to_python(value)  # type: ignore[union-attr]
    if isinstance(field, DateTimeField) and (read is None or not is_aware(read)):
        raise ValueError("no time zone")
    return read


def _walks(view: APIView | None) -> TypeGuard["Walked"]:
    return bool(getattr(view, "walks", False))


def _last_looked_at(
    rows: QuerySet[Any], direction: Sequence[str], order: Sequence[str], position: Position | None
) -> Model | None:
    """The row that ends what is looked through; None: the list ends before. Found along the order's index alone."""
    if position is not None:
        rows = rows.filter(_beyond(order, position))
    columns = [column.lstrip("-") for column in order]
    found: list[Model] = list(rows.order_by(*direction).only(*columns)[MOST_LOOKED_AT - 1 : MOST_LOOKED_AT])
    return found[0] if found else None


def _values(row: Model, order: Sequence[str]) -> tuple[Any, ...]:
    return tuple(getattr(row, column.lstrip("-")) for column in order)


def _cursor(row: Model, order: Sequence[str], back: bool) -> str:
    values = [_plain(value) for value in _values(row, order)]
    return base64.urlsafe_b64encode(json.dumps([back, *values]).encode()).decode()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else getattr(value, "isoformat", lambda: value)()


def _beyond(order: Sequence[str], position: Position) -> Q:
    """Rows after the position in this order: (a, b) > (x, y) is a > x, or a = x and b > y."""
    beyond, equal = Q(), Q()
    for column, value in zip(order, position.values, strict=True):
        name = column.lstrip("-")
        smaller = column.startswith("-") != position.back
        beyond |= equal & Q(**{f"{name}__{'lt' if smaller else 'gt'}": value})
        equal &= Q(**{name: value})
    # Said once more about the first column alone, which is what an index can seek by.
    first = order[0].lstrip("-")
    seek = "lte" if order[0].startswith("-") != position.back else "gte"
    return Q(**{f"{first}__{seek}": position.values[0]}) & beyond


def _until(order: Sequence[str], position: Position) -> Q:
    """Rows before the position in this order, and that row."""
    first = order[0].lstrip("-")
    bound = "gte" if order[0].startswith("-") != position.back else "lte"
    return Q(**{f"{first}__{bound}": position.values[0]}) & ~_beyond(order, position)


def _reversed(order: Sequence[str]) -> tuple[str, ...]:
    return tuple(column[1:] if column.startswith("-") else f"-{column}" for column in order)
