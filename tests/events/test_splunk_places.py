"""Where events in Splunk are: URLs and source files, what is wrong with them, and who may name them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from splunk_events import as_splunk, shop
from splunk_server import PASSWORD, TOKEN, USER, Splunk
from splunk_spl import Parser, commands

from fanwise.events.open import open_events
from fanwise.events.protocol import Where
from fanwise.events.splunk.place import of_url
from fanwise.events.splunk.spl import contains, quoted
from fanwise.nodes.held import LOG, Places, field_problem
from fanwise.schema.errors import EventsError
from fanwise.serving.mcp_events import EventLogs

EVENTS = shop(rate=0.05)


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)


@given(st.text())
def test_quoted_text_stays_one_text(text: str) -> None:
    """It is one literal of one command, whose value is the text."""
    spl = f"search index=x | where host={quoted(text)} | head 3"
    assert len(commands(spl)) == 3
    made = Parser(quoted(text)).whole()({})
    assert made.encode("utf-8", "surrogateescape") == text.encode("utf-8", "surrogatepass")
    assert not set(quoted(text)[1:-1].removeprefix('rldecode("').removesuffix('"')) & set("\"'`|[]\\*$\n")


@given(st.text(), st.text())
def test_a_text_is_looked_for_literally(text: str, around: str) -> None:
    """It is found where it is, and is no expression."""
    test = Parser(contains(text)).whole()
    whole = "".join(char for char in text if not "\ud800" <= char <= "\udfff")
    if whole == text:
        assert test({"_raw": around + text + around})
        assert bool(test({"_raw": around})) == (text.lower() in around.lower()) or not (text + around).isascii()
    assert len(commands(f"search x | where {contains(text)}")) == 2


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("splunk://ada:pw@splunk.example?index=main", "holds no user and no secret, since it stands in plans"),
        ("splunk://ada:pw@splunk.example:bad?index=main", "holds no user and no secret"),
        ("splunk://splunk.example?index=main&token=pw", "holds no user and no secret, .*: set SPLUNK_TOKEN"),
        ("splunk://splunk.example", r"no index is named: write \?index=NAME"),
        ("splunk://?index=main", "no name of a host"),
        ("splunk://splunk.example:port?index=main", "is no location in Splunk: Port could not be cast"),
        ("splunk://splunk.example?index=main&earlist=-1h", "unknown parameter 'earlist'; did you mean 'earliest'"),
        ("splunk://splunk.example?index=main&earliest=-1h&earliest=-2h", "'earliest' is given twice"),
        ("splunk://splunk.example?index=main&earliest=yesterday%20noon", "a time is relative .* got 'yesterday noon'"),
        ("splunk://splunk.example?index=a%22%20OR%20index=b", "an index is named by letters"),
        ("splunk://splunk.example?index=main&sourcetype=x%60y", "write anything else in a base search, got 'x`y'"),
        ("splunk://splunk.example?index=main&job_s=soon", "job_s"),
        ("splunk://splunk.example?index=main#x", "nothing may stand behind a '#'"),
    ],
)
def test_what_is_wrong_with_a_url(location: str, said: str) -> None:
    """It is said with the remedy; a password is not repeated."""
    with pytest.raises(EventsError, match=said) as raised:
        open_events(location)
    assert "pw" not in str(raised.value)


def test_all_problems_of_a_url_are_told_at_once() -> None:
    """Not one after another."""
    with pytest.raises(EventsError) as raised:
        open_events("splunk://splunk.example?index=a/b&scheme=ftp&colour=red")
    assert str(raised.value).count("\n  - ") == 3
    with pytest.raises(EventsError) as raised:
        open_events("splunk://splunk.example?foo=1&earliest=gestern")
    told = str(raised.value)
    assert "3 problems" in told and "'foo'" in told and "no index is named" in told and "earliest: a time is" in told
    with pytest.raises(EventsError, match=r"1 problem\n.*did you mean 'index'"):
        open_events("splunk://splunk.example?indx=main")


@pytest.mark.parametrize("time", ["-24h", "-7d@d", "@w1", "-1mon@mon+2h-5m", "now", "-d@d", "+30seconds", "0", "17.5"])
def test_times_that_splunk_takes(time: str) -> None:
    """They are passed on as they are."""
    assert of_url(f"splunk://h?index=a&earliest={time}").earliest == time


@pytest.mark.parametrize("time", ["gestern", "-1x", "-24 h", "@noon", "1h2"])
def test_times_that_splunk_does_not_take(time: str) -> None:
    """They are refused before Splunk is asked, and before credentials are looked for."""
    with pytest.raises(EventsError, match="latest: a time is relative"):
        of_url(f"splunk://h?index=a&latest={time}")


def test_what_a_url_says() -> None:
    """A plus is a plus, ISO 8601 becomes seconds, a parameter may come again."""
    source = of_url(
        "splunk://h:1/my_app?index=a&index=b*&latest=+2d&earliest=2025-03-04T00:00:00Z&rows=500&verify=false"
    )
    assert (source.host, source.port, source.app, source.index) == ("h", 1, "my_app", ("a", "b*"))
    assert (source.earliest, source.latest) == ("1741046400.000000", "+2d")
    assert (source.limits.rows, source.verify) == (500, False)


def test_a_source_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names fields as they are called in Splunk, a base search, and secrets by the environment."""
    monkeypatch.delenv("SPLUNK_TOKEN")
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    events = [as_splunk(event) for event in EVENTS]
    renamed = [
        {**e, "_raw": e["_raw"].replace('"level"', '"grade"').replace('"duration_ms"', '"secs"')} for e in events
    ]
    with Splunk(renamed) as server:
        path = tmp_path / "shop.events.yaml"
        path.write_text(
            f"splunk:\n  host: 127.0.0.1\n  port: {server.port}\n  scheme: http\n  earliest: 0\n"
            "  base: index=main sourcetype=* | search NOT host=web-04\n"
            "  fields: {level: [grade, level], duration_s: secs, host: [node, host]}\n"
            f"  username: {USER}\n  password: ${{SHOP_PASSWORD}}\n  limits: {{page: 50}}\n"
        )
        store = open_events(str(path))
        info = store.info()
        assert "level" in info.fields and "duration_ms" in info.fields and "web-04" not in info.hosts
        assert info.events == sum(event["host"] != "web-04" for event in EVENTS)
        graded = [event for event in EVENTS if event.get("level") == "info"]
        assert sum(row["events"] for row in store.counts((), where=Where(levels=("info",)))) == len(graded)
        assert store.counts((), where=Where(host="db-01")) != []
        slowest = max(event.get("duration_ms", 0) for event in EVENTS if event["host"] != "web-04")
        assert store.sample(limit=1, order="slowest")[0]["duration_ms"] == pytest.approx(1000 * slowest)


def test_what_is_wrong_with_a_source_file(tmp_path: Path) -> None:
    """Every problem has its line."""
    path = tmp_path / "bad.events.yaml"
    path.write_text(
        "splunk:\n  hots: splunk.example\n  index: main\n  base: index=main | delete\n  token: eyJ-secret\n"
        '  fields:\n    levle: grade\n    host: "a\'b"\n  limits: {jobs: 0}\n'
    )
    with pytest.raises(EventsError) as raised:
        open_events(str(path))
    told = str(raised.value)
    for said in (
        "line 2 (splunk.hots): unknown field 'hots'; did you mean 'host'?",
        "line 4 (splunk.base): a base search only reads; 'delete' does not",
        "line 4 (splunk.base): a base search stands in place of index and sourcetype",
        "line 5 (splunk.token): a secret stands in the environment, not here: write ${NAME}",
        "line 7 (splunk.fields.levle): unknown field 'levle'; did you mean 'level'?",
        "line 8 (splunk.fields.host[0]): a field's name begins with a letter",
        "line 9 (splunk.limits.jobs): ",
        "'host' is missing",
    ):
        assert said in told
    assert "eyJ-secret" not in told


def test_a_secret_that_is_not_set(tmp_path: Path) -> None:
    """The name that is missing is said."""
    path = tmp_path / "shop.events.yaml"
    path.write_text("splunk: {host: splunk.example, index: main, token: '${NOT_SET_HERE}'}\n")
    with pytest.raises(EventsError, match="the environment has no NOT_SET_HERE"):
        open_events(str(path))


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where splunk-sdk is not installed, what to install is said."""
    for name in [name for name in sys.modules if name.startswith(("splunklib", "fanwise.events.splunk.jobs"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "fanwise.events.splunk.faults", raising=False)
    monkeypatch.setitem(sys.modules, "splunklib", None)
    said = r"pip install 'fanwise\[splunk\]', or in a checkout pip install '\.\[splunk\]'"
    with pytest.raises(EventsError, match=said):
        open_events("splunk://splunk.example?index=main")


def test_a_plan_of_a_model_names_no_other_splunk(tmp_path: Path) -> None:
    """Only the run's own location, to the letter, also where the run's log is the folder that all is in."""
    own = "splunk://splunk.example?index=main"
    assert field_problem(LOG, own, Places((own,))) == ""
    for other in (own + "&index=secret", "splunk://evil.example?index=main", "SPLUNK://splunk.example?index=main"):
        assert "keeps to the run's own log" in field_problem(LOG, other, Places((own,)))
        assert field_problem(LOG, other, Places((".", "/"), (tmp_path,))) != ""
    written = tmp_path / "mine.events.yaml"
    written.write_text("splunk: {host: evil.example, index: main}")
    assert field_problem(LOG, str(written), Places((str(tmp_path),), (tmp_path,))) != ""


def test_a_client_names_no_other_splunk(tmp_path: Path) -> None:
    """Nor does a client of the MCP server."""
    own = "splunk://splunk.example?index=main"
    logs = EventLogs(own, tmp_path)
    assert logs.allowed(None) == logs.allowed(own) == own
    (tmp_path / "mine.events.yaml").write_text("splunk: {host: evil.example, index: main}")
    (tmp_path / "link").symlink_to(tmp_path / "mine.events.yaml")
    for other in (own + "&index=secret", "splunk://evil.example?index=main", "mine.events.yaml", "link"):
        with pytest.raises(EventsError, match="may not be read here"):
            logs.allowed(other)
