"""PostgreSQL and Redis from wheels, for a machine without either; knows nothing of Django."""

from pathlib import Path
from shutil import rmtree

from config.embedded.homes import remove_home
from config.embedded.postgres import postgres_running, start_postgres, stop_postgres
from config.embedded.redis import RedisUrls, redis_running, start_redis, stop_redis
from config.embedded.servers import EmbeddedServerError


def remove_data(data_dir: Path) -> None:
    """Delete what both servers keep; they must be stopped."""
    data_dir = data_dir.resolve()
    remove_home(data_dir)
    rmtree(data_dir / "redis", ignore_errors=True)


__all__ = [
    "EmbeddedServerError",
    "RedisUrls",
    "postgres_running",
    "redis_running",
    "remove_data",
    "start_postgres",
    "start_redis",
    "stop_postgres",
    "stop_redis",
]
