from django.apps import AppConfig


class TrunksConfig(AppConfig):
    name = "apps.trunks"
    default_auto_field = "django.db.models.BigAutoField"
