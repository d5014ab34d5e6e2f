"""WebSocket addresses."""

from django.urls import path

from apps.live.consumers import RegistrationsConsumer

websocket_urlpatterns = [path("ws/registrations/", RegistrationsConsumer.as_asgi())]
