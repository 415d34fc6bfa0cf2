"""Access control: who asks is told by an API key or a signed token, and what is one user's is no other's.

Name it in `langgraph.json`, or start `fanwise serve --auth`:

    "auth": {"path": "fanwise.studio.auth:auth", "disable_studio_auth": true}

`FANWISE_API_KEYS` names a file with a line for each user: a name, and the SHA-256 of the key, as `fanwise serve
--new-key NAME` prints it. `FANWISE_JWT_SECRET` (32 characters or more) lets in who brings a token signed with it
(HS256) that has `sub` and `exp`; `FANWISE_JWT_AUDIENCE` is its `aud` then. Without either nobody is let in.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langgraph_sdk import Auth

from ..schema.errors import FanwiseError

LEAST_SECRET = 32
"""Characters that a secret has at least."""

auth = Auth()


@auth.authenticate
async def authenticate(headers: dict[bytes, bytes]) -> Auth.types.MinimalUserDict:
    """Return who asks.

    Raises:
        HTTPException: 401, where the key or token is missing or wrong.
    """
    told = {_text(name).lower(): _text(value) for name, value in headers.items()}
    bearer = told.get("authorization", "")
    token = bearer[7:].strip() if bearer.lower().startswith("bearer ") else ""
    key = told.get("x-api-key") or token
    if not key:
        raise Auth.exceptions.HTTPException(401, "no key: send 'x-api-key: KEY' or 'Authorization: Bearer TOKEN'")
    try:
        user = await asyncio.to_thread(identity, key, os.environ)
    except FanwiseError as error:
        raise Auth.exceptions.HTTPException(500, str(error)) from None
    if user is None:
        raise Auth.exceptions.HTTPException(401, "the key is not known, or the token is not valid any more")
    return {"identity": user, "is_authenticated": True}


def identity(key: str, environ: Mapping[str, str]) -> str | None:
    """Return the user whom a key or a token belongs to; `None` where it is nobody's.

    Raises:
        FanwiseError: the server is set up wrongly.
    """
    digest, found = hash_of(key), None
    for user, known in _keys(environ.get("FANWISE_API_KEYS")).items():
        if hmac.compare_digest(known.encode(), digest.encode()):
            found = user
    return found or _subject(key, environ)


def check_set_up(environ: Mapping[str, str]) -> None:
    """Find out whether anybody can be let in.

    Raises:
        FanwiseError: the keys can't be read, there are none, or the secret is too short.
    """
    secret, path = environ.get("FANWISE_JWT_SECRET"), environ.get("FANWISE_API_KEYS")
    if secret:
        _check_secret(secret)
    if path and not _keys(path) and not secret:
        raise FanwiseError(f"FANWISE_API_KEYS: there is no key in {path}")


def hash_of(key: str) -> str:
    """Return what is kept of a key. A key is random and long, so that a plain hash will do."""
    return hashlib.sha256(key.encode()).hexdigest()


def _keys(path: str | None) -> dict[str, str]:
    if not path:
        return {}
    try:
        lines = Path(path).read_text().splitlines()
    except OSError as error:
        raise FanwiseError(f"FANWISE_API_KEYS: the file of keys can't be read: {error.strerror}") from None
    pairs = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if any(len(pair) != 2 or len(pair[1]) != 64 for pair in pairs):
        raise FanwiseError("FANWISE_API_KEYS: each line of the file is NAME and the key's SHA-256, in hex")
    return {name: digest.lower() for name, digest in pairs}


def _subject(token: str, environ: Mapping[str, str]) -> str | None:
    secret = environ.get("FANWISE_JWT_SECRET")
    if not secret or token.count(".") != 2:
        return None
    _check_secret(secret)
    import jwt

    audience = environ.get("FANWISE_JWT_AUDIENCE") or None
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], audience=audience, options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        return None
    return str(claims["sub"]) or None


def _check_secret(secret: str) -> None:
    if len(secret) < LEAST_SECRET:
        raise FanwiseError(f"FANWISE_JWT_SECRET: it has to have {LEAST_SECRET} characters at least")


@auth.on
async def own_only(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, Any]:
    """Let everyone have what is theirs: what is made is marked with its owner, and found by that mark alone."""
    mine = {"owner": ctx.user.identity}
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("created_by", None)  # that would make it one of the server's own
        metadata.update(mine)
    elif ctx.action in ("create", "create_run", "update"):
        value["metadata"] = mine
    return mine


async def any_graph(ctx: Auth.types.AuthContext, value: Any) -> Any:
    """Let everyone use the server's own assistants, one for each graph, and those that they have made."""
    return {"$or": [{"owner": ctx.user.identity}, {"created_by": "system"}]}


auth.on.assistants.read(any_graph)
auth.on.assistants.search(any_graph)


@auth.on.store
async def own_store(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> None:
    """Keep everyone to a part of the store that has their name."""
    namespace = tuple(value.get("namespace") or ())
    if not namespace or namespace[0] != ctx.user.identity:
        value["namespace"] = (ctx.user.identity, *namespace)


def _text(given: bytes | str) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else given
