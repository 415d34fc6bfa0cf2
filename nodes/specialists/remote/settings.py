"""What is said of a graph on another deployment: where it is, what it is given, what is taken of its state."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ....schema.errors import FanwiseError
from ....schema.expressions import problems as expression_problems
from ....schema.words import Loc, shown
from .template import template_problems

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_SECRET = re.compile(r"auth|cookie|key|secret|token|password", re.IGNORECASE)
"""How headers are called that hold a secret."""


class Remote(BaseModel):
    """A graph on one or several deployments that serve the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)] = Field(
        min_length=1
    )
    """Where it is served; of several, each task goes to the one with the least work."""
    graph: str = Field(min_length=1)
    """The graph's name, or an assistant's id."""
    input: dict[str, Any] | Literal["messages"] | None = None
    """What the graph is given, with references; see `template`."""
    output: str | None = Field(None, min_length=1, max_length=1000)
    """What of its last state is the task's output, in JMESPath; see `output` for what is taken if not given."""
    config: dict[str, Any] = Field(default_factory=dict)
    """`configurable`, `tags`, `recursion_limit` of its runs."""
    context: dict[str, Any] | None = None
    """The context of its runs."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    api_key: str | None = Field(None, repr=False)
    """Sent as `x-api-key`. No key is taken from the environment unless it is named here."""
    after_failure: Literal["continue", "restart"] = "continue"
    """Whether an attempt after a failed one goes on where the remote run stopped, or begins anew."""
    ttl_minutes: float | None = Field(None, gt=0)
    """How long the deployment keeps the thread, in minutes; as long as it does by itself if not given."""
    request_timeout_s: float = Field(30.0, gt=0, le=3600)
    """Seconds without a byte after which a request, or a stream, counts as broken."""
    wait_s: float = Field(60.0, ge=0, le=3600)
    """Seconds that tasks wait where no deployment can be reached, before they fail; see `pool`."""
    trace: bool = True
    """Whether trace context goes with its runs, where there is a trace."""

    def secrets(self) -> dict[str, str]:
        """Return the headers of its requests, with `${VAR}` replaced from the environment.

        Raises:
            FanwiseError: a variable is not set; the message names it.
        """
        own = {**self.headers, **({} if self.api_key is None else {"x-api-key": self.api_key})}
        return {name: _VARIABLE.sub(_of_environment, value) for name, value in own.items()}

    @property
    def lacks(self) -> str:
        """What is missing to use it, or nothing."""
        try:
            self.secrets()
        except FanwiseError as error:
            return str(error)
        return ""


def _of_environment(found: re.Match[str]) -> str:
    value = os.environ.get(found[1])
    if not value:
        raise FanwiseError(f"the environment variable {found[1]} is not set, which remote: names")
    return value


def with_plain_urls(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with URLs as they are compared: without a slash at the end."""
    given = data.get("url")
    urls = [given] if isinstance(given, str) else given
    if not isinstance(urls, list):
        return dict(data)
    return {**data, "url": [url.strip().rstrip("/") if isinstance(url, str) else url for url in urls]}


def remote_problems(data: Any) -> Iterator[tuple[Loc, str]]:
    """Yield what is wrong with the values of a `remote`, beside their types, with the place of each in it."""
    if not isinstance(data, Mapping):
        return
    yield from _url_problems(data.get("url"))
    yield from ((("input", *loc), told) for loc, told in template_problems(data.get("input")))
    if isinstance(output := data.get("output"), str):
        yield from ((("output",), told) for told in expression_problems(output))
    config = data.get("config")
    if data.get("context") and isinstance(config, Mapping) and config.get("configurable"):
        yield ("context",), "servers take a context or config.configurable, not both; keep one of them"


def secret_problems(data: Any) -> Iterator[tuple[Loc, str]]:
    """Yield where a secret stands in the data itself: files are copied, shown and kept."""
    if not isinstance(data, Mapping):
        return
    key = data.get("api_key")
    if isinstance(key, str) and not _VARIABLE.fullmatch(key):
        yield ("api_key",), "a key does not stand in a file: write ${VARIABLE}, and set that in the environment"
    headers = data.get("headers")
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if _SECRET.search(str(name)) and isinstance(value, str) and not _VARIABLE.search(value):
            told = f"the header {shown(str(name))} holds a secret, which does not stand in a file: write ${{VARIABLE}}"
            yield ("headers", str(name)), f"{told}, and set that in the environment"


def _url_problems(given: Any) -> Iterator[tuple[Loc, str]]:
    urls = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    seen: set[str] = set()
    for at, url in enumerate(urls):
        if not isinstance(url, str):
            continue
        loc: Loc = ("url",) if isinstance(given, str) else ("url", at)
        if (plain := url.strip().rstrip("/")) in seen:
            yield loc, f"{shown(_without_password(plain))} comes twice; name each deployment once"
        seen.add(plain)
        if told := _url_problem(plain):
            yield loc, told


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", url)


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"{shown(_without_password(url))} is no URL: {error}"
    if parts.username is not None or parts.password is not None:
        return "a URL holds no name and password; give a header, with ${VARIABLE} for the secret"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{shown(url)} is no address of a server; write http://HOST:PORT or https://HOST"
    return "a URL of a server has no ? and no #; remove what begins with it" if parts.query or parts.fragment else ""
