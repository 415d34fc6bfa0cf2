"""What `fanwise serve` looks at before it starts: what is set up wrongly is refused at once, in one line."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

import click

from ..schema.errors import FanwiseError

HOW = "`fanwise serve --new-key NAME` prints a key and its line"


def check_access(environ: Mapping[str, str]) -> None:
    """Refuse `--auth` that would let nobody in.

    Raises:
        FanwiseError: neither keys nor a secret are set, or they can't be used.
    """
    from ..studio.auth import check_set_up

    if not environ.get("FANWISE_API_KEYS") and not environ.get("FANWISE_JWT_SECRET"):
        raise FanwiseError(
            f"--auth: nobody could be let in: set FANWISE_API_KEYS to a file of keys ({HOW}), or FANWISE_JWT_SECRET"
        )
    try:
        check_set_up(environ)
    except FanwiseError as error:
        raise FanwiseError(f"--auth: {error}; {HOW}") from None


def whole_path(events: str | None) -> str | None:
    """Return where an event log is, whatever the current folder is then."""
    return os.path.abspath(os.path.expanduser(events)) if events and "://" not in events else events


def check_events(events: str | None) -> None:
    """Refuse an event log that is not there.

    Raises:
        FanwiseError: there is no such file or folder.
    """
    place = whole_path(events)
    if place and "://" not in place and not os.path.exists(place):
        raise FanwiseError(f"--events {place}: there is no such file or folder")


def check_setup() -> None:
    """Make the graphs that the server would make, which then has them; the environment says of what.

    Raises:
        FanwiseError: a specialist, a model or another part of the setup can't be used.
    """
    from ..studio import app

    assert app.fanwise


def print_key(name: str) -> int:
    """Print a new key, and the line by which the server knows it."""
    from ..studio.auth import hash_of

    if not name or len(name.split()) != 1 or name.startswith("#"):
        raise click.UsageError(f"--new-key {name!r}: a name is one word")
    key = secrets.token_urlsafe(32)
    click.echo(f"key, to be given to {name} and kept nowhere else:\n  {key}")
    click.echo(f"line for the file that FANWISE_API_KEYS names:\n  {name} {hash_of(key)}")
    return 0
