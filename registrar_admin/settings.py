"""Django's settings, all derived from the environment table in registrar_admin/config.py.

Must not read the environment itself: a name that is not in that table does not exist.
"""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from registrar_admin.config import bracketed, database_settings, load_config

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIG = load_config(os.environ)
WEB_URL = CONFIG.web_url or ""

SECRET_KEY = CONFIG.require_secret_key()
CREDENTIAL_KEYS = CONFIG.credential_keys
DEBUG = False
if WEB_URL:
    ALLOWED_HOSTS = [urlsplit(WEB_URL).hostname or "", "localhost", "127.0.0.1"]
    CSRF_TRUSTED_ORIGINS = [WEB_URL]
else:
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", socket.gethostname(), bracketed(CONFIG.http_host)]
    ALLOWED_HOSTS += [bracketed(CONFIG.public_host)]

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "axes",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "registrar_admin",
    "apps.sipserver",
    "apps.extensions",
    "apps.accounts",
    "apps.registrar",
    "apps.diagnosis",
    "apps.routing",
    "apps.trunks",
    "apps.calls",
    "apps.webhooks",
    "apps.console",
    "apps.api",
    "apps.live",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "registrar_admin.content_security_policy.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "registrar_admin.urls"
ASGI_APPLICATION = "registrar_admin.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Under ASGI a persistent connection belongs to a thread that is never met again, so it leaks: a pool instead.
# What needs a session that lasts takes the direct address: LISTEN, locks of a session, a worker's prepared statements.
DATABASE_URL, DATABASE_DIRECT_URL = CONFIG.database_url, CONFIG.database_direct_url
DATABASES = {"default": database_settings(DATABASE_URL)}
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = CONFIG.database_is_pooled
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 8, "timeout": 10}

if CONFIG.redis_url:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [CONFIG.redis_url]},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "console:sign_in"
LOGIN_REDIRECT_URL = "console:registrations"
LOGOUT_REDIRECT_URL = "console:sign_in"

# A guesser is slowed per user name and address together, so the same person elsewhere is not locked out.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "console/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = CONFIG.data_dir / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Behind TLS (the web port answers plain HTTP only on loopback or to a proxy) cookies and redirects are strict.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CONFIG.is_behind_tls else None
SECURE_SSL_REDIRECT = CONFIG.is_behind_tls
SECURE_HSTS_SECONDS = 31_536_000 if CONFIG.is_behind_tls else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = CONFIG.is_behind_tls
SECURE_HSTS_PRELOAD = CONFIG.is_behind_tls
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.is_behind_tls
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.authentication.ApiTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.accounts.permissions.RoleAndScope"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Registrar Admin API",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SERVE_AUTHENTICATION": [],
    "ENUM_NAME_OVERRIDES": {
        "DomainCallMode": "apps.extensions.models.DomainCallMode",
        "TrunkCallMode": "apps.extensions.models.TrunkCallMode",
        "TrustedTransport": "apps.extensions.models.TrustedTransport",
        "TrunkTransport": "apps.extensions.models.TrunkTransport",
        "StateEnum": "apps.registrar.states.PeerState",
    },
}

SIP_BIND = f"{bracketed(CONFIG.sip_host)}:{CONFIG.sip_port}"
SIPS_BIND = f"{bracketed(CONFIG.sips[0])}:{CONFIG.sips[1]}" if CONFIG.sips else None
SIP_TLS_CERTIFICATE, SIP_TLS_KEY = CONFIG.tls_certificate, CONFIG.tls_key
SIP_TLS_FOLDER = CONFIG.data_dir / "tls"
SIP_TLS_NAMES = list(
    dict.fromkeys([CONFIG.public_host, *([CONFIG.domain] if CONFIG.domain else []), "localhost"])
)
SIP_WORKERS = CONFIG.sip_workers
SIP_CALLS_FOLDER = CONFIG.data_dir / "calls"
SIP_PUBLIC_HOST = CONFIG.public_host
SIP_HOST_ADDRESS = CONFIG.sip_host_address
SIP_PORT, SIPS_PORT = CONFIG.sip_port, CONFIG.sips[1] if CONFIG.sips else None
SIP_WEBSOCKET_URL = CONFIG.sip_websocket_url
LEDGER_DAYS = CONFIG.ledger_days

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "apps.registrar.decision_log.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"axes": {"level": "WARNING"}, "django.request": {"level": "ERROR"}},
}
