"""The user's notes: text files below one folder, cut into passages and ranked by words; read again when they change."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ...schema.errors import FanwiseError
from .passages import Passage, passages
from .ranked import WordIndex

MARKDOWN = (".md", ".markdown", ".mdx")
ENDINGS = (*MARKDOWN, ".txt", ".text", ".rst", ".org", ".adoc")
"""Files that are read."""

FILE_BYTES = 2_000_000
"""Larger files are passed over."""

FILES = 10_000
"""Files of one folder; of more, the first by name."""


class Found(NamedTuple):
    """A passage that fits a query."""

    file: str
    """Its path below the folder."""
    heading: str
    line: int
    end_line: int
    text: str
    score: float
    modified: float
    """Seconds since 1970."""


class Stamp(NamedTuple):
    """By what a change of a file is known."""

    modified_ns: int
    size: int
    inode: int


@dataclass
class _File:
    stamp: Stamp
    numbers: range
    passages: list[Passage]


@dataclass
class NoteIndex:
    """The notes below one folder; safe to search from several threads."""

    root: Path
    passed_over: dict[str, str] = field(default_factory=dict)
    """Files that were not read, with the reason."""
    _files: dict[str, _File] = field(default_factory=dict)
    _owners: dict[int, str] = field(default_factory=dict)
    _index: WordIndex = field(default_factory=WordIndex)
    _next: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def search(self, query: str, limit: int, below: str = "") -> list[Found]:
        """Return the passages that share words with a query, the best first, after a look at what has changed.

        Args:
            query: words, or a question.
            limit: how many at most.
            below: a file or a folder of the notes; nothing outside it is found.

        Raises:
            FanwiseError: the folder can't be read.
        """
        with self._lock:
            self._refresh()
            found: list[Found] = []
            for number, score in self._index.search(query, limit if not below else len(self._owners)):
                name = self._owners[number]
                if _is_below(name, below) and len(found) < limit:
                    file = self._files[name]
                    passage = file.passages[number - file.numbers.start]
                    found.append(Found(name, *passage, score, file.stamp.modified_ns / 1e9))
            return found

    @property
    def files(self) -> int:
        """How many files were read."""
        return len(self._files)

    def _refresh(self) -> None:
        self.passed_over.clear()
        there = dict(self._listed())
        for name in self._files.keys() - there.keys():
            self._drop(name)
        for name, (path, stamp) in there.items():
            known = self._files.get(name)
            if known is None or known.stamp != stamp:
                self._drop(name)
                self._read(name, path)

    def _listed(self) -> Iterator[tuple[str, tuple[Path, Stamp]]]:
        """Yield the notes with what tells a change; hidden files and folders are none."""
        if not self.root.is_dir():
            raise FanwiseError(f"there is no folder {str(self.root)!r} with notes; give the path of one")
        count = 0
        for folder, folders, names in os.walk(self.root, followlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                shown = path.relative_to(self.root).as_posix()
                if name.startswith(".") or path.suffix.lower() not in ENDINGS:
                    continue
                if (why := self._refused(path)) or count >= FILES:
                    self.passed_over[shown] = why or f"more than {FILES:,} files"
                    continue
                count += 1
                found = path.stat()
                yield shown, (path, Stamp(found.st_mtime_ns, found.st_size, found.st_ino))

    def _refused(self, path: Path) -> str:
        """Return why a file is not read, or nothing."""
        try:
            found = path.stat()
            if path.is_symlink() and not path.resolve().is_relative_to(self.root.resolve()):
                return "a link that leads out of the folder"
        except OSError as error:
            return error.strerror or "can't be read"
        if not stat.S_ISREG(found.st_mode):
            return "no file"
        if found.st_size > FILE_BYTES:
            return f"{found.st_size:,} bytes; the limit is {FILE_BYTES:,}"
        return ""

    def _read(self, name: str, path: Path) -> None:
        """Take a file in. What it is may have changed since it was listed, so that the open file is looked at."""
        try:
            with open(path.resolve(), "rb", opener=_no_link) as file:
                found = os.fstat(file.fileno())
                data = file.read(FILE_BYTES) if stat.S_ISREG(found.st_mode) else b""
        except OSError as error:
            self.passed_over[name] = error.strerror or "can't be read"
            return
        if b"\0" in data:
            self.passed_over[name] = "no text"
            return
        text = data.decode("utf-8-sig", errors="replace")
        cut = list(passages(text, markdown=path.suffix.lower() in MARKDOWN))
        numbers = range(self._next, self._next + len(cut))
        self._next += len(cut)
        stamp = Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
        self._files[name] = _File(stamp, numbers, cut)
        self._owners.update(dict.fromkeys(numbers, name))
        title = Path(name).stem
        self._index.put((n, f"{title} {p.heading}", p.text) for n, p in zip(numbers, cut, strict=True))

    def _drop(self, name: str) -> None:
        if (known := self._files.pop(name, None)) is not None:
            self._index.remove(known.numbers)
            for number in known.numbers:
                del self._owners[number]


def _is_below(name: str, below: str) -> bool:
    below = below.strip("/")
    return not below or name == below or name.startswith(f"{below}/")


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
