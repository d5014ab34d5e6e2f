from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "apps.routing"
    default_auto_field = "django.db.models.BigAutoField"
