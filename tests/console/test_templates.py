"""What the strict content security policy and the reading of SIP text rest on."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_inline_script_or_style_and_no_unescaped_text(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", text)
    assert not re.search(r"\|safe\b|autoescape off|mark_safe", text)


def test_scripts_write_no_html_but_what_the_server_rendered() -> None:
    for script in (ROOT / "static" / "js").glob("*.js"):
        text = script.read_text()
        assert not re.search(r"\beval\(|new Function|insertAdjacentHTML|outerHTML|document\.write", text)
        assert text.count("innerHTML") == (1 if script.name == "live-rows.js" else 0)


def test_the_scripts_stay_small() -> None:
    assert sum(script.stat().st_size for script in (ROOT / "static" / "js").glob("*.js")) < 24_000
