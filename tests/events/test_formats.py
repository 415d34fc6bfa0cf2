"""Each usual format, from a few literal lines: the moment, the fields, and that every line is accounted for."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fanwise.events.open import open_events
from fanwise.events.protocol import FileInfo

MTIME = datetime(2015, 12, 31, 12, tzinfo=UTC).timestamp()


def read(
    tmp_path: Path, text: str | bytes, name: str = "x.log", mtime: float = MTIME
) -> tuple[list[dict[str, Any]], FileInfo]:
    """Write a file and return its events in order and how it was read."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (mtime, mtime))
    store = open_events(str(path))
    info = store.info().files[0]
    assert info.lines == info.parsed + info.continued + info.unparsed + info.blank
    return store.sample(limit=1000), info


ACCESS = '192.168.1.9 - alice [10/Oct/2015:13:55:36 -0700] "GET /shop?a=1 HTTP/1.1" 200 2326'
COMBINED = ACCESS + ' "http://example.com/" "Mozilla/5.0 (X11; \\"odd\\")"'

LINES: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "2015-07-29 17:41:44,747 - WARN  [SendWorker:1@688] - Send worker leaving",
        "text",
        "2015-07-29T17:41:44.747000+00:00",
        {"level": "warning", "message": "[SendWorker:1@688] - Send worker leaving"},
    ),
    (
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 terminating",
        "text",
        "2008-11-09T20:36:15+00:00",
        {"level": "info"},
    ),
    ("15/06/09 20:10:40 INFO executor.Backend: Registered", "text", "2015-06-09T20:10:40+00:00", {"level": "info"}),
    (
        "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; user=root",
        "syslog-3164",
        "2015-06-14T15:16:01+00:00",
        {"host": "combo", "source": "sshd", "message": "authentication failure; user=root"},
    ),
    (
        "Jun 14 15:16:01 combo syslogd 1.4.1: restart.",
        "syslog-3164",
        "2015-06-14T15:16:01+00:00",
        {"source": "syslogd"},
    ),
    ("<11>Jun  4 15:16:01 combo cron[1]: job", "syslog-3164", "2015-06-04T15:16:01+00:00", {"level": "error"}),
    (
        '<165>1 2015-10-11T22:14:15.003Z db-01 evntslog 7 ID47 [a@1 b="c]"] An event',
        "syslog-5424",
        "2015-10-11T22:14:15.003000+00:00",
        {"host": "db-01", "source": "evntslog", "level": "info", "message": "An event"},
    ),
    (
        "2015-10-11T22:14:15.003+02:00 db-01 sshd[12]: Accepted",
        "syslog-iso",
        "2015-10-11T20:14:15.003000+00:00",
        {"host": "db-01", "source": "sshd", "message": "Accepted"},
    ),
    (
        "[10.30 16:49:06] chrome.exe - proxy.example:5070 open through proxy",
        "text",
        "2015-10-30T16:49:06+00:00",
        {"message": "chrome.exe - proxy.example:5070 open through proxy"},
    ),
    ("- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 crond: closed", "text", "2005-11-09T20:01:01+00:00", {}),
    ("1131566461 2005.11.09 dn228 Nov 9 12:01:01 crond: closed", "text", "2005-11-09T20:01:01+00:00", {}),
    (
        "nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova [-] status: 200 len: 1 time: 0.25",
        "text",
        "2017-05-16T00:00:00.008000+00:00",
        {"level": "info", "source": "nova-api", "status": 200, "duration_ms": 250.0},
    ),
    (
        "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.MRAppMaster: Created",
        "text",
        "2015-10-18T18:01:47.978000+00:00",
        {"level": "info", "message": "[main] org.apache.hadoop.MRAppMaster: Created"},
    ),
    (
        "[Sun Dec 04 04:47:44 2005] [error] [client 10.0.0.7] mod_jk child in error state 6",
        "apache-error",
        "2005-12-04T04:47:44+00:00",
        {"level": "error", "client": "10.0.0.7", "message": "mod_jk child in error state 6"},
    ),
    (
        "[Fri Sep 09 10:42:29.902022 2011] [core:warn] [pid 35708:tid 43286364] [client 72.15.99.187:51] File missing",
        "apache-error",
        "2011-09-09T10:42:29.902022+00:00",
        {"level": "warning", "client": "72.15.99.187", "message": "File missing"},
    ),
    (
        '2015/03/01 10:00:00 [error] 12#34: *5 open() failed, client: 10.0.0.7, server: x, request: "GET /a HTTP/1.1"',
        "nginx-error",
        "2015-03-01T10:00:00+00:00",
        {"level": "error", "client": "10.0.0.7", "method": "GET", "path": "/a"},
    ),
    (
        ACCESS,
        "apache-access",
        "2015-10-10T20:55:36+00:00",
        {"client": "192.168.1.9", "user": "alice", "method": "GET", "path": "/shop?a=1", "status": 200},
    ),
    (COMBINED, "apache-access", "2015-10-10T20:55:36+00:00", {"status": 200}),
    (COMBINED + " 0.135", "nginx-access", "2015-10-10T20:55:36+00:00", {"duration_ms": 135.0}),
    (COMBINED + ' "-" rt=0.135 uct=0.1', "nginx-access", "2015-10-10T20:55:36+00:00", {"duration_ms": 135.0}),
    (COMBINED + " 13500", "apache-access", "2015-10-10T20:55:36+00:00", {"duration_ms": 13.5}),
    (
        "shop.example:443 " + COMBINED,
        "apache-access",
        "2015-10-10T20:55:36+00:00",
        {"host": "shop.example", "status": 200},
    ),
    ("I0317 16:13:38.811123 12345 file.cc:12] Started", "glog", "2015-03-17T16:13:38.811123+00:00", {"level": "info"}),
    (
        "03-17 16:13:38.811  1702  2395 D WindowManager: printFreezing",
        "text",
        "2015-03-17T16:13:38.811000+00:00",
        {"level": "debug"},
    ),
    (
        "2015-09-28 04:30:30, Info                  CBS    Loaded Servicing Stack",
        "text",
        "2015-09-28T04:30:30+00:00",
        {"level": "info"},
    ),
    ("20151223-22:15:29:606|Step_LSC|30002312|onStand", "text", "2015-12-23T22:15:29.606000+00:00", {}),
    ("Jun 14, 2015 3:16:01 PM org.x.Y run SEVERE: broken", "text", "2015-06-14T15:16:01+00:00", {"level": "error"}),
    (
        "14-Jun-2015 15:16:01.123 SEVERE [main] org.x broken",
        "text",
        "2015-06-14T15:16:01.123000+00:00",
        {"level": "error"},
    ),
    ("2015-06-14T15:16:01.5Z stdout F hello", "text", "2015-06-14T15:16:01.500000+00:00", {}),
    (
        'time="2015-06-14T15:16:01Z" level=warning msg="slow" latency_ms=12.5',
        "text",
        "2015-06-14T15:16:01+00:00",
        {"level": "warning", "duration_ms": 12.5},
    ),
    (
        "1157689320.327   2864 10.105.21.199 TCP_MISS/200 10182 GET http://x/ - DIRECT/1.2.3.4 text/html",
        "text",
        "2006-09-08T04:22:00.327000+00:00",
        {},
    ),
]


@pytest.mark.parametrize(("line", "form", "ts", "fields"), LINES, ids=lambda v: v[:24] if isinstance(v, str) else "")
def test_each_line_format(tmp_path: Path, line: str, form: str, ts: str, fields: dict[str, Any]) -> None:
    """A file of such lines is recognised; moment and fields are those that a person reads in the line."""
    events, info = read(tmp_path, f"{line}\n" * 3)
    assert (info.format, info.parsed) == (form, 3)
    assert [event["ts"] for event in events] == [ts] * 3
    assert {name: events[0][name] for name in fields} == fields
    assert events[0]["raw"] == line


JSON = [
    ('{"timestamp": "2015-06-14T15:16:01.5Z", "host": "a"}', "2015-06-14T15:16:01.500000+00:00"),
    ('{"@timestamp": "2015-06-14T15:16:01+02:00"}', "2015-06-14T13:16:01+00:00"),
    ('{"time": 1434294961}', "2015-06-14T15:16:01+00:00"),
    ('{"ts": 1434294961.25}', "2015-06-14T15:16:01.250000+00:00"),
    ('{"ts": 1434294961250}', "2015-06-14T15:16:01.250000+00:00"),
    ('{"ts": 1434294961250000}', "2015-06-14T15:16:01.250000+00:00"),
    ('{"timeUnixNano": "1434294961250000000"}', "2015-06-14T15:16:01.250000+00:00"),
    ('{"eventTime": "2015-06-14 15:16:01", "x": 1}', "2015-06-14T15:16:01+00:00"),
    ('{"_time": "14/Jun/2015:15:16:01 +0000"}', "2015-06-14T15:16:01+00:00"),
    ('{"date": "2015-06-14", "time": "15:16:01"}', "2015-06-14T15:16:01+00:00"),
    ('{"a": {"b": {"event_time": "2015-06-14T15:16:01Z"}}}', "2015-06-14T15:16:01+00:00"),
    ('{"odd name": "2015-06-14T15:16:01Z"}', "2015-06-14T15:16:01+00:00"),
]


@pytest.mark.parametrize(("line", "ts"), JSON)
def test_json_moments(tmp_path: Path, line: str, ts: str) -> None:
    """The timestamp of JSON lines is found under its many names and in its many forms."""
    events, info = read(tmp_path, f"{line}\n{line}\n")
    assert (info.format, [event["ts"] for event in events]) == ("json", [ts, ts])


def test_json_fields(tmp_path: Path) -> None:
    """Fields are found by their usual names, nested ones too; the unit of a duration comes from its name."""
    events, _ = read(
        tmp_path,
        '{"ts":"2015-06-14T15:16:01Z","received":"2015-06-14T15:17:01Z","host":{"name":"web-01"},"log":{"level":"WARN"},'
        '"http":{"request":{"method":"GET"},"response":{"status_code":503}},"request_time_s":0.25,"msg":"it\'s",'
        '"service":"cart","url":"/x","user":{"id":"u1"},"client_ip":"10.0.0.1"}\n',
    )
    event = events[0]
    assert event["received"] == "2015-06-14T15:17:01+00:00"
    assert (event["host"], event["level"], event["method"], event["status"]) == ("web-01", "warning", "GET", 503)
    assert (event["duration_ms"], event["message"], event["source"]) == (250.0, "it's", "cart")
    assert (event["path"], event["user"], event["client"]) == ("/x", "u1", "10.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        '[{"time": "2015-06-14T15:16:01Z"}, {"time": "2015-06-14T15:16:02Z"}]',
        '[\n  {\n    "time": "2015-06-14T15:16:01Z"\n  },\n  {"time": "2015-06-14T15:16:02Z"}\n]\n',
        '{"Records": [{"time": "2015-06-14T15:16:01Z"}, {"time": "2015-06-14T15:16:02Z"}]}',
        '{\n"time": "2015-06-14T15:16:01Z"\n}\n{\n"time": "2015-06-14T15:16:02Z"\n}\n',
    ],
)
def test_json_documents(tmp_path: Path, text: str) -> None:
    """An array, an envelope and objects over many lines yield one event for each object."""
    events, info = read(tmp_path, text)
    assert [event["ts"] for event in events] == ["2015-06-14T15:16:01+00:00", "2015-06-14T15:16:02+00:00"]
    assert info.lines == 2


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_tables(tmp_path: Path, mark: str) -> None:
    """A delimited file with a header is read by its columns; quoted cells may hold the delimiter."""
    rows = [
        ["Time", "Server Name", "Severity", "Message", "Latency"],
        ["2015-06-14 15:16:01", "web-01", "ERR", f'"a{mark} ""b"""', "12"],
        ["2015-06-14 15:16:02", "web-02", "info", "plain", "7"],
    ]
    events, info = read(tmp_path, "\n".join(mark.join(row) for row in rows) + "\n")
    assert (info.format, info.lines, info.parsed) == ("csv", 2, 2)
    assert [event["host"] for event in events] == ["web-01", "web-02"]
    assert [event["level"] for event in events] == ["error", "info"]
    assert [event["message"] for event in events] == [f'a{mark} "b"', "plain"]
    assert [event["duration_ms"] for event in events] == [12.0, 7.0]
    assert events[0]["line"] == 2


def test_table_without_header(tmp_path: Path) -> None:
    """A delimited file without a header is still read as lines with a timestamp."""
    events, info = read(tmp_path, "2015-06-14 15:16:01,web-01,ERROR,broken\n2015-06-14 15:16:02,web-02,INFO,fine\n")
    assert info.parsed == 2
    assert events[0]["ts"] == "2015-06-14T15:16:01+00:00"


def test_w3c_extended(tmp_path: Path) -> None:
    """Logs of IIS name their columns in a comment; date and time of day stand in two of them."""
    events, info = read(
        tmp_path,
        "#Software: IIS\n#Version: 1.0\n#Fields: date time cs-method cs-uri-stem c-ip sc-status time-taken\n"
        "2015-06-14 15:16:01 GET /a 10.0.0.1 500 31\n",
    )
    assert (info.format, info.parsed, info.unparsed) == ("w3c", 1, 0)
    assert (events[0]["status"], events[0]["path"], events[0]["duration_ms"]) == (500, "/a", 31.0)


def test_parquet(tmp_path: Path) -> None:
    """A Parquet file is read by its columns."""
    import duckdb

    path = tmp_path / "x.parquet"
    duckdb.sql(
        "SELECT TIMESTAMP '2015-06-14 15:16:01' + to_seconds(i) AS event_time, 'web-0' || i AS host, 'WARN' AS level,"
        " 'm' || i AS message FROM range(3) t(i)"
    ).write_parquet(str(path))
    store = open_events(str(path))
    events = store.sample(limit=9)
    assert store.info().files[0].format == "parquet"
    assert [event["host"] for event in events] == ["web-00", "web-01", "web-02"]
    assert (events[0]["ts"], events[0]["level"], events[0]["message"]) == ("2015-06-14T15:16:01+00:00", "warning", "m0")


def test_stack_traces_belong_to_their_event(tmp_path: Path) -> None:
    """Lines of a stack trace are counted with the event before them, and found with it."""
    events, info = read(
        tmp_path,
        "2015-10-18 18:01:47,978 ERROR [main] x: failed\njava.io.IOException: no route\n\tat a.B.c(D.java:1)\n"
        "Caused by: java.net.X: y\n\t... 10 more\n\n2015-10-18 18:01:48,978 INFO [main] x: on\n",
    )
    assert (info.parsed, info.continued, info.unparsed, info.blank) == (2, 4, 0, 1)
    assert "no route" in events[0]["raw"]
    assert [event["line"] for event in events] == [1, 7]


def test_lines_that_stop_bearing_a_moment(tmp_path: Path) -> None:
    """Records without a timestamp are unparsed, not continuation; where their longest run begins is told."""
    good = "".join(f"2015-10-18 18:01:{n:02},000 INFO pay: order={n} paid\n" for n in range(20))
    bad = "".join(f"INFO pay: order={n} paid\n" for n in range(30))
    _, info = read(tmp_path, good + bad)
    assert (info.parsed, info.continued, info.unparsed) == (20, 0, 30)
    assert info.unparsed_examples[0] == "INFO pay: order=0 paid"
    assert (info.unparsed_line, info.unparsed_since, info.unparsed_until) == (21, "2015-10-18T18:01:19+00:00", None)


def test_two_formats_in_one_file(tmp_path: Path) -> None:
    """Each line of a mixed file is read by the layout that fits it."""
    lines = [COMBINED, '{"ts": "2015-10-10T20:55:37Z", "level": "error"}', "2015-10-10 20:55:38 WARN x", "nothing here"]
    events, info = read(tmp_path, "\n".join(lines * 20))
    assert (info.parsed, info.unparsed + info.continued) == (60, 20)
    assert {event["sourcetype"] for event in events} == {"apache-access", "json", "text"}


def test_a_format_that_the_first_sample_misses(tmp_path: Path) -> None:
    """A few lines of another format in a long file are found when what is left is sampled again."""
    many = "".join(f"2015-10-10 20:{n // 60 % 60:02}:{n % 60:02} INFO x {n}\n" for n in range(3000))
    _, info = read(tmp_path, many + "Oct 10 21:55:38 combo sshd[1]: late\n" + many)
    assert (info.parsed, info.unparsed) == (6001, 0)


def test_year_from_the_modification_time(tmp_path: Path) -> None:
    """Without a year the last line gets the latest one possible; December before January belongs to the year before."""
    events, info = read(
        tmp_path,
        "Dec 31 23:59:58 h a[1]: x\nDec 31 23:59:59 h a[1]: x\nJan  1 00:00:01 h a[1]: x\n",
        mtime=datetime(2016, 1, 2, tzinfo=UTC).timestamp(),
    )
    assert [event["ts"][:10] for event in events] == ["2015-12-31", "2015-12-31", "2016-01-01"]
    assert "name no year" in info.note


def test_year_from_the_other_files(tmp_path: Path) -> None:
    """Where other files of the folder name years, lines without one are put beside them."""
    (tmp_path / "a.log").write_text("2011-06-01 10:00:00 INFO x\n")
    (tmp_path / "b.log").write_text("Jun  1 09:59:00 h a[1]: x\n")
    assert open_events(str(tmp_path)).info().start == "2011-06-01T09:59:00+00:00"


@pytest.mark.parametrize(("first", "ts"), [("13/06/2015", "2015-06-13"), ("06/13/2015", "2015-06-13")])
def test_day_and_month_are_told_apart_by_the_values(tmp_path: Path, first: str, ts: str) -> None:
    """Whether a slashed date begins with the day or the month is told from the whole sample."""
    events, _ = read(tmp_path, f"{first} 10:00:00 x\n{first} 10:00:01 y\n")
    assert events[0]["ts"].startswith(ts)


@pytest.mark.parametrize(
    ("word", "level"),
    [("WARN", "warning"), ("ERR", "error"), ("FATAL", "critical"), ("SEVERE", "error"), ("30", "info"), ("3", "error")],
)
def test_levels_have_one_spelling(tmp_path: Path, word: str, level: str) -> None:
    """Levels are normalised, numbers of syslog and of JSON loggers too."""
    events, _ = read(tmp_path, f'{{"ts": "2015-06-14T15:16:01Z", "level": "{word}"}}\n')
    assert events[0]["level"] == level


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("web-03/access.log", "web-03"),
        ("db-01.log", "db-01"),
        ("app.example.com.log", "app.example.com"),
        ("access.log.1", None),
    ],
)
def test_host_from_the_name(tmp_path: Path, name: str, host: str | None) -> None:
    """Where lines name no host, the file's or folder's name may."""
    path = tmp_path / "logs" / name
    path.parent.mkdir(parents=True)
    path.write_text("2015-06-14 15:16:01 x\n")
    assert open_events(str(tmp_path / "logs")).sample()[0]["host"] == host


def test_a_year_that_messages_tell(tmp_path: Path) -> None:
    """Messages that repeat their own day with a year tell it; a date of another day, as of a build, does not."""
    line = "Jun 17 07:07:00 combo ftpd[29]: connection from 10.4.7.6 (x.example.com) at Fri Jun 17 07:07:00 2005"
    built = "Jun 17 07:07:02 combo kernel: Linux version 2.6.5 #1 Sat May 8 09:04:50 EDT 2004"
    events, info = read(tmp_path, "\n".join([line, line.replace("29", "30"), built, built, built]))
    assert {event["ts"][:10] for event in events} == {"2005-06-17"}
    assert info.note.endswith("the lines name no year: the last is taken as 2005, from dates in the messages")


def test_one_message_with_a_year_tells_nothing(tmp_path: Path) -> None:
    """A single date may be quoted from anywhere."""
    line = "Jun 17 07:07:00 combo app: copy of Fri Jun 17 07:07:00 2005"
    events, _ = read(tmp_path, line)
    assert events[0]["ts"].startswith("2015-06-17")


def test_the_year_turns_after_what_messages_tell(tmp_path: Path) -> None:
    """The year told is the one of the lines that tell it; what follows December is of the next."""
    told = "Dec 31 23:59:0{} combo ftpd[29]: connection at Fri Dec 31 23:59:0{} 2004"
    lines = [told.format(n, n) for n in range(3)] + ["Jan  1 00:00:07 combo app: happy new year"]
    events, _ = read(tmp_path, "\n".join(lines))
    assert [event["ts"][:4] for event in events] == ["2004", "2004", "2004", "2005"]


def test_a_request_in_a_plain_line(tmp_path: Path) -> None:
    """Method, path, client, status and time of a request are read from lines of services that log them so."""
    text = (
        "api.log.1 2016-05-16 00:00:00.008 2574 INFO shop.wsgi.server [req-38101a0b-2096-447d-96ea-a692162415ae 1 - -]"
        ' 10.11.21.7,10.11.10.1 "GET /v2/orders/detail HTTP/1.1" status: 200 len: 1893 time: 0.25'
    )
    (event,), _ = read(tmp_path, text)
    wanted = {"method": "GET", "path": "/v2/orders/detail", "client": "10.11.21.7", "status": 200, "duration_ms": 250.0}
    assert {name: event[name] for name in wanted} == wanted
    assert (event["level"], event["source"]) == ("info", "api")


def test_a_label_before_the_moment(tmp_path: Path) -> None:
    """Lines that bear a word where most have a dash are events too, not the rest of the one before."""
    usual = "- 111783857{} 2005.06.03 R02-M1-N0 2005-06-03-15.42.50.675872 R02-M1-N0 RAS KERNEL INFO corrected"
    alert = "KERNDTLB 1117838590 2005.06.03 R02-M1-N0 2005-06-03-15.42.50.675872 R02-M1-N0 RAS KERNEL FATAL data error"
    events, info = read(tmp_path, "\n".join([*(usual.format(n) for n in range(9)), alert]))
    assert (info.parsed, info.continued) == (10, 0)
    assert [event["level"] for event in events] == ["info"] * 9 + ["critical"]


def test_a_level_of_one_letter_is_no_part_of_the_message(tmp_path: Path) -> None:
    """Process, thread and level go, the tag stays."""
    text = "\n".join(f"03-17 16:13:3{n}.811  1702  2395 W WindowManager: frozen" for n in range(5))
    events, _ = read(tmp_path, text)
    assert {(event["level"], event["message"]) for event in events} == {("warning", "WindowManager: frozen")}


def test_short_names_of_fields(tmp_path: Path) -> None:
    """`prio` and `txt` are a level and a message; where no field is known as the message, the file's notes say so."""
    line = '{"when": "2015-06-14T15:16:01Z", "machine": "a", "prio": "err", "txt": "disk full"}\n'
    (event, *_), info = read(tmp_path, line * 3)
    assert (event["host"], event["level"], event["message"]) == ("a", "error", "disk full")
    assert "no field is known as the message" not in (info.note or "")
    (event, *_), info = read(tmp_path, line.replace("txt", "blurb") * 3, name="y.log")
    assert event["message"].startswith('{"when"')
    assert "no field is known as the message, so that the whole record is" in (info.note or "")
