"""Finding the ASGI application a worker hosts."""

from __future__ import annotations

import importlib
from typing import cast

from channels.routing import get_default_application

from .events import Application


def load_application(name: str | None) -> Application:
    """The application called "package.module:attribute", or settings.ASGI_APPLICATION when None.

    Raises ImportError or AttributeError, and ImproperlyConfigured for the setting.
    """
    if name is None:
        return cast(Application, get_default_application())
    module, _, attribute = name.partition(":")
    return cast(Application, getattr(importlib.import_module(module), attribute or "application"))
