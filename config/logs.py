"""Logs as JSON lines: control characters are escaped, and secrets and phones are masked."""

import re
from typing import Any

import structlog

SECRET_KEYS = re.compile(r"authorization|api.?key|secret|password|cookie|token|signature", re.I)
KEY_VALUE = re.compile(r"(Api-Key\s+(?:sk_[0-9a-f]{10}_)?|sk_[0-9a-f]{10}_)[^\s\"'&,;/]+", re.I)
SECRET_VALUE = re.compile(r"(whsec_)(?:[A-Za-z0-9+/=]|\\+/|%2[BF]|%3D)+", re.I)
"""Base64, which has slashes in it, also as JSON and URLs write it."""
PHONE = re.compile(
    r"(?:(?<!\d)|(?<=%[0-9A-F]{2}))"  # a digit before it may end an escape such as %20
    r"((?:(?:\+|00)?86(?:[ -]|%20)?)?1[3-9]\d)[ -]?\d{4}[ -]?(\d{4})(?!\d)"
)
ROW = re.compile(
    r"(DETAIL: +|CONTEXT: +(?:COPY|JSON data|unnamed portal|portal)\b)"
    r".*?(?=\n[ |]*(?:HINT|CONTEXT|QUERY|LOCATION): |\n[ |]*\n[ |]*(?:The above|During handling) "
    r"|\Z)",
    re.S,
)
"""Where PostgreSQL quotes the row that it refused, with everything that stands in it.

A value may hold line breaks, so what is quoted ends only where something else begins.
"""


def mask_text(text: str) -> str:
    """The text without keys, webhook secrets, mainland mobile numbers and quoted rows."""
    text = KEY_VALUE.sub(r"\1***", text)
    text = SECRET_VALUE.sub(r"\1***", text)
    text = ROW.sub(r"\1***", text)
    return PHONE.sub(r"\1****\2", text)


def mask(value: Any, key: str = "") -> Any:
    """The value with everything masked that must not stand in a log, at any depth."""
    if SECRET_KEYS.search(key):
        return "***"
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {name: mask(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(item) for item in value]
    return value


def _mask_event(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: item if key.startswith("_") else mask(item, key) for key, item in event.items()}


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _mask_event,
]


def dictionary(level: str) -> dict[str, Any]:
    """Django's LOGGING setting."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _mask_event,
                    structlog.processors.JSONRenderer(ensure_ascii=True),
                ],
                "foreign_pre_chain": SHARED,
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django_structlog": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


def configure() -> None:
    """Route structlog through the standard library, so that one formatter writes everything."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
