"""From any file to something that DuckDB reads as it stands: UTF-8 lines, or Parquet.

A file that is fine already is read in place. One that is compressed, in UTF-16, not valid UTF-8, or has blank or
overlong lines, NUL bytes or lone carriage returns is first written to a scratch folder, line for line; what was changed
becomes a note. A clean file is only looked through, which takes some two seconds a gigabyte.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..schema.errors import EventsError
from .documents import MAX_DOCUMENT, document_lines, looks_like_document
from .ending import go_on

SEPARATOR = "\x1f"
"""Column separator of the line reader: a character that no prepared file contains."""

MAX_LINE = 4_000_000
"""Longest line kept, in characters; the rest of a longer one is cut off, with a note."""

_CHUNK = 1 << 20
_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_ARCHIVES = {b"PK\x03\x04": "zip archive", b"\x28\xb5\x2f\xfd": "zstd file", b"7z\xbc\xaf": "7-Zip archive"}
_BROKEN_STREAM = (OSError, EOFError, zlib.error, lzma.LZMAError)


class BinaryFileError(EventsError):
    """The file holds no text; in a folder such a file is passed over with a note."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file ready to be read."""

    name: str
    """As shown to people: the path below the opened folder, or the file's name."""
    path: str
    """What to read: the file itself, or its scratch copy."""
    kind: str
    """`lines` or `parquet`."""
    mtime: float
    size: int
    notes: tuple[str, ...] = ()


def prepare(path: Path, name: str, scratch: Path) -> Prepared:
    """Return how to read `path`, after writing a cleaned copy into the folder `scratch` where that is needed.

    Raises:
        BinaryFileError: The content is neither text nor Parquet.
        EventsError: The file cannot be read or unpacked.
    """
    try:
        stat = path.stat()
        text = _Text(path, name)
        if text.head.startswith(b"PAR1"):
            return Prepared(name, str(path), "parquet", stat.st_mtime, stat.st_size)
        text.refuse_binary()
        copy = scratch / f"{sum(1 for _ in scratch.iterdir())}.txt"
        if note := _write_document(text, copy):
            return Prepared(name, str(copy), "lines", stat.st_mtime, copy.stat().st_size, (note, *text.notes()))
        if text.plain and _is_clean(path):
            return Prepared(name, str(path), "lines", stat.st_mtime, stat.st_size)
        _write_clean(text, copy)
        return Prepared(name, str(copy), "lines", stat.st_mtime, copy.stat().st_size, text.notes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise EventsError(f"cannot read {name!r}: {reason}; check the file and its permissions") from error


class _Text:
    """A file's text in chunks, unpacked and decoded; counts what had to be repaired on the way."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        with path.open("rb") as file:
            self.head = file.read(_CHUNK)
        self._opener = next((o for magic, o in _OPENERS.items() if self.head.startswith(magic)), None)
        if self._opener:
            self.head = self._unpacked_head()
        self._encoding = _encoding(self.head)
        self.plain = self._opener is None and self._encoding == "utf-8"
        self.replaced = self.nuls = self.cut = 0
        self.early_end = ""

    def _unpacked_head(self) -> bytes:
        head = bytearray()
        try:
            with self._open() as file:
                while len(head) < _CHUNK and (chunk := _some(file)):
                    head += chunk
        except _BROKEN_STREAM as error:
            if not head and not isinstance(error, EOFError):
                raise EventsError(f"cannot unpack {self.name!r}: {error}; the file is damaged, get it anew") from error
        return bytes(head)

    def _open(self) -> IO[bytes]:
        stream: IO[bytes] = self._opener(self.path, "rb") if self._opener else self.path.open("rb")
        return stream

    def refuse_binary(self) -> None:
        """Raise `BinaryFileError` for archives and for content that is mostly control characters."""
        for magic, what in _ARCHIVES.items():
            if self.head.startswith(magic):
                raise BinaryFileError(f"{self.name!r} is a {what}; unpack it and give the folder with its files")
        if self._encoding.startswith("utf-16"):
            return
        start = self.head[:65536]
        odd = sum(start.count(bytes([code])) for code in (*range(1, 9), *range(14, 27), *range(28, 32), 127))
        invalid = start.decode("utf-8", "replace").count("\ufffd")
        if start and (
            odd > len(start) * 0.05 or start.count(0) > len(start) * 0.5 or (invalid > len(start) * 0.25 and odd)
        ):
            raise BinaryFileError(f"{self.name!r} is a binary file, not a log; give a text, JSON, CSV or Parquet file")

    def first_text(self) -> str:
        """The beginning of the text, for a look at its shape."""
        return self.head.decode(self._encoding, "replace")

    def chunks(self) -> Iterator[str]:
        """Yield the text; a stream that breaks off ends the text early, which is noted."""
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        try:
            with self._open() as file:
                while chunk := _some(file):
                    go_on()
                    yield self._repaired(decoder.decode(chunk), chunk)
        except _BROKEN_STREAM as error:
            if not self._opener:
                raise
            self.early_end = str(error)
        yield self._repaired(decoder.decode(b"", True), b"")

    def _repaired(self, text: str, chunk: bytes) -> str:
        if "\ufffd" in text:
            self.replaced += max(0, text.count("\ufffd") - chunk.count(b"\xef\xbf\xbd"))
        if "\0" in text:
            self.nuls += text.count("\0")
            text = text.replace("\0", "")
        return text.replace(SEPARATOR, " ") if SEPARATOR in text else text

    def notes(self) -> tuple[str, ...]:
        """What was repaired, in words."""
        found = (
            (self.replaced, f"{self.replaced} invalid byte sequences replaced ({self._encoding})"),
            (self.nuls, f"{self.nuls} NUL bytes taken out"),
            (self.cut, f"{self.cut} lines longer than {MAX_LINE:,} characters cut off"),
            (self.early_end, f"the compressed file ends early ({self.early_end})"),
        )
        return tuple(note for seen, note in found if seen)


def _some(file: IO[bytes]) -> bytes:
    """Read what one step gives: a longer read would lose what a stream that breaks off still holds."""
    step = getattr(file, "read1", file.read)
    data: bytes = step(_CHUNK)
    return data


def _encoding(head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8"


def _is_clean(path: Path) -> bool:
    """Whether the line reader takes the file as it is."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    seam = b"\n"
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                go_on()
                if chunk.endswith(b"\r"):
                    chunk += file.read(1)
                decoder.decode(chunk)
                if _needs_repair(chunk) or _has_blank_line(seam + chunk[:2]):
                    return False
                seam = chunk[-1:]
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _needs_repair(chunk: bytes) -> bool:
    return (
        _has_blank_line(chunk)
        or b"\0" in chunk
        or SEPARATOR.encode() in chunk
        or (b"\r" in chunk and chunk.count(b"\r") != chunk.count(b"\r\n"))
        or (len(chunk) >= _CHUNK and b"\n" not in chunk)
    )


def _has_blank_line(chunk: bytes) -> bool:
    return b"\n\n" in chunk or b"\n\r\n" in chunk


def _write_clean(text: _Text, copy: Path) -> None:
    """Write the text with `\\n` as the only line end and a space on each blank line, which the reader would skip."""
    with copy.open("w", encoding="utf-8", errors="replace", newline="") as out:
        for block in _whole_lines(text):
            if block.startswith("\n"):
                block = " " + block
            if "\n\n" in block:
                block = block.replace("\n\n", "\n \n").replace("\n\n", "\n \n")
            out.write(block)


def _whole_lines(text: _Text) -> Iterator[str]:
    """Yield blocks of whole lines, each ending with a newline, overlong lines cut off."""
    kept, cutting = "", False
    for chunk in _newlines(text.chunks()):
        if cutting:
            _, end, chunk = chunk.partition("\n")
            if not end:
                continue
            chunk, cutting = "\n" + chunk, False
        lines, end, kept = (kept + chunk).rpartition("\n")
        if end:
            yield lines + "\n"
        if len(kept) > MAX_LINE:
            kept, cutting = kept[:MAX_LINE], True
            text.cut += 1
    if kept:
        yield kept + "\n"


def _newlines(chunks: Iterator[str]) -> Iterator[str]:
    """Yield the chunks with every kind of line end made a newline."""
    held = ""
    for chunk in chunks:
        block = held + chunk
        held = "\r" if block.endswith("\r") else ""
        yield block.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
    if held:
        yield "\n"


def _write_document(text: _Text, copy: Path) -> str:
    """Write a JSON document's events as lines; return the note, or nothing where the file is no such document."""
    if not looks_like_document(text.first_text()):
        return ""
    whole = io.StringIO()
    for chunk in text.chunks():
        whole.write(chunk)
        if whole.tell() > MAX_DOCUMENT:
            return ""
    lines = document_lines(whole.getvalue().strip())
    if lines is None:
        return ""
    with copy.open("w", encoding="utf-8", errors="replace", newline="") as out:
        out.writelines(line.replace("\\u0000", "") + "\n" for line in lines)
    return "one JSON document; its events are counted as lines"
