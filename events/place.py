"""What the names of files and folders tell: the host that wrote a log."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_NO_HOSTS = frozenset(
    "log logs part chunk file data day week month shard batch page run job task test sample example backup archive copy"
    " access error events messages syslog kern auth daemon debug output out trace application container split segment"
    " version rev build utf iso rfc sha md http".split()
)
_NUMBERED = re.compile(r"([a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)-?(\d{1,4})", re.I)
_DOMAIN = re.compile(
    r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|net|org|io|local|lan|internal|intra|corp|example|dev|cloud)", re.I
)
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|ip-\d{1,3}(?:-\d{1,3}){3}")
_ENDINGS = re.compile(r"(?:\.(?:log|txt|json|jsonl|ndjson|csv|tsv|parquet|gz|bz2|xz|out|err|\d+))+$", re.I)


def host_of(name: str) -> str | None:
    """Return the host that a file's path names, such as `web-03/access.log` or `db-01.example.com.log`; else `None`."""
    parts = PurePosixPath(name).parts
    for part in reversed(parts):
        bare = _ENDINGS.sub("", part)
        for candidate in (bare, *re.split(r"[._]", bare)[:1], *re.split(r"[._]", bare)[-1:]):
            if _is_host(candidate):
                return candidate
    return None


def _is_host(text: str) -> bool:
    if _DOMAIN.fullmatch(text) or _ADDRESS.fullmatch(text):
        return True
    found = _NUMBERED.fullmatch(text)
    if not found or text.isdigit():
        return False
    base, number = found.groups()
    words = base.lower().split("-")
    joined = f"-{number}" in text
    return not _NO_HOSTS.intersection(words) and len(number) <= 3 and (joined or number.startswith("0"))
