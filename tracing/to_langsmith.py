"""Sends runs to LangSmith, through its own client."""

from __future__ import annotations

import os
import queue
import re
from collections.abc import Mapping
from typing import Any

from langsmith import Client
from langsmith.utils import LangSmithAuthError, LangSmithError, get_api_url, get_tracer_project
from urllib3.util.retry import Retry

from .gate import Gate, trouble_of
from .relay import FeedbackError
from .settings import Tracing

SCORES = {"succeeded": 1.0, "partial": 0.5, "failed": 0.0, "cancelled": 0.0}
"""What a run's status counts as its score."""


class ToLangSmith:
    """Sends runs to LangSmith; its client is made when the server is first reached."""

    name = "LangSmith"

    def __init__(self, settings: Tracing) -> None:
        self._feedback = settings.feedback
        self._gate = Gate(get_api_url(_endpoint()))
        self._client: Client | None = None
        self._roots: dict[str, Any] = {}
        self._session: Any = None
        self.trouble: str | None = None

    def is_open(self) -> bool:
        """Tell whether the server can be reached."""
        return self._gate.is_open()

    @property
    def client(self) -> Client:
        """The client."""
        if self._client is None:
            self._client = Client(
                retry_config=Retry(
                    total=3,
                    backoff_factor=0.3,
                    status_forcelist=[408, 425, 429, 500, 502, 503, 504],
                    allowed_methods=None,
                    raise_on_redirect=False,
                    raise_on_status=False,
                ),
                timeout_ms=(3_000, 20_000),
                tracing_error_callback=self._failed,
                hide_inputs=False,  # what is left out was left out before
                hide_outputs=False,
                tracing_mode="langsmith",
            )
        return self._client

    def start(self, run: dict[str, Any]) -> None:
        """Send a run that has begun."""
        self.client.create_run(**run)
        if run.get("parent_run_id") is None and self._feedback:
            self._roots[str(run["id"])] = run.get("trace_id")
        if run.get("end_time") is not None:
            self._roots.pop(str(run["id"]), None)

    def end(self, run: dict[str, Any]) -> None:
        """Send the end of a run; of a whole run its feedback too."""
        self.client.update_run(**run)
        if str(run["run_id"]) in self._roots:
            trace_id = self._roots.pop(str(run["run_id"]))
            try:
                self._tell_feedback(run["run_id"], trace_id, run.get("outputs") or {})
            except Exception as error:
                raise FeedbackError(_trouble_in(error)) from error

    def _failed(self, error: Exception) -> None:
        """Note that the client has given up on what it was to send."""
        self._gate.shut()
        self.trouble = _trouble_in(error)

    def _tell_feedback(self, run_id: Any, trace_id: Any, outputs: Mapping[str, Any]) -> None:
        status, made = outputs.get("status"), self._feedback
        if status is None:  # it was stopped
            return
        given: dict[str, dict[str, Any]] = {"status": {"score": SCORES.get(status), "value": status}}
        if callable(made):
            given |= {name: {"score": score} for name, score in made(outputs).items()}
        for name, said in given.items():
            self.client.create_feedback(run_id, name, trace_id=trace_id, session_id=self._session_id(), **said)

    def _session_id(self) -> Any:
        """Return the id of the project that runs go to."""
        if self._session is None:
            self._session = self.client.read_project(project_name=get_tracer_project()).id
        return self._session

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is sent."""
        if self._client is None:
            return True
        if not self._gate.is_open():
            return False
        self._client.flush(timeout_s)
        waiting = self._client.tracing_queue
        return waiting is None or waiting.unfinished_tasks == 0

    def close(self, timeout_s: float) -> None:
        """End the client's threads."""
        if self._client is None:
            return
        if not self._gate.is_open():
            _forget(self._client)
        self._client.close(timeout_s if self._gate.is_open() else 0)
        self._client = None


def _trouble_in(error: Exception) -> str:
    """Return what the server did, as the client's error tells it."""
    if isinstance(error, LangSmithError):
        code = re.search(r"\b([45]\d\d) (?:Client|Server) Error", str(error))
        return trouble_of(int(code[1]) if code else 401 if isinstance(error, LangSmithAuthError) else None)
    return f"could not be given it: {type(error).__name__}: {error}"


def _endpoint() -> str | None:
    return os.environ.get("LANGSMITH_ENDPOINT") or os.environ.get("LANGCHAIN_ENDPOINT") or None


def _forget(client: Client) -> None:
    """Drop what a client has not sent, so that the process need not wait for a server that is gone."""
    waiting = client.tracing_queue
    while waiting is not None:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
        waiting.task_done()
