"""`python -m config.embedded start|stop|status|remove`: the embedded servers by hand."""

import argparse
import sys
from pathlib import Path

from config import embedded

DATA_DIR = Path(__file__).resolve().parents[2] / ".data"


def main() -> int:
    """Do what the command line asks; 1 when `status` finds a server down, 2 on failure."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__)
    parser.add_argument("act", choices=["start", "stop", "status", "remove"])
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR)
    chosen = parser.parse_args()
    try:
        if chosen.act == "start":
            embedded.start_postgres(chosen.data_dir)
            embedded.start_redis(chosen.data_dir)
        elif chosen.act in {"stop", "remove"}:
            embedded.stop_redis(chosen.data_dir)
            embedded.stop_postgres(chosen.data_dir)
        if chosen.act == "remove":
            embedded.remove_data(chosen.data_dir)
            return 0
    except embedded.EmbeddedServerError as error:
        print(error, file=sys.stderr)
        return 2
    database = embedded.postgres_running(chosen.data_dir)
    redis = embedded.redis_running(chosen.data_dir)
    print(f"DATABASE_URL={database or '(not running)'}")
    print(f"BROKER_URL={redis.broker_url if redis else '(not running)'}")
    print(f"CACHE_URL={redis.cache_url if redis else '(not running)'}")
    return 0 if chosen.act != "status" or (database and redis) else 1


if __name__ == "__main__":
    sys.exit(main())
