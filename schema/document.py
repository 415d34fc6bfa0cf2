"""stub"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import Problem

MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Document:
    data: Any
    source: str | None
    problems: tuple[Problem, ...] = ()

    def located(self, problems: Any, *, root: str = "") -> Any:
        return problems


def read_document(source: Any, *, max_bytes: int, name: str | None = None) -> Document:
    import yaml

    return Document(yaml.load(open(source).read(), yaml.CSafeLoader), str(source))
