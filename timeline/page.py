"""The page: one HTML file that needs no network.

What a run holds is hostile until shown otherwise. It goes into the page as JSON in a script that the browser does not
run, with every `<`, `>`, `&` and every character outside ASCII escaped; the page's own code puts it on the screen as
text only; and the content security policy lets nothing run but that code, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Literal

from .model import Timeline

Theme = Literal["auto", "light", "dark"]
"""Colours; `auto` takes the reader's own."""

D3_VERSION = "7.9.2"
LIBRARY = f"D3 {D3_VERSION} (ISC licence)"
"""The drawing library that the page holds, unchanged."""


def page(timeline: Timeline, *, theme: Theme = "auto", events: str | None = None) -> str:
    """Return the page of a run.

    Args:
        timeline: the run.
        theme: its colours.
        events: where the page asks for updates, relative to its own address; `None` for a page that does not change.
    """
    data = {**as_data(timeline), **({"events": events} if events else {})}
    values = {
        **_parts(),
        "theme": theme,
        "policy": policy(live=events is not None),
        "title": html.escape(f"{timeline.name[:200]}: {timeline.status}"),
        "data": embedded(data),
    }
    return _PLACE.sub(lambda found: values[found[1]], asset("page.html"))


def as_data(timeline: Timeline) -> dict[str, Any]:
    """Return a timeline as the page reads it: without what has its default."""
    return {
        **timeline.model_dump(mode="json", exclude={"rows"}),
        "rows": [row.model_dump(mode="json", exclude_defaults=True) for row in timeline.rows],
    }


def embedded(value: Any) -> str:
    """Return JSON that can stand in a script of any page: ASCII, and nothing in it that ends a script or is markup."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def policy(*, live: bool) -> str:
    """Return the page's content security policy."""
    parts = _parts()
    scripts = " ".join(_hash(parts[name]) for name in ("d3", "script"))
    rules = {
        "default-src": "'none'",
        "script-src": scripts,
        "style-src": _hash(parts["style"]),
        "img-src": "data:",
        "connect-src": "'self'" if live else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


@cache
def asset(name: str) -> str:
    """Return the text of a file that is shipped beside this module."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _parts() -> Mapping[str, str]:
    """Return what is the same on every page."""
    scripts = sorted(item.name for item in files(__package__).joinpath("assets", "js").iterdir())
    own = "".join(asset(f"js/{name}") for name in scripts if name.endswith(".js"))
    return {
        "style": asset("page.css"),
        "d3": asset("d3.min.js"),
        "script": f'"use strict";\n(() => {{\n{own}}})();\n',
        "licence": embedded(asset("d3.LICENSE.txt")),
        "library": html.escape(LIBRARY),
        "version": html.escape(version("fanwise")),
    }


_PLACE = re.compile(r"\{(theme|policy|title|style|version|library|licence|data|d3|script)\}")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
