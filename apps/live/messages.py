"""What a browser may say over the socket, read into values. Pure.

Whatever is not exactly that is an InvalidMessageError: the page we sent never says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from apps.registrar.overview.orders import LONGEST_PLACE

MOST_WATCHED: Final = 200
LONGEST_TEXT: Final = 200
LONGEST_MESSAGE: Final = 32_768

View = Literal["row", "line", "page", "trunk"]
VIEWS: Final[tuple[View, ...]] = ("row", "line", "page", "trunk")


class InvalidMessageError(ValueError):
    """Not one of our messages."""


@dataclass(frozen=True, slots=True)
class ShownList:
    """The part of which list the page shows, as in its address."""

    search: str
    state: str
    order: str
    place: str
    size: int


@dataclass(frozen=True, slots=True)
class Watch:
    """The page shows these peers, each in this version."""

    versions: dict[UUID, str]
    view: View
    shown_list: ShownList | None


@dataclass(frozen=True, slots=True)
class Refresh:
    """Something about these peers has just run out."""

    peer_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Seen:
    """The update of this number has arrived; the next may come."""

    number: int


Message = Watch | Refresh | Seen


def parse_message(content: Any) -> Message:
    if not isinstance(content, dict):
        raise InvalidMessageError("not an object")
    if "watch" in content:
        return _watch(content)
    if "refresh" in content:
        return Refresh(frozenset(_ids(content["refresh"])))
    return Seen(_number(content, "seen"))


def _watch(content: Mapping[str, Any]) -> Watch:
    shown, view = content["watch"], content.get("as")
    if not isinstance(shown, dict) or view not in VIEWS:
        raise InvalidMessageError("watch")
    versions = [_text(version) for version in shown.values()]
    versions_of = dict(zip(_ids(list(shown)), versions, strict=True))
    shown_list = _shown_list(content["list"]) if content.get("list") is not None else None
    return Watch(versions=versions_of, view=view, shown_list=shown_list)


def _shown_list(content: Any) -> ShownList:
    if not isinstance(content, dict):
        raise InvalidMessageError("list")
    return ShownList(
        search=_text(content.get("search")),
        state=_text(content.get("state")),
        order=_text(content.get("order")),
        place=_text(content.get("place"), LONGEST_PLACE),
        size=min(_number(content, "size"), MOST_WATCHED),
    )


def _ids(names: Any) -> list[UUID]:
    if not isinstance(names, list) or len(names) > MOST_WATCHED:
        raise InvalidMessageError("peer ids")
    try:
        return [UUID(hex=name) for name in names]
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidMessageError("peer id") from error


def _text(value: Any, longest: int = LONGEST_TEXT) -> str:
    if not isinstance(value, str) or len(value) > longest or "\0" in value:
        raise InvalidMessageError("text")
    return value


def _number(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if type(value) is not int or not 0 <= value < 2**31:
        raise InvalidMessageError(name)
    return value
