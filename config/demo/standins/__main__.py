"""Run the stand-ins kept in a directory: `python -m config.demo.standins HOME`.

HOME/config.json names `port`, `secrets` by system, and `api` with url and key, or null for
receivers that never call back.
"""

import json
import sys
from pathlib import Path

from aiohttp import web

from config.demo.standins.server import StandIns


def main() -> None:
    home = Path(sys.argv[1])
    config = json.loads((home / "config.json").read_text())
    stand_ins = StandIns(home, config)
    web.run_app(
        stand_ins.application(),
        host="127.0.0.1",
        port=config["port"],
        access_log=None,
        handler_cancellation=False,
        shutdown_timeout=2,
        print=None,
    )


if __name__ == "__main__":
    main()
