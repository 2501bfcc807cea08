"""What one receiving system got: kept in a file line by line, checked for order and repeats."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Message = dict[str, Any]


@dataclass(slots=True)
class Book:
    """The receipts of one system.

    Every receipt is in the file before it is acknowledged, so a killed process forgets nothing.
    `disordered` names the subjects whose changes first arrived out of order; `altered` the ids
    that came again with another body.
    """

    path: Path
    received: int = 0
    repeated: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    disordered: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    latest: dict[str, tuple[int, int]] = field(default_factory=dict)
    _file: int = -1

    @classmethod
    def opened(cls, path: Path) -> "Book":
        """The book at `path` with all earlier receipts; made if need be."""
        book = cls(path)
        for line in lines_of(path):
            book._count(line["id"], line["sha256"], line.get("message"))
        book._file = open_to_append(path)
        return book

    def enter(self, message_id: str, body: bytes) -> Message | None:
        """Keep one verified message; None when it was here before."""
        digest = hashlib.sha256(body).hexdigest()
        message = None if message_id in self.digests else json.loads(body)
        line = {"id": message_id, "sha256": digest}
        if message is not None:
            line["message"] = message
        # One write to a file opened for appending: whole or not at all, even under kill -9.
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self._count(message_id, digest, message)
        return message

    def figures(self) -> dict[str, Any]:
        """The counts for `/state`."""
        return {
            "received": self.received,
            "distinct": len(self.digests),
            "repeated": self.repeated,
            "altered": sorted(self.altered),
            "disordered": sorted(self.disordered),
            "subjects": len(self.latest),
            "kinds": dict(sorted(self.kinds.items())),
        }

    def _count(self, message_id: str, digest: str, message: Message | None) -> None:
        self.received += 1
        known = self.digests.setdefault(message_id, digest)
        if message is None:
            self.repeated += 1
            if known != digest:
                self.altered.add(message_id)
            return
        self.kinds[message["type"]] += 1
        data = message["data"]
        subject = f"{data['subject']['kind']}:{data['subject']['id']}"
        place = (data["seq"], data["subject"]["version"])
        seq, version = self.latest.get(subject, (-1, -1))
        if place[0] <= seq or place[1] < version:
            self.disordered.add(subject)
        self.latest[subject] = max(place, (seq, version))


def open_to_append(path: Path) -> int:
    """A file descriptor that only appends, behind the last whole line."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    content = path.read_bytes()
    os.ftruncate(descriptor, content.rfind(b"\n") + 1)
    return descriptor


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines kept in a file; a torn last one, never acknowledged, is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for text in file:
            if text.endswith("\n"):
                yield json.loads(text)
