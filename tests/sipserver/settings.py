"""The least Django a SIP server process needs: no database, no other application."""

import os

SECRET_KEY = "only for tests"
INSTALLED_APPS = ["apps.sipserver"]
USE_TZ = True
SIP_BIND = "127.0.0.1:0"
SIP_WORKERS = 2
SIPS_BIND = None
SIP_TLS_CERTIFICATE = SIP_TLS_KEY = None
SIP_TLS_FOLDER = os.environ.get("SIP_TEST_TLS_FOLDER", "/nonexistent")
SIP_TLS_NAMES = ["localhost", "127.0.0.1"]
SIP_CALLS_FOLDER = os.environ.get("SIP_TEST_CALLS_FOLDER", "/nonexistent")
