"""The one place that sees every door: http | websocket | sip | sip.calls.

Must not hold logic: each protocol's application lives in its own room.
"""

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registrar_admin.settings")
django.setup()

from apps.api.event_stream import EventStreams  # noqa: E402 - needs the apps to be loaded
from apps.calls.consumers import CallConsumer  # noqa: E402
from apps.live.routing import websocket_urlpatterns  # noqa: E402
from apps.registrar.consumers import RegistrarConsumer  # noqa: E402
from apps.registrar.websocket import SipConsumer  # noqa: E402

phones = path("sip", SipConsumer.as_asgi())  # type: ignore[arg-type]  # django-stubs know views only
pages_router = URLRouter(websocket_urlpatterns)
# Cookies are for people, and the door looks at the session; the look-ahead leaves the path to the inner router.
pages = re_path(r"^(?=ws/)", CookieMiddleware(pages_router))

application = ProtocolTypeRouter(
    {
        "http": EventStreams(get_asgi_application()),
        "websocket": AllowedHostsOriginValidator(URLRouter([phones, pages])),  # type: ignore[list-item]
        "sip": RegistrarConsumer.as_asgi(),
        "sip.calls": CallConsumer.as_asgi(),
    }
)
