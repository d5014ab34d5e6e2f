"""The one place that sees every door: http | websocket | sip.

Must not hold logic: each protocol's application lives in its own room.
"""

import os

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registrar_admin.settings")
django.setup()

from apps.live.routing import websocket_urlpatterns  # noqa: E402 - needs the apps to be loaded
from apps.registrar.consumers import RegistrarConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        "sip": RegistrarConsumer.as_asgi(),
    }
)
