"""How far the import of a file has come: a small state file beside the data."""

import fcntl
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from orders.importing.entries import Position
from orders.importing.errors import AlreadyRunning, UnreadableFile


@dataclass(slots=True)
class Progress:
    """What was done up to `position`; `rejected_bytes` of the rejected-rows file belong to it."""

    position: Position = field(default_factory=Position)
    stored: int = 0
    replayed: int = 0
    rejected: int = 0
    held: int = 0
    seconds: float = 0.0
    rejected_path: str = ""
    rejected_bytes: int = 0


class Checkpoint:
    """The progress of one content of a file for one source; another content starts anew.

    The order file stays locked meanwhile, so that two imports of it cannot overtake each other.
    """

    def __init__(self, path: Path, source: str) -> None:
        folder = Path(settings.DATA_DIR) / "imports"
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UnreadableFile(
                _("%(path)s cannot be opened: %(why)s.")
                % {"path": path, "why": error.strerror or error}
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise AlreadyRunning(_("This file is being imported already.")) from None
        content = hashlib.file_digest(self._file, "sha256")
        content.update(b"\0" + source.encode())
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{content.hexdigest()[:32]}.json"

    def load(self) -> Progress | None:
        """What an interrupted run left, or None."""
        try:
            values = json.loads(self._path.read_text())
            return Progress(**{**values, "position": Position(**values["position"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save(self, progress: Progress) -> None:
        """Replace the file at once: after a power cut it is the old one or the new one."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(asdict(progress), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._path)

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        self._file.close()
