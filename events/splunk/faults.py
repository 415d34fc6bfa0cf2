"""What goes wrong between here and Splunk, in words that say what to do; and what is worth another try."""

from __future__ import annotations

import json
import socket
import ssl
from http.client import HTTPException
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring

from splunklib.binding import HTTPError

from .place import ENVIRONMENT
from .source import PORT, SplunkSource
from .wire import TooLarge, TooSlow

WAIT_STATUSES = frozenset({429, 502, 503, 504})
"""Statuses of a server that is busy or just starting."""

CUT = (OSError, HTTPException)
"""What a request raises that got no answer."""


def is_busy(error: BaseException) -> bool:
    """Tell whether Splunk will take the same request later: it starts, is busy, or runs as many searches as it may."""
    if not isinstance(error, HTTPError):
        return False
    return error.status in WAIT_STATUSES or "concurrent" in said(error).lower()


def is_cut(error: BaseException) -> bool:
    """Tell whether a request got no answer, or part of one, though the server can be reached."""
    hopeless = (ConnectionRefusedError, socket.gaierror, ssl.SSLError, TooLarge)
    return isinstance(error, CUT) and not isinstance(error, hopeless)


def said(error: Any) -> str:
    """Return what Splunk's answer says, as text: its messages, in XML or JSON."""
    body: bytes = error.body or b""
    try:
        texts = [message.get("text") for message in json.loads(body).get("messages", [])]
    except (ValueError, AttributeError):
        try:
            texts = [element.text for element in fromstring(body).iter("msg")]
        except (ParseError, ValueError):
            texts = []
    return "; ".join(text.strip() for text in texts if text) or str(error.reason)


def told(error: BaseException, source: SplunkSource) -> str:
    """Return a fault as a sentence with its remedy."""
    at = f"Splunk at {source.address}"
    if isinstance(error, HTTPError):
        return _status(error, at)
    if isinstance(error, ConnectionRefusedError):
        return f"nothing answers at {source.address} (connection refused): check the host, and that {PORT} is the port"
    if isinstance(error, socket.gaierror):
        return f"there is no host {source.host!r} ({error.strerror}): check its name"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "not trusted"
        return f"{at} can't prove who it is ({why}): name its CA's file with SPLUNK_CA or ca=FILE"
    if isinstance(error, ssl.SSLError):
        return f"{at} does not speak TLS as expected ({error.reason or error}): check the port, or scheme=http"
    if isinstance(error, TooSlow):
        return f"{at} is too slow: {error}; raise request_s, or see how busy it is"
    if isinstance(error, TooLarge):
        return f"{at} sent too much: {error}; lower page"
    if isinstance(error, CUT):
        return f"the connection to {at} broke ({type(error).__name__}: {error}): try again, and see what stands between"
    return f"{source.address} does not answer as Splunk does ({type(error).__name__}): is {source.port} its REST port?"


def _status(error: Any, at: str) -> str:
    text = said(error)
    if error.status == 401:
        return f"{at} does not accept the credentials (401 {text}): {ENVIRONMENT}"
    if error.status == 403:
        return (
            f"{at} does not let this user do that (403 {text}): its role needs the capability 'search', and the index"
        )
    if error.status in WAIT_STATUSES:
        return f"{at} is busy ({error.status} {text}): try again later, or let fewer searches run at once (jobs)"
    return f"{at} refused the search ({error.status}): {text}"
