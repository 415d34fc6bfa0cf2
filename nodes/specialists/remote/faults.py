"""What goes wrong between here and another deployment, told apart by what can be done about it.

RemoteError                 base of all; `is_retryable` says whether the same may succeed later
├── Unreachable             no connection, or it broke: the deployment may be gone
│   └── NoneLive            no deployment can be reached; names each with its reason
├── Busy                    429 or 503: it asks to wait
├── ServerFault             another 5xx, or an answer that is none
├── Refused                 401, 403, 404, 422 and the like: the same would be refused again
├── RunLost                 the deployment does not know the thread, or the run, any more
└── RunFailed               the remote run itself failed
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from langgraph_sdk.errors import APIStatusError, ConflictError

from ....schema.errors import FanwiseError
from ...specialist import PROGRAMMING_ERRORS

LASTING = frozenset({*(kind.__name__ for kind in PROGRAMMING_ERRORS), "GraphRecursionError"})
"""Errors of a remote run that the same run would come to again."""


class RemoteError(FanwiseError):
    """A task on another deployment could not be done."""

    is_retryable = True


class Unreachable(RemoteError):
    """No connection, or it broke."""


class NoneLive(Unreachable):
    """No deployment can be reached."""


class Busy(RemoteError):
    """A deployment asks to wait."""

    status_code = 429
    headers: Mapping[str, str] = {}


class ServerFault(RemoteError):
    """A deployment has an error of its own."""


class Refused(RemoteError):
    """A deployment does not take what it is asked; it would not the next time."""

    is_retryable = False


class UnknownGraph(Refused):
    """A deployment has no graph, and no assistant, of this name."""


class RunLost(RemoteError):
    """A deployment does not know what it was given to do."""


class RunFailed(RemoteError):
    """A remote run failed."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text, kind)
        self.is_retryable = kind not in LASTING

    def __str__(self) -> str:
        return str(self.args[0])

    def for_good(self) -> RunFailed:
        """Return it as the failure of a run in which a person has decided: nobody's answer is used a second time."""
        told = (
            f"{self}; not done again, since a person has decided in it (`fanwise retry` does it anew, and asks again)"
        )
        failed = RunFailed(told, self.args[1])
        failed.is_retryable = False
        return failed


def translated(error: Exception, url: str) -> RemoteError:
    """Return what an error of HTTP, or of LangGraph's SDK, says of a deployment.

    Raises:
        Exception: the error itself, where it says nothing of that.
    """
    if isinstance(error, RemoteError):
        return error
    if isinstance(error, APIStatusError):
        return _of_status(error, url)
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{url}: no answer in time ({type(error).__name__}); is it overloaded?")
    if isinstance(error, httpx.TransportError):
        return Unreachable(f"{url}: {of_wire(error)}")
    if isinstance(error, ValueError):  # JSON's
        return ServerFault(f"{url}: its answer is no JSON; is this the address of an Agent Server?")
    raise error


def is_conflict(error: Exception) -> bool:
    """Tell whether something is there already, or at work."""
    return isinstance(error, ConflictError)


def of_wire(error: httpx.HTTPError) -> str:
    """Return what happened to a connection."""
    if isinstance(error, httpx.ConnectError):
        return f"can't be reached ({_plain(error) or 'no connection'}); does it run, and is the address right?"
    return f"the connection broke ({_plain(error) or type(error).__name__})"


def _of_status(error: APIStatusError, url: str) -> RemoteError:
    status, said = error.status_code, _plain(error)
    if status in (401, 403):
        return Refused(f"{url}: it does not let us in ({status}: {said}); check api_key, or headers")
    if status in (429, 503):
        busy = Busy(f"{url}: it asks to wait ({status}: {said})")
        busy.status_code, busy.headers = status, dict(error.response.headers)
        return busy
    if status >= 500:
        return ServerFault(f"{url}: it has an error of its own ({status}: {said})")
    if status == 404 and "hread" in said and "assistant" not in said:
        return RunLost(f"{url}: it does not know the run any more ({said})")
    if status == 404 or "Invalid assistant" in said:
        return UnknownGraph(f"{url}: {said}")
    if status in (400, 422):
        return Refused(
            f"{url}: it refused the input, config or context ({status}: {said}); check the specialist's input"
        )
    return Refused(f"{url}: it refused the request ({status}: {said})")


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())[:500]
