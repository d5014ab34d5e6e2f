"""Brings the style sheets and scripts to STATIC_ROOT, where the web server takes them from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect_if_changed(stamp: Path) -> bool:
    """Collect if a source file changed since the start that wrote `stamp`: compressing takes seconds."""
    digest = _digest()
    if Path(settings.STATIC_ROOT).is_dir() and stamp.is_file() and stamp.read_text() == digest:
        return False
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(digest)
    return True


def _digest() -> str:
    found = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            path = Path(storage.path(name))
            about = path.stat()
            found.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return found.hexdigest()
