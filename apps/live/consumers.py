"""The door of one browser page that shows registrations: lets it in, hears it, sends what is there for it.

Must not decide what a page gets: that is the hub's. A plain ASGI application, for a consumer of Channels would go
through a thread at each message.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from django.conf import settings

from apps.live.hub import DATABASE_TROUBLE, SIGNED_OUT, hub
from apps.live.messages import LONGEST_MESSAGE, parse_message
from apps.live.viewer import Viewer

INVALID: Final = 4003
TOO_BIG: Final = 4009
SESSION_KEY: Final = re.compile("[a-z0-9]{8,40}", re.ASCII)


async def registrations_page(
    scope: Mapping[str, Any], receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """An ASGI application for scopes with `cookies`."""
    await receive()  # websocket.connect
    session_key = scope["cookies"].get(settings.SESSION_COOKIE_NAME, "")
    role = await _role(session_key)
    if role is None:
        await send({"type": "websocket.close", "code": SIGNED_OUT, "reason": None})
        return
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    viewer = Viewer(session_key, role)
    hub().join(viewer)
    try:
        async with asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(_pump(viewer, send), name="registrations page")
            while (event := await receive())["type"] == "websocket.receive":
                _hear(viewer, event)
            pump.cancel()
    finally:
        await hub().leave(viewer)


async def _role(session_key: str) -> str | None:
    if not SESSION_KEY.fullmatch(session_key):
        return None
    try:
        return (await hub().roles.roles([session_key])).get(session_key)
    except DATABASE_TROUBLE:
        return None


def _hear(viewer: Viewer, event: Any) -> None:
    if viewer.is_closed:
        return
    text = event.get("text")
    if len(text or event.get("bytes") or "") > LONGEST_MESSAGE:
        viewer.close(TOO_BIG)
        return
    try:
        hub().hear(viewer, parse_message(json.loads(text or "")))
    except (ValueError, RecursionError):
        viewer.close(INVALID)


async def _pump(viewer: Viewer, send: ASGISendCallable) -> None:
    while True:
        await viewer.wake.wait()
        viewer.wake.clear()
        for event in viewer.leaving():
            await send(event)  # type: ignore[arg-type]
