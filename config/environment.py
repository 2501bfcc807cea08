"""Typed reading of environment variables, with errors that name the variable and the remedy."""

import os
from urllib.parse import unquote, urlsplit


class BadSetting(Exception):
    """An environment variable cannot be understood; the message says which and how to write it."""


def text(name: str, default: str = "") -> str:
    """Value of the variable, stripped; the default when unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """True for 1/true/yes/on, False for 0/false/no/off; anything else raises BadSetting."""
    raw = text(name).lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name}={raw!r} is not a yes or no. Write 1 or 0.")


def number(name: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
    """Whole number between least and most; anything else raises BadSetting."""
    raw = text(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise BadSetting(f"{name}={raw!r} is not a whole number.") from None
    if not least <= value <= most:
        raise BadSetting(f"{name}={value} must lie between {least} and {most}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def database(url: str) -> dict[str, object]:
    """Django's connection settings for a postgresql:// URL.

    A unix socket directory travels as `?host=/path`. Raises BadSetting for another scheme or a
    URL without a database name: Sluice needs row locks, SKIP LOCKED and triggers of PostgreSQL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BadSetting(f"DATABASE_URL must start with postgresql://, not {parts.scheme!r}.")
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise BadSetting("DATABASE_URL names no database. Write postgresql://user@host/sluice.")
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    try:
        port = parts.port
    except ValueError:
        raise BadSetting("DATABASE_URL has a port that is not a number.") from None
    return {
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.pop("host", "")) or parts.hostname or "",
        "PORT": str(port or query.pop("port", "") or ""),
        "OPTIONS": {key: unquote(value) for key, value in query.items()},
    }
