"""Access control: who is let in, and that nobody sees what is another's."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import KEYS, SECRET, client_of, run

pytest.importorskip("langgraph_sdk")
jwt = pytest.importorskip("jwt")

PLAN = {"plan": {"name": "own", "tasks": [{"id": "x", "specialist": "wait"}]}}


def token(user: str | None, *, secret: str = SECRET, expires_in: float = 3600, algorithm: str = "HS256") -> str:
    claims = {"exp": int(time.time() + expires_in), **({"sub": user} if user else {})}
    return str(jwt.encode(claims, None if algorithm == "none" else secret, algorithm=algorithm))


@pytest.mark.parametrize(
    ("key", "user"),
    [
        (KEYS["ada"], "ada"),
        (KEYS["bob"], "bob"),
        ("key-of-nobody", None),
        (token("cyd"), "cyd"),
        (token("cyd", secret="another secret that is long enough, too"), None),
        (token("cyd", expires_in=-10), None),
        (token(None), None),
        (token("cyd", algorithm="none"), None),
        ("a.b.c", None),
    ],
    ids=["ada", "bob", "unknown", "token", "another-secret", "expired", "no-user", "unsigned", "garbage"],
)
def test_identity(tmp_path: Path, key: str, user: str | None) -> None:
    """A key or a token that holds is its user's; whatever is wrong with it, it is nobody's."""
    from fanwise.studio.auth import hash_of, identity

    (tmp_path / "keys").write_text("".join(f"{name} {hash_of(own)}\n" for name, own in KEYS.items()))
    environ = {"FANWISE_API_KEYS": str(tmp_path / "keys"), "FANWISE_JWT_SECRET": SECRET}
    assert identity(key, environ) == user
    assert identity(key, {}) is None


def test_wrong_setup_lets_nobody_in(tmp_path: Path) -> None:
    """A file of keys that can't be read, or a short secret, is an error and lets nobody in."""
    from fanwise.schema.errors import FanwiseError
    from fanwise.studio.auth import identity

    (tmp_path / "keys").write_text("ada plain-key\n")
    with pytest.raises(FanwiseError, match="SHA-256"):
        identity("plain-key", {"FANWISE_API_KEYS": str(tmp_path / "keys")})
    with pytest.raises(FanwiseError, match="can't be read"):
        identity("k", {"FANWISE_API_KEYS": str(tmp_path / "none")})
    with pytest.raises(FanwiseError, match="32 characters"):
        identity("a.b.c", {"FANWISE_JWT_SECRET": "short"})


@pytest.mark.slow
def test_without_a_key_nothing_is_told(guarded: Any) -> None:
    """Neither LangGraph's API nor our own routes answer who has no key, or claims to be Studio."""
    for headers in ({}, {"x-api-key": "wrong"}, {"x-auth-scheme": "langsmith"}):
        for path in ("assistants/search", "threads/search"):
            assert httpx.post(f"{guarded.url}/{path}", json={}, headers=headers).status_code == 401, (path, headers)
        for path in ("fanwise/health", "fanwise/metrics", "fanwise/threads/x/timeline", "fanwise/threads/x/events"):
            assert httpx.get(f"{guarded.url}/{path}", headers=headers).status_code == 401, (path, headers)


@pytest.mark.slow
def test_threads_of_others_are_not_there(guarded: Any) -> None:
    """Another's thread can't be read, listed, run on, changed, drawn or deleted; its owner can do all of it."""

    async def asked() -> None:
        ada = client_of(guarded.url, api_key=KEYS["ada"])
        cyd = client_of(guarded.url, api_key=None, headers={"Authorization": f"Bearer {token('cyd')}"})
        thread = (await ada.threads.create(metadata={"owner": "cyd"}))["thread_id"]  # no use: it is ada's
        out = await ada.runs.wait(thread, "fanwise", input=PLAN)
        assert out["status"] == "succeeded", out
        assert [item["thread_id"] for item in await cyd.threads.search()] == []
        tries = [
            cyd.threads.get(thread),
            cyd.threads.get_state(thread),
            cyd.threads.get_history(thread),
            cyd.threads.update_state(thread, {"request": "x"}),
            cyd.threads.copy(thread),
            cyd.runs.create(thread, "fanwise", input=PLAN),
            cyd.runs.list(thread),
            cyd.threads.delete(thread),
        ]
        for found in await asyncio.gather(*tries, return_exceptions=True):
            assert getattr(getattr(found, "response", None), "status_code", None) in (403, 404, 409), found
        assert (await ada.threads.get_state(thread))["values"]["status"] == "succeeded"
        assert len(await ada.threads.search()) >= 1
        async with httpx.AsyncClient(timeout=30) as client:
            for key, code in ((KEYS["bob"], 404), (KEYS["ada"], 200)):
                for path in ("timeline", "timeline.json"):
                    address = f"{guarded.url}/fanwise/threads/{thread}/{path}"
                    assert (await client.get(address, headers={"x-api-key": key})).status_code == code, (path, key)
        await ada.threads.delete(thread)

    run(asked())


@pytest.mark.slow
def test_assistants_and_store_of_others_are_not_there(guarded: Any) -> None:
    """The server's assistants are everyone's; one's own, and what one stores, are nobody else's."""

    async def asked() -> None:
        ada, bob = (client_of(guarded.url, api_key=KEYS[name]) for name in ("ada", "bob"))
        own = await ada.assistants.create("fanwise", name="of ada", metadata={"created_by": "system"})
        theirs = {item["assistant_id"] for item in await bob.assistants.search(limit=100)}
        assert theirs and own["assistant_id"] not in theirs
        assert own["assistant_id"] in {item["assistant_id"] for item in await ada.assistants.search(limit=100)}
        with pytest.raises(Exception, match=r"(?i)not found"):
            await bob.assistants.get(own["assistant_id"])
        await ada.store.put_item(["notes"], "k", {"v": "secret"})
        assert (await bob.store.search_items(["notes"]))["items"] == []
        assert (await ada.store.get_item(["notes"], "k"))["value"] == {"v": "secret"}

    run(asked())
