"""Names that people mistake for each other: signs that look alike, and upper case. Pure.

The directory has an index over names folded like this; whoever looks for one folds it with fold().
"""

from typing import Final

LOOK_ALIKE: Final = ("oli", "011")
_FOLDED: Final = str.maketrans(*LOOK_ALIKE)


def fold(name: str) -> str:
    """Lower case, with O as 0, and l and I as 1. In SQL: translate(lower(name), 'oli', '011')."""
    return name.lower().translate(_FOLDED)
