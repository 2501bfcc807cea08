"""Settings of every process; with config.environment the sole reader of environment variables."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import admin_menu, embedded, logs
from config.beat_schedule import SCHEDULE
from config.environment import BadSetting, database, flag, number, text, words

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(text("SLUICE_DATA_DIR") or BASE_DIR / ".data")
VERSION = "0.1.0"

try:
    PRODUCTION = flag("SLUICE_PRODUCTION")
    DEBUG = flag("SLUICE_DEBUG")
    NO_DATABASE = flag("SLUICE_NO_DATABASE")

    # --- secrets -------------------------------------------------------------------------------
    DEFAULT_SECRET = "insecure-secret-for-development-and-the-demo"
    SECRET_KEY = text("SLUICE_SECRET_KEY", DEFAULT_SECRET)
    if PRODUCTION and (SECRET_KEY == DEFAULT_SECRET or len(SECRET_KEY) < 40):
        raise BadSetting(
            "SLUICE_SECRET_KEY must be set to at least 40 random characters in production, "
            'for instance from: python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    if PRODUCTION and DEBUG:
        raise BadSetting("SLUICE_DEBUG shows secrets to visitors; it cannot be on in production.")
    ALLOWED_HOSTS = words("SLUICE_ALLOWED_HOSTS", "" if PRODUCTION else "*")
    if PRODUCTION and not ALLOWED_HOSTS:
        raise BadSetting("SLUICE_ALLOWED_HOSTS must name the hosts served, comma-separated.")
    CSRF_TRUSTED_ORIGINS = words("SLUICE_TRUSTED_ORIGINS")

    # --- database and broker: given, or embedded -----------------------------------------------
    DATABASE_URL = text("DATABASE_URL")
    BROKER_URL = text("BROKER_URL")
    CACHE_URL = text("CACHE_URL")
    if NO_DATABASE:
        DATABASE_URL = DATABASE_URL or "postgresql:///not-used?host=/nonexistent"
        BROKER_URL, CACHE_URL = BROKER_URL or "memory://", CACHE_URL or "redis://127.0.0.1:1/0"
    if PRODUCTION and not (DATABASE_URL and BROKER_URL):
        raise BadSetting("DATABASE_URL and BROKER_URL must be set in production.")
    EMBEDDED_DATABASE = not DATABASE_URL
    EMBEDDED_BROKER = not BROKER_URL
    if EMBEDDED_DATABASE:
        volatile = flag("SLUICE_EMBEDDED_VOLATILE")
        DATABASE_URL = embedded.start_postgres(DATA_DIR, volatile=volatile)
    if EMBEDDED_BROKER:
        redis = embedded.start_redis(DATA_DIR)
        BROKER_URL, CACHE_URL = redis.broker_url, CACHE_URL or redis.cache_url
    if not CACHE_URL:
        if not BROKER_URL.startswith(("redis://", "rediss://")):
            raise BadSetting("CACHE_URL must name a Redis when BROKER_URL is not one.")
        CACHE_URL = BROKER_URL

    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            **database(DATABASE_URL),
            "CONN_MAX_AGE": number("SLUICE_CONN_MAX_AGE", 600),
            "CONN_HEALTH_CHECKS": True,
            "TEST": {"NAME": text("TEST_DATABASE_NAME", "test_sluice")},
        }
    }

    # --- how the desk behaves -------------------------------------------------------------------
    SHOP_TIME_ZONE = text("SLUICE_SHOP_TIME_ZONE", "Asia/Shanghai")
    HOLD_DUE_MINUTES = number("SLUICE_HOLD_DUE_MINUTES", 120, least=1)
    RETURN_DAYS = number("SLUICE_RETURN_DAYS", 7, least=0)
    EXCHANGE_DAYS = number("SLUICE_EXCHANGE_DAYS", 15, least=0)
    CLAIM_SECONDS = number("SLUICE_CLAIM_SECONDS", 60, least=5)
    AUTHOR_MAY_RELEASE = flag("SLUICE_AUTHOR_MAY_RELEASE")
    RULES_APPROVER_REQUIRED = flag("SLUICE_RULES_APPROVER_REQUIRED")
    BACKTEST_PROCESSES = number("SLUICE_BACKTEST_PROCESSES", 2, least=1, most=2)
    SCREENING_BUDGET_MS = number("SLUICE_SCREENING_BUDGET_MS", 500, least=10)
    BULK_LIMIT = number("SLUICE_BULK_LIMIT", 1000, least=1, most=10_000)
    CURRENCY = text("SLUICE_CURRENCY", "CNY")
    FEED_ALLOW_PRIVATE_ADDRESSES = flag("SLUICE_FEED_ALLOW_PRIVATE_ADDRESSES", not PRODUCTION)
    FEED_LEASE_SECONDS = number("SLUICE_FEED_LEASE_SECONDS", 30, least=5)
    FEED_RETENTION_DAYS = number("SLUICE_FEED_RETENTION_DAYS", 30, least=1)
    API_THROTTLE_PER_MINUTE = number("SLUICE_API_THROTTLE_PER_MINUTE", 60_000, least=1)
    FEED_ALERT_LAG_SECONDS = number("SLUICE_FEED_ALERT_LAG_SECONDS", 300, least=1)
    FEED_ALERT_CONSUMER_SECONDS = number("SLUICE_FEED_ALERT_CONSUMER_SECONDS", 3600, least=60)
    FEED_ALERT_WRITER_SECONDS = number("SLUICE_FEED_ALERT_WRITER_SECONDS", 60, least=1)
    STOP_ALERT_MINUTES = number("SLUICE_STOP_ALERT_MINUTES", 15, least=1)
    ALERT_URLS = words("SLUICE_ALERT_URLS")
    ALERT_EVERY_MINUTES = number("SLUICE_ALERT_EVERY_MINUTES", 15, least=1)
    SMS_URLS = words("SLUICE_SMS_URLS")
    SMS_OUTBOX = None if PRODUCTION else DATA_DIR / "sms-outbox.txt"
    if PRODUCTION and not SMS_URLS:
        raise BadSetting(
            "SLUICE_SMS_URLS must name an apprise SMS service for the portal's codes, "
            "with {phone} where the number belongs."
        )
    TRUSTED_PROXIES = number("SLUICE_TRUSTED_PROXIES", 0, most=5)
    LOG_LEVEL = text("SLUICE_LOG_LEVEL", "INFO").upper()
    if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise BadSetting("SLUICE_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR.")
except BadSetting as error:
    raise ImproperlyConfigured(str(error)) from None

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_fsm",
    "pgtrigger",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "django_celery_beat",
    "django_structlog",
    "allauth",
    "allauth.account",
    "changefeed",
    "rules",
    "orders",
    "returns",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.middleware.LogContextMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
                "django.template.context_processors.i18n",
            ]
        },
    }
]

# --- language and time ----------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_I18N = True
USE_TZ = True

# --- people ---------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_ADAPTER = "orders.portal.adapter.PhoneAdapter"
ACCOUNT_LOGIN_METHODS = {"phone"}
ACCOUNT_SIGNUP_FIELDS = ["phone*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 600
ACCOUNT_RATE_LIMITS = {"request_login_code": "60/h/ip,1/m/key,5/h/key,10/d/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
LOGIN_URL = "account_request_login_code"
LOGIN_REDIRECT_URL = "portal:orders"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_COOKIE_HTTPONLY = True
# Not in a cookie, where they would stand in clear: a new key or secret is shown as one.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PRODUCTION:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
    SECURE_HSTS_SECONDS = 31_536_000

# --- static files ---------------------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = not PRODUCTION
if not PRODUCTION:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)

# --- cache, jobs ----------------------------------------------------------------------------------
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "sluice",
    }
}
CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- API ------------------------------------------------------------------------------------------
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024  # a bulk call of 1,000 orders has about 1.5 MB
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["changefeed.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["changefeed.api.permissions.DenyAll"],
    "DEFAULT_PARSER_CLASSES": ["config.json_api.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.json_api.JsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.json_api.JsonNegotiation",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["config.throttling.KeyThrottle"],
    "EXCEPTION_HANDLER": "config.api_errors.problem_response",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sluice API",
    "DESCRIPTION": "Intake, screening, holds, shipments, returns and the change feed.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "DEFAULT_GENERATOR_CLASS": "config.openapi.KeptSchemaGenerator",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.add_problems",
        "changefeed.api.webhooks.add_webhooks",
    ],
    "ENUM_NAME_OVERRIDES": {
        "OrderState": "orders.status.OrderState",
        "HoldState": "orders.status.HoldState",
        "HoldOwner": "orders.status.HoldOwner",
        "ShipmentState": "orders.status.ShipmentState",
        "Risk": "orders.status.Risk",
        "FollowUp": "orders.status.FollowUp",
    },
}

UNFOLD = admin_menu.UNFOLD

# --- logs: JSON lines, so control characters of a header or a field cannot forge one --------------
LOGGING = logs.dictionary(LOG_LEVEL)
logs.configure()
