"""The account PostgreSQL runs under: ours, or a stand-in for root, which it refuses."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, CompletedProcess
from typing import IO

from config.embedded.servers import EmbeddedServerError

# PostgreSQL refuses to run as root; these stand in, in this order, the first made when missing.
STAND_INS = ("pgserver", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user by number; `switch` is true when a command must change to it first."""

    uid: int
    gid: int
    switch: bool

    def run(
        self, argv: Sequence[str | Path], *, text: str = "", output: IO[str] | int = PIPE
    ) -> CompletedProcess[str]:
        """Run a command as this account, away from the terminal and from PG* variables.

        `text` is its input. Raises CalledProcessError when it fails, OSError when it cannot start.
        """
        return subprocess.run(
            [str(part) for part in argv],
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
            input=text,
            stdout=output,
            stderr=output,
            check=True,
            text=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            cwd="/",
            start_new_session=True,
        )

    def can(self, test: str, path: Path) -> bool:
        """True when the account's own shell says `test -w path` (or -r, -x) holds."""
        try:
            self.run(["/bin/sh", "-c", f'test {test} "$1"', "sh", path])
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def own(self, directory: Path) -> None:
        """Hand a directory and all within to the account, closed to everybody else."""
        if self.switch:
            for parent, _, files in os.walk(directory):
                for path in (parent, *(os.path.join(parent, name) for name in files)):
                    os.chown(path, self.uid, self.gid, follow_symlinks=False)
        directory.chmod(0o700)


def account_for(home: Path) -> Account:
    """Ourselves, or for root the owner of the cluster already in `home`, or a stand-in."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    with suppress(FileNotFoundError):
        found = (home / "PG_VERSION").stat()
        if found.st_uid != 0:
            return Account(found.st_uid, found.st_gid, switch=True)
    if shutil.which("useradd") and not _entry(STAND_INS[0]):
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", STAND_INS[0]],
            check=False,
            capture_output=True,
        )
    for name in STAND_INS:
        if entry := _entry(name):
            return Account(entry.pw_uid, entry.pw_gid, switch=True)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root and no other account exists. "
        "Run as an ordinary user, or set DATABASE_URL."
    )


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
