"""A memory of bounded size: what was noted last is known, what was noted long ago is forgotten. Pure.

Two generations: when the new one is full the old one goes, all at once, so that nothing is ever searched for the
oldest.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Never more than `most` entries; the last half of that many is always there."""

    def __init__(self, most: int) -> None:
        self._most_new = max(1, most // 2)
        self._new: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def note(self, key: Key, value: Value) -> None:
        self._new[key] = value
        if len(self._new) >= self._most_new:
            self._old, self._new = self._new, {}

    def get(self, key: Key) -> Value | None:
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def __contains__(self, key: Key) -> bool:
        return key in self._new or key in self._old

    def __len__(self) -> int:
        """At least how many are remembered; one that is in both generations counts twice."""
        return len(self._new) + len(self._old)
