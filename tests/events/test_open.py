"""Opening: files and folders, what is refused and how, damaged and hostile content, the cache."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thorough import examples

from fanwise.events import open as opening
from fanwise.events.open import open_events
from fanwise.events.protocol import EventStore
from fanwise.schema.errors import EventsError

LOGS = Path(__file__).parents[2] / ".." / "shared" / "data" / "logs"
LINE = "2015-07-29 17:41:44,747 WARN x: y\n"


@pytest.mark.parametrize("name", ["OpenSSH_2k.log", "Zookeeper_2k.log"])
def test_real_logs(name: str) -> None:
    """Every line of real logs is accounted for, and nearly all are events."""
    if not (LOGS / name).is_file():
        pytest.skip("the shared logs are not beside this checkout")
    info = open_events(str(LOGS / name)).info()
    file = info.files[0]
    assert file.lines == file.parsed + file.continued + file.unparsed + file.blank == 2000
    assert info.events == file.parsed >= 1990


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(tmp_path: Path, pack: object) -> None:
    """gzip, bzip2 and xz are unpacked, whatever the file is called."""
    path = tmp_path / "x.log"
    path.write_bytes(pack(LINE.encode() * 3))  # type: ignore[operator]
    assert open_events(str(path)).info().events == 3


def test_a_gzip_file_that_breaks_off(tmp_path: Path) -> None:
    """What a truncated gzip file still gives is read, with a note."""
    path = tmp_path / "x.gz"
    whole = gzip.compress("".join(f"2015-07-29 17:41:44,{n:03} WARN x: {n * 7919}\n" for n in range(900)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    info = open_events(str(path)).info()
    assert 0 < info.events < 900
    assert "ends early" in info.files[0].note


def test_folders(tmp_path: Path) -> None:
    """All logs below a folder are read under their relative names; hidden files and binaries are not."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b" / "x.log").write_text(LINE)
    (tmp_path / "y.jsonl").write_text('{"ts": "2015-07-29T17:41:45Z"}\n')
    (tmp_path / ".hidden.log").write_text(LINE)
    (tmp_path / ".git" / "z.log").write_text(LINE)
    (tmp_path / "empty.log").write_text("")
    (tmp_path / "core").write_bytes(bytes(range(256)) * 40)
    info = open_events(str(tmp_path)).info()
    assert info.events == 2
    assert {file.file: file.format for file in info.files} == {
        "a/b/x.log": "text",
        "y.jsonl": "json",
        "empty.log": "unknown",
        "core": "binary",
    }
    assert info.sources == ("a/b/x.log", "y.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.log", None, r"no file or folder at .*missing\.log.*check the path"),
        ("empty.log", b"", r"empty\.log.* is empty; give a log that holds events"),
        ("blank.log", b"\n\n \n", r"blank\.log.*is no event|no event in .*blank\.log"),
        (
            "text.log",
            b"hello\nworld\n",
            r"no event in .*text\.log': none of its 2 lines .* known here\. Give",
        ),
        ("bin.log", bytes(range(256)) * 50, r"'bin\.log' is a binary file, not a log; give a text"),
        ("x.zip", b"PK\x03\x04" + bytes(100), r"'x\.zip' is a zip archive; unpack it"),
        ("x.parquet", b"PAR1 nothing", r"cannot read 'x\.parquet'"),
        ("x.gz", b"\x1f\x8b broken and more", r"cannot unpack 'x\.gz'.*damaged"),
        ("x.csv", b"time,host\nnever,a\n", r"no event in"),
        ("x.json", b"[1, 2, 3]", r"no event in"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    """What holds no events is refused in one message that names it and says what to do."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventsError, match=message):
        open_events(str(path))


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://bucket/logs", r"s3:// is not supported; give the path"),
        ("", r"'' is no path"),
        ("a\0b", r"is no path"),
        ("x" * 5000, r"cannot look into|no file or folder"),
    ],
)
def test_places_that_are_none(location: str, message: str) -> None:
    """A location that cannot be a path is refused like any other."""
    with pytest.raises(EventsError, match=message):
        open_events(location)


def test_an_empty_folder(tmp_path: Path) -> None:
    """A folder without files says so."""
    with pytest.raises(EventsError, match=r"no files in the folder .* give one that holds logs"):
        open_events(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_an_unreadable_file(tmp_path: Path) -> None:
    """A file without read permission is refused with the reason."""
    path = tmp_path / "x.log"
    path.write_text(LINE)
    path.chmod(0)
    with pytest.raises(EventsError, match=r"cannot read 'x\.log': Permission denied; check"):
        open_events(str(path))


def test_a_file_that_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps a file from being opened is said, for root too."""
    path = tmp_path / "x.log"
    path.write_text(LINE)

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(EventsError, match=r"cannot read 'x\.log': Permission denied; check the file"):
        open_events(str(path))


def test_names_are_data(tmp_path: Path) -> None:
    """Quotes and glob signs in names of files and fields do no harm."""
    path = tmp_path / "it's [a] *; DROP TABLE events.log"
    path.write_text('{"time\'s": "x", "it\'s; DROP TABLE lines": 1, "ts": "2015-07-29T17:41:45Z"}\n')
    assert open_events(str(path)).info().events == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + LINE.encode(),
        LINE.replace("\n", "\r\n").encode() * 2,
        LINE.encode() + b"2015-07-29 17:41:45,000 INFO caf\xe9 \xff\xfe\n",
        LINE.encode() + b"2015-07-29 17:41:45,000 INFO a\0b\n",
        LINE.encode("utf-16"),
        LINE.encode() + b"2015-07-29 17:41:45,000 INFO " + b"x" * 3_000_000 + b"\n" + LINE.encode(),
        b"2015-07-29 17:41:45,000 INFO " + b"x" * 6_000_000,
        LINE.encode() + b"\x1f\x02\n" + LINE.encode(),
        b"\n\r\n" + LINE.encode() + b"\n\n\n" + LINE.encode() + b"\r\n",
        LINE.encode().replace(b"\n", b"\r") * 3,
    ],
    ids=["bom", "crlf", "bytes", "nul", "utf16", "long", "longer", "control", "blanks", "cr"],
)
def test_odd_bytes(tmp_path: Path, content: bytes) -> None:
    """Byte order marks, line ends, invalid UTF-8, NUL bytes and lines of megabytes are read."""
    path = tmp_path / "x.log"
    path.write_bytes(content)
    info = open_events(str(path)).info()
    file = info.files[0]
    assert file.lines == file.parsed + file.continued + file.unparsed + file.blank
    assert file.parsed >= 1
    assert file.unparsed + file.continued <= 1


_PIECES = st.sampled_from(
    """2015-07-29 17:41:44,747 WARN x|Jun 14 15:16:01 h p[1]: m|{"ts": 1434294961}|{"ts": |[|{|}|time,host|"|'|1e999|nan
    |2015-07-29T17:41:44Z,a|99/99/99 99:99:99 x| |#Fields: date time|2015-02-30 25:61:61|<999>Jun 31 15:16:01 h p: m
    |Feb 29 10:00:00 h p: m|\tat x.Y|\r|\0|\x1f|\ufeff|\u2028|""".split("|")
)
_TEXT = st.lists(st.one_of(_PIECES, st.text(max_size=20)), max_size=12).map("\n".join)


@settings(max_examples=examples(20, 200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(_TEXT, _TEXT.map(lambda text: LINE + text)))
def test_any_text_is_accounted_for(tmp_path: Path, text: str) -> None:
    """Whatever a file holds: each line is counted once, or the file is refused with `EventsError`."""
    path = tmp_path / "x.log"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        store = opening.read_events(str(path), opening.find_files(str(path)))
    except EventsError:
        return
    info = store.info()
    store.close()
    file = info.files[0]
    assert file.lines == file.parsed + file.continued + file.unparsed + file.blank
    assert min(file.parsed, file.continued, file.unparsed, file.blank) >= 0
    assert info.events == file.parsed > 0


@settings(max_examples=examples(10, 100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes at random never raise anything but `EventsError`."""
    path = tmp_path / "x.log"
    path.write_bytes(LINE.encode() + content)
    try:
        opening.read_events(str(path), opening.find_files(str(path))).close()
    except EventsError:
        return


def test_opened_once_by_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask for a log while it is being read wait, and get the same store."""
    path = tmp_path / "x.log"
    path.write_text(LINE)
    reads: list[str] = []
    original, barrier = opening.read_events, threading.Barrier(8)

    def counted(location: str, *found: object) -> EventStore:
        reads.append(location)
        return original(location, *found)  # type: ignore[arg-type]

    def ask(_: int) -> EventStore:
        barrier.wait()
        return open_events(str(path))

    monkeypatch.setattr(opening, "read_events", counted)
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(ask, range(8)))
    assert len(reads) == 1
    assert len({id(store) for store in stores}) == 1


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    """A log that has grown is not answered from memory."""
    path = tmp_path / "x.log"
    path.write_text(LINE)
    assert open_events(str(path)).info().events == 1
    path.write_text(LINE * 2)
    assert open_events(str(path)).info().events == 2
