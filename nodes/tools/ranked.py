"""Ranking texts by the words of a query: BM25, as SQLite's full-text search (FTS5) computes it.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009). Words are folded to lower case
without accents and stemmed as English (Porter), which leaves words of other languages nearly as they are.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Sequence

WORDS = 64
"""Words of a query that are looked at."""


DIGITS = 3
"""Digits of a score: it ranks texts, and is no measure. In a few short texts a score may be as low as 0.000001."""


class WordIndex:
    """Texts by number, in memory; safe to use from several threads."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._close = weakref.finalize(self, self._database.close)
        self._lock = threading.Lock()
        self._database.execute(
            "CREATE VIRTUAL TABLE texts USING fts5(heading, body, tokenize = 'porter unicode61 remove_diacritics 2')"
        )

    def put(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Add texts: their numbers, headings and bodies; a word in a heading counts twice."""
        with self._lock:
            self._database.executemany("INSERT INTO texts (rowid, heading, body) VALUES (?, ?, ?)", rows)

    def remove(self, numbers: Iterable[int]) -> None:
        """Take texts out."""
        with self._lock:
            self._database.executemany("DELETE FROM texts WHERE rowid = ?", [(number,) for number in numbers])

    def search(self, query: str, limit: int) -> list[tuple[int, float]]:
        """Return the numbers and scores (above 0, more is better) of texts with at least one of the query's words."""
        words = list(dict.fromkeys(re.findall(r"\w+", query.casefold())))[:WORDS]
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in words)  # quoted, so that no word is an operator
        with self._lock:
            found = self._database.execute(
                "SELECT rowid, -bm25(texts, 2.0, 1.0) AS score FROM texts WHERE texts MATCH ?"
                " ORDER BY score DESC, rowid LIMIT ?",
                (match, limit),
            ).fetchall()
        return [(number, float(f"{score:.{DIGITS}g}")) for number, score in found]

    def close(self) -> None:
        """Free the memory."""
        self._close()


def ranked(texts: Sequence[str], query: str, limit: int) -> list[tuple[int, float]]:
    """Return the places and scores of the texts that share words with a query, the best first."""
    index = WordIndex()
    try:
        index.put((place, "", text) for place, text in enumerate(texts))
        return index.search(query, limit)
    finally:
        index.close()
