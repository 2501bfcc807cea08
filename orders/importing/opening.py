"""Opening an order file: plain or gzip, its encoding, its format, and its lines as they come."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from django.utils.translation import gettext as _

from orders.importing.entries import Position
from orders.importing.errors import BrokenFile, UnreadableFile

Format = Literal["csv", "jsonl"]

LONGEST_LINE = 1024 * 1024
SAMPLE = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its number and the offset after it; `is_cut` when it was too long to keep."""

    number: int
    end: int
    data: bytes
    is_cut: bool = False


class OrderFile:
    """An order file, opened: `lines` from any position, and how much of it has been read."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise UnreadableFile(
                _("%(path)s cannot be opened: %(why)s.")
                % {"path": path, "why": error.strerror or error}
            ) from None
        self.size = path.stat().st_size
        packed = self._file.read(2) == b"\x1f\x8b"
        self._file.seek(0)
        self._stream: BinaryIO = gzip.GzipFile(fileobj=self._file) if packed else self._file  # type: ignore[assignment]
        try:
            sample = self._read(SAMPLE)
            if not sample.strip():
                raise UnreadableFile(_("The file is empty."))
            self.start = len(_BOM) if sample.startswith(_BOM) else 0
            self.encoding = _encoding(sample)
            self.sample = sample[self.start :]
        except UnreadableFile:
            self.close()
            raise

    def close(self) -> None:
        self._stream.close()
        self._file.close()

    def read_bytes(self) -> int:
        """How much of the file, as it lies on disk, has been read."""
        return self._file.tell()

    def lines(self, position: Position) -> Iterator[Line]:
        """The lines from a position on; a line over LONGEST_LINE is cut and never held whole."""
        self._seek(max(position.offset, self.start))
        offset, number = max(position.offset, self.start), position.line
        while data := self._read_line():
            number, offset = number + 1, offset + len(data)
            is_cut = len(data) > LONGEST_LINE
            rest = data
            while is_cut and not rest.endswith(b"\n") and (rest := self._read_line()):
                offset += len(rest)
            yield Line(number, offset, data[:4096] if is_cut else data, is_cut)

    def decode(self, data: bytes) -> tuple[str, bool]:
        """The text, and whether it was well formed; what was not is shown as U+FFFD.

        A file whose beginning is plain ASCII has its encoding decided by the first line that
        is not.
        """
        if not self.encoding:
            if data.isascii():
                return data.decode("ascii"), True
            self.encoding = _encoding(data)
        try:
            return data.decode(self.encoding), True
        except UnicodeDecodeError:
            return data.decode(self.encoding, "replace"), False

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFile(_unreadable(error)) from None

    def _read_line(self) -> bytes:
        try:
            return self._stream.readline(LONGEST_LINE + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BrokenFile(_unreadable(error)) from None

    def _seek(self, offset: int) -> None:
        try:
            self._stream.seek(offset)
        except (OSError, EOFError, zlib.error) as error:
            raise BrokenFile(_unreadable(error)) from None


def _unreadable(error: Exception) -> str:
    return _("The file cannot be read: %(why)s.") % {"why": str(error).rstrip(".")}


def choose_format(path: Path, sample: bytes, wanted: Format | None) -> Format:
    """The format named, or the one that the name or the first character tells.

    Raises UnreadableFile for workbooks and JSON arrays, which no line-by-line reader can take.
    """
    if sample.startswith(b"PK\x03\x04") or sample.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableFile(_("This is an Excel workbook. Save it as CSV UTF-8, then import it."))
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile(_("This file is UTF-16. Save it as CSV UTF-8, then import it."))
    begins = sample.lstrip()[:1]
    if wanted is None:
        suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
        wanted = _SUFFIXES.get(suffixes[-1] if suffixes else "")
        wanted = wanted or ("jsonl" if begins in (b"{", b"[") else "csv")
    if wanted == "jsonl" and begins == b"[":
        raise UnreadableFile(_("This is one JSON array. Write one order a line instead."))
    return wanted


def _encoding(sample: bytes) -> str:
    """utf-8 or gb18030, whichever reads more of the lines that are not ASCII; "" if all are."""
    if sample.startswith(_BOM):
        return "utf-8"
    lines = sample.split(b"\n")
    if len(sample) == SAMPLE and len(lines) > 1:
        lines.pop()
    telling = [line for line in lines if not line.isascii()]
    if not telling:
        return ""
    utf8 = sum(_reads(line, "utf-8") for line in telling)
    gb18030 = sum(_reads(line, "gb18030") for line in telling if not _reads(line, "utf-8"))
    return "gb18030" if gb18030 > utf8 else "utf-8"


def _reads(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
