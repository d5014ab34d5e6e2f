"""A tiny ASGI "sip" application for process tests: it answers "<its pid> <what was said>".

b"slow ..." is first answered with "<pid> taken", and half a second later with its real answer.
b"crash" makes the application fail; b"block" stops the event loop for good.
"""

import asyncio
import os
import time

from apps.sipserver.events import Datagram, Receive, Send, SipScope

SLOW_S = 0.5


async def application(scope: SipScope, receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] != "sip.shutdown":
        if event["type"] == "sip.datagrams":
            for datagram in event["datagrams"]:
                await _answer(datagram, send)


async def _answer(datagram: Datagram, send: Send) -> None:
    data, source = datagram
    if data == b"crash":
        raise RuntimeError("asked to crash")
    if data.startswith((b"slow", b"block")):
        await send({"type": "sip.send", "datagrams": [(b"%d taken" % os.getpid(), source)]})
    if data.startswith(b"slow"):
        await asyncio.sleep(SLOW_S)
    if data == b"block":
        time.sleep(3600)  # noqa: ASYNC251 - the fault under test
    await send({"type": "sip.send", "datagrams": [(b"%d %s" % (os.getpid(), data), source)]})
