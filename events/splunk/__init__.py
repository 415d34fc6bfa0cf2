"""Events in Splunk: the same questions as of a log file, asked as searches over its REST API.

`open_splunk` opens a URL, `open_splunk_source` a source file; `SplunkStore` asks whatever runs a search for it, a
`Searcher`. The SDK is an extra: `pip install 'fanwise[splunk]'`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict

from ...schema.document import Document
from ...schema.errors import EventsError
from ...schema.words import install
from ..ending import coming
from .place import credentials, of_file, of_url
from .searcher import Found, Searcher
from .source import SplunkSource
from .store import SplunkStore

__all__ = ["Found", "Searcher", "SplunkSource", "SplunkStore", "open_splunk", "open_splunk_source"]

KEPT = 8
"""How many stores a process keeps for the next call."""

FRESH_S = 300.0
"""Seconds for which a store is shared: then `-24h` and `now` are asked for anew."""

_stores: OrderedDict[str, tuple[float, SplunkStore]] = OrderedDict()
_lock = threading.Lock()


def open_splunk(location: str) -> SplunkStore:
    """Return the store for a location such as `splunk://HOST:8089/APP?index=main&earliest=-24h`.

    Who asks for the same location within five minutes shares the store. Credentials come from the environment.

    Raises:
        EventsError: the location has problems, the extra is missing, there are no credentials, or Splunk can't be
            reached or refuses them.
    """
    return _opened(of_url(location))


def open_splunk_source(document: Document) -> SplunkStore:
    """Return the store for a source file with the key `splunk`; see `open_splunk`.

    Raises:
        EventsError: as of `open_splunk`; what is wrong with the file is listed with its lines.
    """
    return _opened(of_file(document))


def _opened(source: SplunkSource) -> SplunkStore:
    signed = credentials(source)
    ca = source.ca or os.environ.get("SPLUNK_CA") or None
    key = repr((source, hash(tuple(signed.items())), ca))
    with _lock:
        known = _stores.get(key)
        if known is not None and time.monotonic() - known[0] < FRESH_S:
            _stores.move_to_end(key)
            return known[1]
    with coming():
        try:
            from .jobs import SplunkSearcher
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("splunklib"):
                raise
            raise EventsError(f"events in Splunk need an extra: {install('splunk')}") from None
    searcher = SplunkSearcher(source, signed, ca)
    searcher.connect()
    with _lock:
        known = _stores.get(key)
        if known is None or time.monotonic() - known[0] >= FRESH_S:
            known = _stores[key] = (time.monotonic(), SplunkStore(searcher, source))
        _stores.move_to_end(key)
        while len(_stores) > KEPT:
            _stores.popitem(last=False)
    return known[1]
