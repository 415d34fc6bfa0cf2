"""The text of a plan document, from wherever it comes: what is a path and what is text, size, encoding."""

from __future__ import annotations

import codecs
import difflib
import os
import re
from pathlib import Path

from .errors import PlanError, Problem
from .words import shown

MAX_BYTES = 16 * 2**20
"""Bytes in a plan file unless the caller raises it."""

_UTF_16_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_source(source: str | bytes | os.PathLike[str], max_bytes: int) -> tuple[str, str | None]:
    """Return the text, without a byte order mark, and the path that it came from.

    Raises:
        PlanError: it cannot be read, is too large, or is no UTF-8 text; one problem.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _decoded(bytes(source), max_bytes), None
    if isinstance(source, str) and _is_text(source):
        try:
            return _decoded(source.encode(), max_bytes), None
        except UnicodeEncodeError as error:
            place = _place(source, error.start)
            raise PlanError([Problem("is not valid Unicode: it holds half of a surrogate pair", "", *place)]) from None
    path = os.fspath(source)
    if not isinstance(path, str):
        path = os.fsdecode(path)
    try:
        return _decoded(_read(Path(path), max_bytes), max_bytes), path
    except PlanError as error:
        raise PlanError(error.problems, path) from None


def _is_text(source: str) -> bool:
    """Tell whether a string is a document rather than the path of one."""
    if "\n" in source or "\r" in source or not source.strip():
        return True
    try:
        if os.path.exists(source):
            return False
    except ValueError:
        return True
    return bool(re.match(r"\s*([{\[]|[\w\"'-]+\s*(:|=)(\s|$)|---|%YAML)", source))


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(max_bytes + 1) if size <= max_bytes else b""
    except FileNotFoundError:
        raise PlanError([Problem(f"no such file{_near_file(path)}")]) from None
    except IsADirectoryError:
        raise PlanError([Problem("is a folder; give the path of a plan file")]) from None
    except PermissionError:
        raise PlanError([Problem("may not be read; check the file's permissions")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PlanError([Problem(f"cannot be read: {reason}; give the path of a plan file")]) from None
    if size > max_bytes:
        raise PlanError(
            [Problem(f"has {size:,} bytes, more than the limit of {max_bytes:,}; make it smaller or raise max_bytes")]
        )
    return data


def _near_file(path: Path) -> str:
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        return f"; there is no folder {shown(str(path.parent))} either"
    near = difflib.get_close_matches(path.name, names[:10_000], n=1)
    return f"; did you mean {str(path.parent / near[0])!r}?" if near else "; check the path"


def _decoded(data: bytes, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise PlanError(
            [Problem(f"has more bytes than the limit of {max_bytes:,}; make it smaller or raise max_bytes")]
        )
    if data.startswith(_UTF_16_32):
        raise PlanError([Problem("is UTF-16 or UTF-32 text; save it as UTF-8")])
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise PlanError([Problem("is empty; a plan needs at least a list of tasks")])
    if b"\0" in data:
        wide = len(data) > 3 and (not any(data[1:200:2]) or not any(data[0:200:2]))
        what = (
            "is UTF-16 text; save it as UTF-8" if wide else "is binary data, not text; give a YAML, JSON or TOML file"
        )
        raise PlanError([Problem(what)])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        message = f"is not UTF-8 text: byte 0x{data[error.start]:02x}; save it as UTF-8"
        raise PlanError([Problem(message, "", *_place(before, len(before)))]) from None


def _place(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
