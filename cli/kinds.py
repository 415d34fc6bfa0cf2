"""The kinds of values that options take; anything else is bad usage."""

from __future__ import annotations

import json
import math
import os
import re
from datetime import timedelta
from typing import Any, NamedTuple

import click

from ..runs.names import checked_name
from ..schema.errors import RunError

ROLES = ("planner", "specialists", "summary", "default")
"""What a chat model can be for."""


def positive_seconds(value: str) -> float:
    """Return a positive, finite number of seconds; anything else is bad usage."""
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number of seconds") from None
    if not math.isfinite(number) or number <= 0:
        raise click.BadParameter(f"{value!r} is not a positive, finite number of seconds")
    return number


def positive_amount(value: str) -> float:
    """Return a positive, finite amount of money; anything else is bad usage."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number <= 0:
        raise click.BadParameter(f"{value!r} is not a positive, finite amount")
    return number


def address(value: str) -> str:
    """Return a port, or a host and a port; anything else is bad usage."""
    if not re.fullmatch(r"([^\s:]+:)?\d{1,5}", value) or int(value.rpartition(":")[2]) > 65535:
        raise click.BadParameter(f"{value[:80]!r} is no PORT or HOST:PORT")
    return value


def some_seconds(value: str) -> float:
    """Return a finite number of seconds that is not negative; anything else is bad usage."""
    return 0.0 if value.strip() == "0" else positive_seconds(value)


class Age(NamedTuple):
    """A duration as it was given."""

    text: str
    duration: timedelta


def age(value: str) -> Age:
    """Return a duration such as `30d`, `12h` or `90m`; anything else is bad usage."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])", value.strip().lower())
    try:
        if found is not None:
            return Age(found[0], timedelta(**{_UNITS[found[2]]: float(found[1])}))
    except OverflowError:
        pass
    raise click.BadParameter(f"{value[:40]!r} is no duration: write it as 30d, 12h, 90m, 45s or 2w")


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def thread_id(value: str) -> str:
    """Return the name of a run; an empty, long or unprintable one is bad usage."""
    try:
        return checked_name(value)
    except RunError as error:
        raise click.BadParameter(str(error)) from None


def name_and_value(text: str) -> tuple[str, Any]:
    """Return a parameter, `NAME=VALUE`; the value is JSON where it reads as JSON, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name.strip(), json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return name.strip(), value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def log_path(text: str) -> str:
    """Return where an event log is, whatever the current folder is then."""
    return os.path.abspath(text) if text and "://" not in text else text


def models_of_environment() -> tuple[tuple[str, str], ...]:
    """Return the chat models that the environment names, each with what it is for."""
    return tuple(role_and_model(text) for text in os.environ.get("FANWISE_MODEL", "").split())


def with_environment(
    context: click.Context, parameter: click.Parameter, given: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return the chat models that are given, and those that the environment names for other roles.

    One that is given for everything leaves nothing to the environment.
    """
    roles = {role for role, _ in given}
    if "default" in roles:
        return given
    return (*given, *((role, name) for role, name in models_of_environment() if role not in roles))


def role_and_model(text: str) -> tuple[str, str]:
    """Return a model and what it is for; a role that does not exist is bad usage."""
    role, mark, name = text.partition("=")
    if not mark:
        return "default", text.strip()
    if role not in ROLES or not name.strip():
        raise click.BadParameter(f"{text[:80]!r} is not NAME or ROLE=NAME; roles are {', '.join(ROLES)}")
    return role, name.strip()
