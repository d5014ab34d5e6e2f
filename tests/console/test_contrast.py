"""Every pair of colours that text or signs are read in reaches WCAG AA, in both themes."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
TEXT, SIGN = 4.5, 3.0
GROUNDS = ("paper", "surface", "raised", "hover")
PAIRS = [
    *[(word, ground, TEXT) for word in ("ink", "ink-quiet", "accent") for ground in GROUNDS],
    *[(state, ground, TEXT) for state in ("online", "late", "refused", "grey") for ground in GROUNDS],
    *[(word, "accent-soft", TEXT) for word in ("ink", "ink-quiet", "accent", "online", "refused", "grey")],
    *[(state, f"{state}-soft", TEXT) for state in ("online", "late", "refused")],
    *[("ink", f"{state}-soft", TEXT) for state in ("online", "late", "refused")],
    ("on-accent", "accent", TEXT),
    ("on-danger", "refused", TEXT),
    *[("line-strong", ground, SIGN) for ground in GROUNDS],
]


def tokens() -> dict[str, tuple[str, str]]:
    text = (CSS / "tokens.css").read_text()
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", text)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast_is_aa(front: str, ground: str, least: float, theme: int) -> None:
    colours = tokens()
    a, b = luminance(colours[front][theme]), luminance(colours[ground][theme])
    assert (max(a, b) + 0.05) / (min(a, b) + 0.05) >= least


def test_colours_are_named_in_the_tokens_alone() -> None:
    for sheet in CSS.glob("*.css"):
        if sheet.name != "tokens.css":
            colours = set(re.findall(r"#[0-9a-f]{3,8}\b", sheet.read_text()))
            assert colours <= {"#fff", "#000", "#00000059"}, sheet.name  # the QR code, a dialog's backdrop
