"""A server on loopback that speaks the OpenAI protocol: chat completions, streamed or not, embeddings, and its faults.

It answers by script: a list of `Say`s that are given one after another, or a function from a request's body to a `Say`.
Run by itself, it takes the script from a JSON file: `python tests/openai_server.py SCRIPT.json [PORT]`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4


@dataclass
class Say:
    """One answer: text, or tool calls, or a fault."""

    text: str = ""
    tools: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    """Tool calls: names and arguments (text is sent as it is, so that it may be broken)."""
    status: int = 200
    """Anything but 200 is an error, with `text` as its message."""
    code: str | None = None
    """The error's code, such as `context_length_exceeded`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    """Before the answer begins."""
    tokens_per_s: float | None = None
    """The pace of a stream; as fast as it goes if not given."""
    piece: int = 4
    """Characters in a token of a stream; more of them where a test reads many answers."""
    cut_after: int | None = None
    """Tokens after which the connection breaks."""
    ends_after: int | None = None
    """Tokens after which a stream ends with neither a reason nor `[DONE]`, its connection closed in order."""
    finish: str | None = None
    """The reason why it ends, in place of `stop` or `tool_calls`."""
    usage: Mapping[str, int] | None = None


Script = Sequence[Say] | Callable[[dict[str, Any]], Say]


class OpenAIServer:
    """The server; `requests` holds the bodies of what was asked, with the path."""

    def __init__(self, script: Script = (), *, port: int = 0, repeat_last: bool = False) -> None:
        self.script: Script = script
        self.requests: list[dict[str, Any]] = []
        self.embedded: list[dict[str, Any]] = []
        """The bodies of what was asked for embeddings."""
        self.embedding_fault: Callable[[dict[str, Any]], Say | None] | None = None
        """Says which of these requests get a fault in place of vectors."""
        self.most_at_once = 0
        """Requests that were answered at the same time, at most."""
        self._at_once = 0
        self._next = 0
        self._repeat_last = repeat_last
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", port), _handler(self))
        self.stopped = threading.Event()
        """Set when the server stops: whoever waits, ends."""
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def env(self) -> dict[str, str]:
        """What leads OpenAI's clients here."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "test-key"}

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request that is being thought about."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def answer(self, body: dict[str, Any]) -> Say:
        """Return the script's answer to a request."""
        with self._lock:
            self.requests.append(body)
            if callable(self.script):
                return self.script(body)
            if self._next >= len(self.script) and not (self._repeat_last and self.script):
                return Say("the script has no answer left", status=400)
            say = self.script[min(self._next, len(self.script) - 1)]
            self._next += 1
            return say


def last_user_text(body: Mapping[str, Any]) -> str:
    """Return the text of a request's last message of a user."""
    texts = [text_of(m) for m in body.get("messages", ()) if m.get("role") == "user"]
    return texts[-1] if texts else ""


def text_of(message: Mapping[str, Any]) -> str:
    """Return a message's text."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients go away in the middle."""


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            body["_path"], body["_authorization"] = self.path, self.headers.get("Authorization", "")
            try:
                if self.path.endswith("/embeddings"):
                    self._embeddings(body)
                elif self.path.endswith("/chat/completions"):
                    self._chat(body, server.answer(body))
                else:
                    self._send({"error": {"message": f"no such path: {self.path}"}}, 404)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _embeddings(self, body: dict[str, Any]) -> None:
            server.embedded.append(body)
            say = server.embedding_fault(body) if server.embedding_fault is not None else None
            if say is None:
                self._send(_embedded(body))
            elif say.status == 200:  # an answer, but a wrong one
                self._send(json.loads(say.text))
            else:
                error = {"message": say.text or "scripted", "type": "scripted", "code": say.code, "param": None}
                self._send({"error": error}, say.status, say.headers)

        def _chat(self, body: dict[str, Any], say: Say) -> None:
            with server.busy():
                if say.wait_s:
                    server.stopped.wait(say.wait_s)
            if say.status != 200:
                error = {"message": say.text or "scripted", "type": "scripted", "code": say.code, "param": None}
                self._send({"error": error}, say.status, say.headers)
            elif body.get("stream"):
                self._stream(body, say)
            elif say.cut_after is not None:
                self._head(200, {"Content-Length": "1000", "Content-Type": "application/json"})
                self.wfile.write(b'{"id": "cut')
                self.wfile.flush()
                self.close_connection = True
            else:
                self._send(_completion(body, say))

        def _stream(self, body: dict[str, Any], say: Say) -> None:
            if say.ends_after is not None:
                self._head(200, {"Content-Type": "text/event-stream"})
                for chunk in itertools.islice(_chunks(body, say), say.ends_after):
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.close_connection = True
                return
            self._head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
            begun, sent = time.monotonic(), 0
            for chunk in _chunks(body, say):
                if say.cut_after is not None and sent >= say.cut_after:
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()
                    return
                self._chunk(f"data: {json.dumps(chunk)}\n\n")
                sent += 1
                if say.tokens_per_s:
                    server.stopped.wait(max(0.0, begun + sent / say.tokens_per_s - time.monotonic()))
            self._chunk("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")

        def _chunk(self, text: str) -> None:
            data = text.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

        def _send(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            self._head(
                status, {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
            )
            self.wfile.write(data)

        def _head(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            self.send_header("Connection", "close")  # clients of other event loops would keep the connection
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler


def _usage(body: Mapping[str, Any], say: Say) -> dict[str, int]:
    if say.usage is not None:
        return dict(say.usage)
    asked = sum(len(text_of(m)) for m in body.get("messages", ())) // 4 + 1
    told = (len(say.text) + sum(len(str(args)) for _, args in say.tools)) // 4 + 1
    return {"prompt_tokens": asked, "completion_tokens": told, "total_tokens": asked + told}


def _tool_calls(say: Say) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{uuid4().hex[:12]}",
            "type": "function",
            "function": {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)},
        }
        for name, args in say.tools
    ]


def _finish(say: Say) -> str:
    return say.finish or ("tool_calls" if say.tools else "stop")


def _completion(body: Mapping[str, Any], say: Say) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
    if say.tools:
        message["tool_calls"] = _tool_calls(say)
    return {
        "id": f"chatcmpl-{uuid4().hex[:12]}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", "scripted"),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(say)}],
        "usage": _usage(body, say),
    }


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _chunks(body: Mapping[str, Any], say: Say) -> Iterator[dict[str, Any]]:
    base = {
        "id": f"chatcmpl-{uuid4().hex[:12]}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model", "scripted"),
    }

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(say.text, say.piece):
        yield chunk({"content": piece})
    for index, call in enumerate(_tool_calls(say)):
        arguments = call["function"]["arguments"]
        head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [head]})
        for piece in _pieces(arguments, say.piece):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _finish(say))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**base, "choices": [], "usage": _usage(body, say)}


def _embedded(body: Mapping[str, Any]) -> dict[str, Any]:
    """Embed texts by hashing what their words mean: texts that share words, or words that mean the same, are near.

    Each model has its own numbers for a word, and a large one more of them.
    """
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    model = str(body.get("model", ""))
    size = 96 if "large" in model else 64
    vectors = [_vector(str(text), model, size) for text in given]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    words = sum(len(str(text).split()) for text in given)
    return {
        "object": "list",
        "model": body.get("model", "scripted"),
        "data": data,
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }


MEANINGS = {"automobile": "car", "vehicle": "car", "beverage": "tea", "drinks": "tea", "launch": "releases"}
"""Words that the embedding models take for others."""


def _vector(text: str, model: str, size: int) -> list[float]:
    vector = [0.0] * size
    for word in (part.strip(".,;:!?") for part in text.lower().split()):
        digest = hashlib.sha256(f"{model} {MEANINGS.get(word, word)}".encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % size] += 1.0
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]


def main() -> None:
    """Serve the script in a file until interrupted."""
    with open(sys.argv[1], encoding="utf-8") as file:
        script = [Say(**item) for item in json.load(file)]
    with OpenAIServer(script, port=int(sys.argv[2]) if len(sys.argv) > 2 else 0, repeat_last=True) as server:
        sys.stderr.write(f"{server.base_url}\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
