"""`python -m config.processes stop`: end everything of this project, whoever started it."""

import argparse
import sys
from pathlib import Path

from config.embedded import EmbeddedServerError
from config.processes import stop_everything

DATA_DIR = Path(__file__).resolve().parents[2] / ".data"


def main() -> int:
    """Stop everything and name it; 2 when a server refuses to end."""
    parser = argparse.ArgumentParser(prog="python -m config.processes", description=__doc__)
    parser.add_argument("act", choices=["stop"])
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR)
    chosen = parser.parse_args()
    try:
        stopped = stop_everything(chosen.data_dir)
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        return 2
    for line in stopped:
        print(f"Stopped {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
