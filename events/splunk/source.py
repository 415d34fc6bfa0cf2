"""Where events are in Splunk, and how they are asked for: what a URL or a source file says, checked."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from .spl import is_field

PORT = 8089
"""Splunk's management port, on which its REST API answers."""

WRITING = (
    "collect delete dump mcollect meventcollect outputcsv outputlookup outputtelemetry run runshellscript script"
    " sendalert sendemail tscollect map"
).split()
"""Commands that change something, or run something else, and stand in no base search."""

_WRITES = re.compile(rf"[|\[]\s*({'|'.join(WRITING)})\b", re.IGNORECASE)
_UNIT = (
    "(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|mon|months?|q|qtrs?|quarters?|y|yrs?|years?"
    "|us|ms|cs|ds)"
)
_TIME = re.compile(
    rf"now|\d+(?:\.\d+)?|(?:now|[+-]?\d*{_UNIT})?(?:@(?:w[0-7]|{_UNIT}))?(?:[+-]\d*{_UNIT})*", re.IGNORECASE
)
_SECRET = re.compile(r"\$\{([A-Za-z_]\w*)\}")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _index(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9_*][a-zA-Z0-9_*-]{0,79}", name):
        raise ValueError("an index is named by letters, digits, '_', '-' and '*'")
    return name


def _value(text: str) -> str:
    if not re.fullmatch(r"[\w.:/@* -]{1,200}", text, re.ASCII):
        raise ValueError("it takes letters, digits, spaces and . : / @ _ - *; write anything else in a base search")
    return text


def _field_name(name: str) -> str:
    if not is_field(name):
        raise ValueError("a field's name begins with a letter or '_' and has no quote, no space and no pipe")
    return name


def _moment(text: Any) -> Any:
    """Return a time as Splunk takes it: relative as it is, ISO 8601 as seconds since 1970."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return str(text)
    if not isinstance(text, str) or _TIME.fullmatch(text):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time is relative (-24h, -7d@d, now), ISO 8601 or seconds since 1970") from None
    return f"{(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp():.6f}"


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("a secret stands in the environment, not here: write ${NAME}")
    return text


def _reads(text: str) -> str:
    text = text.strip()
    if found := _WRITES.search(text):
        raise ValueError(f"a base search only reads; {found[1]!r} does not")
    return text


Names = Annotated[tuple[Annotated[str, AfterValidator(_value)], ...], BeforeValidator(_listed)]
Time = Annotated[str, BeforeValidator(_moment)]
Secret = Annotated[str, AfterValidator(_secret)]
FieldNames = Annotated[
    tuple[Annotated[str, AfterValidator(_field_name)], ...], BeforeValidator(_listed), Field(min_length=1)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Part):
    """How much one search, and all together, may take."""

    job_s: float = Field(default=120.0, gt=0, le=86_400)
    """Seconds for one search, from asking to its last row, waits for a free slot in Splunk included."""
    request_s: float = Field(default=30.0, gt=0, le=3_600)
    """Seconds for one HTTP request."""
    jobs: int = Field(default=4, ge=1, le=50)
    """Searches at the same time, in this process."""
    rows: int = Field(default=250_000, ge=100, le=5_000_000)
    """Rows of one search."""
    page: int = Field(default=10_000, ge=1, le=50_000)
    """Rows of one request; Splunk gives at most 50,000 (`maxresultrows`)."""
    keep_s: int = Field(default=600, ge=10, le=604_800)
    """Seconds for which Splunk keeps a finished job, so that it can be looked at."""


class Fields(_Part):
    """Names of fields in Splunk by ours, where they are not the usual ones; several are tried in their order."""

    host: FieldNames | None = None
    source: FieldNames | None = None
    sourcetype: FieldNames | None = None
    level: FieldNames | None = None
    status: FieldNames | None = None
    duration_ms: FieldNames | None = None
    duration_s: FieldNames | None = None
    duration_us: FieldNames | None = None
    message: FieldNames | None = None
    user: FieldNames | None = None
    client: FieldNames | None = None
    method: FieldNames | None = None
    path: FieldNames | None = None

    @property
    def own(self) -> dict[str, tuple[str, ...]]:
        """Return those that are named."""
        return {name: value for name, value in self if value}


class SplunkSource(_Part):
    """Events in Splunk."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]{1,255}$")
    """The search head's name or address."""
    port: int = Field(default=PORT, ge=1, le=65_535)
    scheme: Literal["https", "http"] = "https"
    app: str | None = Field(default=None, pattern=r"^[\w.-]{1,100}$")
    """The app in whose context searches run: its field extractions hold."""
    verify: bool = True
    """Whether the server has to prove who it is."""
    ca: str | None = None
    """A file with the certificates that vouch for the server."""
    index: Annotated[tuple[Annotated[str, AfterValidator(_index)], ...], BeforeValidator(_listed)] = ()
    sourcetype: Names = ()
    base: Annotated[str, AfterValidator(_reads)] | None = None
    """A search that gives the events, in place of index and sourcetype."""
    earliest: Time = "-24h"
    latest: Time = "+1d"
    """A day ahead, so that events with a clock that is ahead are seen as well."""
    fields: Fields = Field(default_factory=lambda: Fields())
    token: Secret | None = None
    session_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    limits: Limits = Limits()

    @property
    def address(self) -> str:
        """Host and port, as messages name them."""
        return f"{self.host}:{self.port}"
