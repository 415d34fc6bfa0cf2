"""Searches as jobs over Splunk's REST API, with splunk-sdk: made, waited for, read page by page, cancelled.

Each job gets its id from here, so that one whose answer was lost can be cancelled too. A job that ends well is kept by
Splunk for a while (`limits.keep_s`), so that a person can look at it; a large one is removed once it is read.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from uuid import uuid4

from splunklib.binding import HTTPError
from splunklib.client import Job, Service

from ...schema.errors import EventsError
from ..ending import go_on
from .faults import told
from .patience import messages_of, patiently
from .searcher import Found, Row
from .source import SplunkSource
from .wire import Line, Wire

CANCEL_S = 2.0
"""Seconds to tell Splunk that a job is not needed any more."""

AUTO_CANCEL_S = 60
"""Seconds after which Splunk itself cancels a job that nobody asks for: this process may have died."""

LARGE = 20_000
"""Rows from which on a job is removed once it is read: users have a quota of disk for their jobs."""

POLLS = (0.02, 1.0)
"""Seconds between looks at a job: the first, and the longest."""


class SplunkSearcher:
    """Runs searches as jobs; see `Searcher`."""

    def __init__(self, source: SplunkSource, credentials: Mapping[str, str], ca: str | None = None) -> None:
        """Prepare the connection; nothing is sent yet.

        Args:
            source: where Splunk is, and the limits.
            credentials: how to sign in, as the SDK's `Service` takes it.
            ca: a file with the certificates that vouch for the server.

        Raises:
            EventsError: the file of certificates can't be used.
        """
        self._source, self._limits = source, source.limits
        try:
            self._wire = Wire(self._limits.request_s, tls=source.scheme == "https", verify=source.verify, ca=ca)
        except OSError as error:
            raise EventsError(f"the certificates in {ca!r} can't be used: {error}; give a PEM file") from error
        self._slots = threading.BoundedSemaphore(self._limits.jobs)
        self._connecting = threading.Lock()
        self._connected = False
        space = {"app": source.app} if source.app else {}
        self._service = Service(
            host=source.host,
            port=source.port,
            scheme=source.scheme,
            handler=self._wire,
            autologin="username" in credentials,
            **space,
            **credentials,
        )

    def connect(self) -> None:
        """Sign in, and ask which version of the API there is; does nothing where that is done.

        Raises:
            EventsError: Splunk can't be reached, or does not accept the credentials.
        """
        with self._connecting:
            if self._connected:
                return
            with self._wire.stoppable() as line, self._wire.within(self._limits.request_s * 2), self._worded():
                until = time.monotonic() + self._limits.request_s
                if self._service.username:
                    patiently(self._service.login, line, until)
                # `server/info` is open to all, so that it says nothing about a token: whose it is does
                patiently(lambda: self._service.disable_v2_api, line, until)
                patiently(lambda: self._service.get("authentication/current-context"), line, until)
            self._connected = True

    def search(self, spl: str, earliest: str, latest: str) -> Found:
        """Run a search as a job; see `Searcher.search`."""
        self.connect()
        until = time.monotonic() + self._limits.job_s
        with self._slot(until), self._worded():
            sid = f"fanwise_{uuid4().hex[:16]}"
            try:
                with self._wire.stoppable() as line, self._wire.within(self._limits.job_s + 5):
                    job = self._create(spl, earliest, latest, sid, line, until)
                    sid = job.sid
                    notes = self._wait(job, line, until)
                    rows = self._read(job, line, until)
            except BaseException:
                self._cancel(sid)
                raise
            if len(rows) > LARGE:
                self._cancel(sid)
            return Found(rows, sid, notes)

    def close(self) -> None:
        """Do nothing: no connection outlives its request."""

    @contextmanager
    def _slot(self, until: float) -> Iterator[None]:
        """Be one of the searches that may run at once."""
        while not self._slots.acquire(timeout=0.05):
            go_on()
            if time.monotonic() > until:
                raise self._too_long("no search of this process came to its end")
        try:
            yield
        finally:
            self._slots.release()

    def _create(self, spl: str, earliest: str, latest: str, sid: str, line: Line, until: float) -> Job:
        limits = self._limits
        times = {"earliest_time": earliest} if earliest else {}
        times |= {"latest_time": latest} if latest else {}

        def create() -> Job:
            return self._service.jobs.create(
                spl,
                exec_mode="normal",
                id=sid,
                max_count=limits.rows + 1,
                max_time=int(limits.job_s) + 10,
                auto_cancel=AUTO_CANCEL_S,
                timeout=limits.keep_s,
                status_buckets=0,
                **times,
            )

        def once_more() -> Job:
            """Take up the job where the first answer was lost on the way."""
            job = Job(self._service, sid)
            try:
                job.is_ready()
            except HTTPError as error:
                if error.status != 404:
                    raise
                return create()
            return job

        return patiently(create, line, until, once_more)

    def _wait(self, job: Job, line: Line, until: float) -> tuple[str, ...]:
        """Wait for a job's end; return what Splunk warned of."""
        pause, longest = POLLS
        while not patiently(job.is_done, line, until):
            if time.monotonic() >= until:
                raise self._too_long(f"its job {job.sid} was still at work, or in Splunk's queue")
            line.wait(min(pause, max(0.0, until - time.monotonic())))
            pause = min(pause * 1.5, longest)
        content = job.state.content
        messages = messages_of(content.get("messages"))
        if content.get("dispatchState") == "FAILED" or content.get("isFailed") == "1":
            said = "; ".join(text for kind, text in messages if kind in ("FATAL", "ERROR")) or "it does not say why"
            raise EventsError(f"Splunk could not run a search (job {job.sid}): {said}")
        if content.get("isFinalized") == "1":
            raise self._too_long(f"its job {job.sid} was finalized before its end")
        return tuple(dict.fromkeys(f"{kind}: {text}" for kind, text in messages if kind in ("FATAL", "ERROR", "WARN")))

    def _read(self, job: Job, line: Line, until: float) -> list[Row]:
        limits, rows = self._limits, list[Row]()
        expected = int(job.state.content.get("resultCount") or 0)
        if expected > limits.rows:
            raise EventsError(
                f"a search has more than {limits.rows:,} rows (job {job.sid}): ask about a shorter time, or raise rows"
            )
        while (offset := len(rows)) < expected:
            page = patiently(partial(self._page, job, offset), line, until)
            if not page:
                raise EventsError(f"job {job.sid} has {expected:,} rows, and Splunk gave {offset:,}: try again")
            rows += page
            if time.monotonic() >= until and len(rows) < expected:
                raise self._too_long(f"{len(rows):,} of {expected:,} rows of job {job.sid} were read")
        return rows

    def _page(self, job: Job, offset: int) -> list[Row]:
        body = job.results(output_mode="json", count=self._limits.page, offset=offset).read()
        return list(json.loads(body)["results"])

    def _cancel(self, sid: str) -> None:
        """Tell Splunk that a job is not needed, as well as that goes; `auto_cancel` is there for the rest."""
        with suppress(Exception), self._wire.within(CANCEL_S):
            Job(self._service, sid).cancel()

    def _too_long(self, why: str) -> EventsError:
        return EventsError(
            f"a search in Splunk took longer than {self._limits.job_s:g} s: {why}; ask about a shorter time, "
            "narrow the base search, or raise job_s"
        )

    @contextmanager
    def _worded(self) -> Iterator[None]:
        """Word what goes wrong."""
        try:
            yield
        except EventsError:
            raise
        except Exception as error:
            go_on()
            raise EventsError(told(error, self._source)) from error
