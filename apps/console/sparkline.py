"""The last 24 hours as an area: numbers in, SVG path data out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 288
HEIGHT: Final = 40
TOP: Final = 3


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Paths in a WIDTH x HEIGHT box, and the figures a reader who sees no line is told."""

    line: str
    area: str
    least: int
    most: int
    latest: int
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(values: Sequence[int]) -> Sparkline:
    """Scaled from zero, so that half as many phones are half as high. Steps hold until the next value."""
    most = max(values, default=0)
    step = WIDTH / max(1, len(values))
    heights = [HEIGHT - (HEIGHT - TOP) * value / most if most else HEIGHT for value in values] or [HEIGHT]
    line = f"M0 {heights[0]:.1f}" + "".join(
        f"V{height:.1f}H{(index + 1) * step:.0f}" for index, height in enumerate(heights)
    )
    return Sparkline(
        line=line,
        area=f"{line}V{HEIGHT}H0Z",
        least=min(values, default=0),
        most=most,
        latest=values[-1] if values else 0,
    )
