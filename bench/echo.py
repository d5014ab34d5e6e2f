"""An ASGI "sip" application that sends back what it got: what our reader and sender cost alone."""

from apps.sipserver.events import Receive, Send, SipScope


async def application(scope: SipScope, receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] != "sip.shutdown":
        if event["type"] == "sip.datagrams":
            await send({"type": "sip.send", "datagrams": event["datagrams"]})
