"""The least Django a SIP server process needs: no database, no other application."""

SECRET_KEY = "only for tests"
INSTALLED_APPS = ["apps.sipserver"]
USE_TZ = True
SIP_BIND = "127.0.0.1:0"
SIP_WORKERS = 2
