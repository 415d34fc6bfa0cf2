"""Snapshots: what a model was sent, compared with what is kept in `snapshots/`.

`FANWISE_RENEW_SNAPSHOTS=1 python -m pytest tests/llm` writes them anew; look at the difference before it is committed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "snapshots"


def matches(name: str, requests: Sequence[Mapping[str, Any]], replaced: Mapping[str, str]) -> bool:
    """Tell whether requests are those of a snapshot; fails with the difference where they are not.

    Args:
        name: the snapshot's name.
        requests: bodies of requests as the server got them.
        replaced: what differs from run to run, such as the workspace's path, and what stands for it.
    """
    text = json.dumps([normalised(body) for body in requests], indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    for own, word in replaced.items():
        text = text.replace(own, word)
    ids = dict.fromkeys(re.findall(r"call_[0-9a-f]{12}", text))
    for number, found in enumerate(ids, 1):
        text = text.replace(found, f"call_{number}")
    path = FOLDER / f"{name}.json"
    if os.environ.get("FANWISE_RENEW_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert json.loads(text) == expected, f"{path.name}: FANWISE_RENEW_SNAPSHOTS=1 writes it anew"
    return True


def normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's body without what the test's server adds, and marks of data without their numbers."""
    kept = {key: value for key, value in body.items() if not key.startswith("_")}
    text = json.dumps(kept, ensure_ascii=False)
    return dict(json.loads(re.sub(r"(<data|</data) [0-9a-f]{12}", r"\1 N", text)))
