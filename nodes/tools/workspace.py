"""A folder that agents work in, and the border around it: no path leads out, whatever a model asks for.

A path is resolved and checked, and then opened folder by folder without following links, so that a link which is put
there in between leads nowhere. Files are written beside their place and moved into it: nobody reads half of one.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from langchain_core.tools import ToolException

from ...schema.errors import FanwiseError

NO_WORKSPACE = "it needs a folder to work in: give --workspace, or `build_graph(equipment=Equipment(workspace=...))`"
"""What a specialist lacks that works in a folder, where there is none."""

READ_BYTES = 2_000_000
"""The largest file that is read."""

WRITE_BYTES = 1_000_000
"""The largest file that is written."""

OUT_OF_BOUNDS = frozenset({".git", ".hg", ".svn"})
"""Folders of version control: what stands there can run programs (hooks), and may hold keys."""

_NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | _NO_LINKS


class BorderError(ToolException):
    """A path that leads out of the workspace, or to what is not to be touched there."""


class Workspace:
    """The folder; paths are relative to it, or absolute and inside it."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Take an existing folder.

        Raises:
            FanwiseError: there is no such folder.
        """
        try:
            self.root = Path(root).expanduser().resolve(strict=True)
        except OSError as error:
            raise FanwiseError(f"workspace {str(root)!r}: {error.strerror}; give an existing folder") from None
        if not self.root.is_dir():
            raise FanwiseError(f"workspace {str(root)!r} is not a folder; give an existing folder")

    def locate(self, path: str) -> str:
        """Return where a path leads, relative to the workspace, links resolved; nothing need be there.

        Raises:
            BorderError: it leads out of the workspace, or into version control's own folders.
        """
        if "\0" in path:
            raise BorderError(f"{path!r} is no path")
        try:
            found = (self.root / path).resolve()
        except (OSError, RuntimeError) as error:  # links in a circle, a name that is too long
            raise BorderError(f"{path!r} is no path: {error}") from None
        if not found.is_relative_to(self.root):
            raise BorderError(f"{path!r} leads out of the workspace; give a path inside it, such as 'src/app.py'")
        inside = found.relative_to(self.root)
        if any(part.lower() in OUT_OF_BOUNDS for part in inside.parts):
            raise BorderError(f"{path!r} belongs to version control, and is neither read nor written")
        return inside.as_posix()

    def path(self, inside: str) -> Path:
        """Return the absolute path of one that `locate` gave."""
        return self.root / inside

    def read_bytes(self, path: str, limit: int = READ_BYTES) -> bytes:
        """Return a file's content.

        Raises:
            ToolException: it is outside, is not there, is no file, or is larger than `limit` bytes.
        """
        inside = self.locate(path)
        with self._parent(inside) as folder:
            try:  # without O_NONBLOCK a named pipe would wait for a writer
                file = os.open(Path(inside).name or ".", os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS, dir_fd=folder)
            except OSError as error:
                raise ToolException(f"{path!r} can't be read: {error.strerror}") from None
        with _opened(file, path) as opened:
            data = opened.read(limit + 1)
        if len(data) > limit:
            raise ToolException(f"{path!r} is larger than {limit:,} bytes; search in it instead")
        return data

    def read_text(self, path: str, limit: int = READ_BYTES) -> str:
        """Return a text file's content, line ends as they are.

        Raises:
            ToolException: as `read_bytes`; or it is no text in UTF-8.
        """
        data = self.read_bytes(path, limit)
        if b"\0" in data:
            raise ToolException(f"{path!r} is a binary file")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ToolException(f"{path!r} is no text in UTF-8 (byte {error.start:,})") from None

    def found(self, path: str) -> bytes | None:
        """Return a file's content, `None` where there is nothing."""
        return self.read_bytes(path) if os.path.lexists(self.path(self.locate(path))) else None

    def write(self, path: str, data: bytes) -> str:
        """Write a file, as a whole or not at all; folders above it are made. Returns where, as `locate`.

        Raises:
            ToolException: the place is outside, or is a folder; or there are more than `WRITE_BYTES` bytes.
        """
        inside = self.locate(path)
        if len(data) > WRITE_BYTES:
            raise ToolException(f"{len(data):,} bytes are more than may be written ({WRITE_BYTES:,})")
        if inside == "." or self.path(inside).is_dir():
            raise ToolException(f"{path!r} is a folder; give a file's path")
        with self._parent(inside, make=True) as folder:
            _replace(folder, Path(inside).name, data)
        return inside

    def remove(self, path: str) -> None:
        """Delete a file, where it is there."""
        inside = self.locate(path)
        with self._parent(inside) as folder:
            try:
                os.unlink(Path(inside).name, dir_fd=folder)
            except FileNotFoundError:
                pass

    @contextmanager
    def _parent(self, inside: str, *, make: bool = False) -> Iterator[int]:
        """Open the folder that a file is in, step by step from the root, following no link."""
        opened = os.open(self.root, _FOLDER)
        try:
            for part in Path(inside).parts[:-1]:
                if make:
                    _make_folder(part, opened)
                below = _step(part, opened, inside)
                os.close(opened)
                opened = below
            yield opened
        finally:
            os.close(opened)


def _step(part: str, folder: int, inside: str) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except OSError as error:
        raise ToolException(f"{inside!r} can't be reached: {part!r}: {error.strerror}") from None


def _make_folder(name: str, folder: int) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        pass


def _opened(file: int, path: str) -> BinaryIO:
    if stat.S_ISREG(os.fstat(file).st_mode):
        return os.fdopen(file, "rb")
    os.close(file)
    raise ToolException(f"{path!r} is no file; list a folder with list_files")


def _replace(folder: int, name: str, data: bytes) -> None:
    """Write beside the place and move into it; the mode of a file that is there stays."""
    try:
        mode: int | None = stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        mode = None
    beside = f".{secrets.token_hex(8)}.tmp"
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o666, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
            if mode is not None:
                os.fchmod(opened.fileno(), mode)
            opened.flush()
            os.fsync(opened.fileno())
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(beside, dir_fd=folder)
        raise
