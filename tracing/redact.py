"""Masks secrets in what is traced: known kinds of keys, the values of secret environment variables, own patterns."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic_core

from ..schema.errors import FanwiseError

MASK = "[masked]"
"""What stands in a secret's place."""

PATTERNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("-----BEGIN",),
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    (("sk-",), r"\bsk-[A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic, DeepSeek and others
    (("lsv2_",), r"\blsv2_(?:pt|sk)_[A-Za-z0-9]{8,}(?:_[A-Za-z0-9]+)?"),  # LangSmith
    (("AKIA", "ASIA", "AGPA", "AIDA", "AROA", "ANPA"), r"\bA(?:KIA|SIA|GPA|IDA|ROA|NPA)[A-Z0-9]{16}\b"),  # AWS
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{20,}"),  # GitHub
    (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{16,}"),  # GitLab
    (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
    (("xapp-",), r"\bxapp-\d-[A-Za-z0-9-]{10,}"),
    (("hooks.slack.com",), r"https://hooks\.slack\.com/services/[A-Za-z0-9/]+"),
    (("AIza",), r"\bAIza[A-Za-z0-9_-]{35}"),  # Google
    (("ya29.",), r"\bya29\.[A-Za-z0-9_-]{20,}"),
    (("k_live_", "k_test_"), r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),  # Stripe
    (("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),  # SendGrid
    (("hf_",), r"\bhf_[A-Za-z0-9]{20,}"),  # Hugging Face
    (("npm_",), r"\bnpm_[A-Za-z0-9]{30,}"),
    (("pypi-",), r"\bpypi-[A-Za-z0-9_-]{30,}"),
    (("eyJ",), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # JSON Web Tokens
)
"""Secrets that are known by their form alone: what a text must contain to hold one, and how it looks."""

AFTER: tuple[tuple[tuple[str, ...], str], ...] = (
    (("bearer", "basic"), r"(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    (("://",), r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"']*:[^\s/@\"']+(?=@)"),
    (
        ("key", "secret", "passw", "token", "credential"),
        r"(?<![A-Za-z0-9_.-])(?i:[A-Za-z0-9_.-]{0,40}(?:api[_-]?key|secret|passw(?:or)?d|token|access[_-]?key|credential)"
        r"[A-Za-z0-9_.-]{0,40}[\\\"']*\s*[:=]\s*[\\\"']*)(?!\[masked\]|\d+(?:\.\d+)?\b)"
        r"(?:(?i:bearer|basic)\s+)?[^\s\\\"',;&}{\[\]()]{6,}",
    ),
)
"""Secrets that are known by what stands before them, which stays. What a text must contain is in small letters."""

SECRET_NAME = re.compile(
    r"(?i)(api[_-]?key|secret|passw(or)?d|passwd|(^|[_-])pwd$|(^|[_-])token$|access[_-]?key|private[_-]?key|credential"
    r"|^authorization$|^cookie$|^set-cookie$|^x-api-key$|(^|_)dsn$)"
)
"""Names whose values are secret, whatever they look like."""

NAME_HINTS = ("key", "secret", "passw", "pwd", "token", "credential", "authorization", "cookie", "dsn")
"""What such names contain, in small letters."""

ENV_NAME = re.compile(r"(?i)(key|token|secret|passw|pwd|credential|(^|_)auth|dsn|(^|_)cookie)")
"""Environment variables whose values are secret."""

SHORTEST = 8
"""Characters of an environment variable's value that is looked for; shorter ones stand in too many other words."""

NO_SECRETS = frozenset({"disabled", "required", "optional", "localhost", "anonymous", "password", "test-key"})
"""Values that are no secrets, whatever their variables are called."""

_SPLIT = re.compile(
    r"^(?P<kept>(?i:(?:bearer|basic)\s+)|[^\s/]*://[^\s/:@\"']*:|.*?[:=]\s*[\\\"']*)(?P<secret>.*)$", re.S
)

DEEPEST = 60
"""Levels of a value that are looked at; what lies deeper is left out."""


class Redactor:
    """Masks secrets in texts and values."""

    def __init__(
        self, patterns: Iterable[str | re.Pattern[str]] = (), *, values: Iterable[str] = (), is_on: bool = True
    ) -> None:
        """Prepare to mask.

        Args:
            patterns: further secrets, as regular expressions.
            values: further secrets, as they are.
            is_on: whether anything is masked.

        Raises:
            FanwiseError: a pattern is no regular expression.
        """
        self.is_on = is_on
        self._own = compiled(patterns)
        self._values = sorted({value for value in values if value}, key=len, reverse=True)
        self._in_json = [json.dumps(value, ensure_ascii=False)[1:-1] for value in self._values]

    @classmethod
    def of_env(cls, patterns: Iterable[str | re.Pattern[str]] = (), *, is_on: bool = True) -> Redactor:
        """Return one that knows the secrets in the environment too."""
        return cls(patterns, values=secrets_in(os.environ), is_on=is_on)

    def text(self, text: str) -> str:
        """Return a text with its secrets masked."""
        if not self.is_on or len(text) < SHORTEST:
            return text
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        for hints, pattern in _KNOWN:
            if any(hint in text for hint in hints):
                text = pattern.sub(MASK, text)
        small = text.lower()
        for hints, pattern in _AFTER:
            if any(hint in small for hint in hints):
                text = pattern.sub(_mask_after, text)
        for pattern in self._own:
            text = pattern.sub(MASK, text)
        return text

    def value(self, value: Any) -> Any:
        """Return a value as JSON, with the secrets masked in texts, in keys, and under names that tell of secrets."""
        return self.sized(value)[0]

    def sized(self, value: Any) -> tuple[Any, int]:
        """Return the same, and how many characters it has as JSON."""
        if isinstance(value, str):
            return self.text(value), len(value)
        text = as_json_text(value)
        plain = pydantic_core.from_json(text)
        return (self._masked(plain, 0) if self.is_on and self._may_hold_secrets(text) else plain), len(text)

    def _may_hold_secrets(self, text: str) -> bool:
        """Tell, at little cost, whether it is worth to look closer."""
        if self._own or any(hint in text for hint in _KNOWN_HINTS) or any(value in text for value in self._in_json):
            return True
        small = text.lower()
        return any(hint in small for hint in _AFTER_HINTS)

    def _masked(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if depth > DEEPEST:
            return "[too deep]"
        if isinstance(value, dict):
            return {
                self.text(key): MASK if _is_secret(key, inner) else self._masked(inner, depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._masked(inner, depth + 1) for inner in value]
        return value


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Return the values of variables whose names look secret."""
    return [
        value
        for name, value in environment.items()
        if len(value) >= SHORTEST
        and ENV_NAME.search(name)
        and value.lower() not in NO_SECRETS
        and not value.startswith(("/", "~"))  # the place of a key, not the key
        and not value.isdigit()
    ]


def as_json_text(value: Any) -> str:
    """Return a value as JSON; what JSON has no words for becomes text."""
    try:
        return pydantic_core.to_json(
            value, serialize_unknown=True, inf_nan_mode="strings", bytes_mode="base64"
        ).decode()
    except (ValueError, RecursionError, TypeError, RuntimeError, AttributeError):
        return json.dumps(repr(value), ensure_ascii=False)


def _is_secret(key: Any, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and isinstance(key, str) and SECRET_NAME.search(key) is not None


def _mask_after(found: re.Match[str]) -> str:
    parts = _SPLIT.match(found.group())
    return MASK if parts is None else f"{parts['kept']}{MASK}"


def compiled(patterns: Iterable[str | re.Pattern[str]]) -> list[re.Pattern[str]]:
    """Return patterns for secrets, ready to use.

    Raises:
        FanwiseError: they are no regular expressions, or not several.
    """
    if isinstance(patterns, str | bytes | re.Pattern) or not isinstance(patterns, Iterable):
        raise FanwiseError(f"patterns for secrets are a list of regular expressions, not {patterns!r}")
    made: list[re.Pattern[str]] = []
    for pattern in patterns:
        if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
            made.append(pattern)
            continue
        if not isinstance(pattern, str):
            raise FanwiseError(
                f"the pattern for secrets {pattern!r} is neither a text nor a compiled regular expression"
            )
        try:
            made.append(re.compile(pattern, re.S))
        except re.error as error:
            raise FanwiseError(f"the pattern for secrets {pattern!r} is no regular expression: {error}") from None
    return made


_KNOWN = [(hints, re.compile(pattern, re.S)) for hints, pattern in PATTERNS]
_AFTER = [(hints, re.compile(pattern, re.S)) for hints, pattern in AFTER]
_KNOWN_HINTS = tuple(hint for hints, _ in PATTERNS for hint in hints)
_AFTER_HINTS = tuple({hint for hints, _ in AFTER for hint in hints} | {*NAME_HINTS})
