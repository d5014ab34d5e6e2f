from django.apps import AppConfig


class SipServerConfig(AppConfig):
    name = "apps.sipserver"
    default_auto_field = "django.db.models.BigAutoField"
