"""The usual names of fields, and of levels, and the SQL that brings their values into one form."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .quoting import lits

ROLES: dict[str, list[str]] = {
    "ts": (
        "timestamp time ts eventtime eventtimestamp datetime asctime logtime logtimestamp utctime timestampms"
        " timestampus timestampns tsms tsns timems realtimetimestamp timegenerated timecreated systemtime"
        " eventdate date timeunixnano observedtimeunixnano requesttimestamp occurredat createdat created"
        " starttime startedat start published epoch epochms unixtime utc when loggedat instant firsttimestamp"
        " dt t"
    ).split(),
    "received": (
        "received receivedat receivedtime receivedtimestamp receivedts indextime indexedat ingested ingestedat"
        " ingesttime ingesttimestamp ingestiontime ingestiontimestamp arrival arrivaltime arrivedat eventingested"
    ).split(),
    "host": (
        "host hostname server servername serverhost node nodename machine machinename computer computername"
        " hostid kuberneteshost podname pod instance instanceid device agenthostname"
    ).split(),
    "source": (
        "source service servicename app application appname program processname syslogidentifier logger loggername"
        " component unit systemdunit container containername stream logname logfile filepath channel eventsource module"
    ).split(),
    "sourcetype": "sourcetype logtype datasettype eventdataset dataset".split(),
    "level": (
        "level severity loglevel lvl levelname severitytext severitylevel levelstr loglevelname priority prioritytext"
        " sev leveltext prio levelno sevname priorityname"
    ).split(),
    "status": (
        "status statuscode httpstatus httpstatuscode httpresponsestatuscode responsestatus responsecode"
        " responsestatuscode scstatus code"
    ).split(),
    "duration": (
        "durationms latencyms elapsedms responsetimems requesttimems tookms timems elapsedmillis durationmillis"
        " responsetime requesttime duration latency elapsed elapsedtime took timetaken processingtime executiontime"
        " durations durationsec durationseconds latencys latencyseconds elapseds elapsedseconds requesttimeseconds"
        " durationus latencyus elapsedus durationns latencyns elapsedns eventduration upstreamresponsetime rt"
    ).split(),
    "message": (
        "message msg log text body event rawmessage shortmessage description logmessage error errormessage"
        " txt logmsg msgtext messagetext"
    ).split(),
    "user": "user username userid userusername useridentityusername account accountname login uid csusername".split(),
    "client": (
        "client clientip clientaddr clientaddress remoteaddr remoteip remotehost remote sourceip sourceipaddress srcip"
        " ip ipaddress cip peer peeraddress"
    ).split(),
    "method": "method httpmethod requestmethod httprequestmethod verb csmethod".split(),
    "path": (
        "path uri url requesturi requestpath requesturl httppath urlpath httptarget endpoint csuristem route"
    ).split(),
}
"""Names that fields go by, lower case without punctuation, the surest first."""

LEVELS: dict[str, tuple[str, ...]] = {
    "debug": tuple("TRACE DEBUG DBG FINE FINER FINEST CONFIG VERBOSE DEBUG1 DEBUG2 DEBUG3 T D V".split()),
    "info": tuple("INFO INFORMATION INFORMATIONAL INF NOTICE NOTE LOG OK SUCCESS I N".split()),
    "warning": tuple("WARN WARNING WRN W".split()),
    "error": tuple("ERROR ERR ERRO SEVERE FAIL FAILED FAILURE E".split()),
    "critical": tuple("CRITICAL CRIT FATAL FTL ALERT EMERG EMERGENCY PANIC F C A".split()),
}
"""Spellings of each level, in upper case; single letters as in Android's, glog's and klog's logs."""

LEVEL_WORD = (
    "(?:TRACE|DEBUG|VERBOSE|FINE(?:R|ST)?|CONFIG|INFO(?:RMATION(?:AL)?)?|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE"
    "|CRIT(?:ICAL)?|FATAL|ALERT|EMERG(?:ENCY)?|PANIC)"
)
"""Expression for a level written out, in upper case."""

_SYSLOG = "critical critical critical error warning info info debug".split()
_TENS = {"10": "debug", "20": "debug", "30": "info", "40": "warning", "50": "error", "60": "critical"}


def normal(name: str) -> str:
    """Return a field's name without case and punctuation: `@timestamp`, `Time_Stamp` and `timeStamp` become one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def rank(role: str, path: Sequence[str]) -> int | None:
    """Return how well a field fits a role, 0 being best; `None` where it does not.

    Args:
        role: A key of `ROLES`.
        path: The field's keys from the outside in: `("http", "request", "method")`.
    """
    names = ROLES[role]
    whole, last = normal("".join(path)), normal(path[-1])
    unitless = re.sub(r"(?:ms|us|ns|s|sec|seconds|millis)$", "", last) if role == "duration" else last
    for depth, name in ((0, whole), (1, last), (1, unitless)):
        if name in names:
            return names.index(name) * 4 + depth + min(len(path) - 1, 2)
    return None


def level_words() -> list[tuple[str, str]]:
    """Return every spelling of a level, in upper case, with the level: words, syslog's 0 to 7, JSON loggers' tens."""
    spelled = [(word, level) for level, words in LEVELS.items() for word in words]
    return [*spelled, *((str(n), level) for n, level in enumerate(_SYSLOG)), *_TENS.items()]


def priority_sql(number: str) -> str:
    """SQL: the level of a syslog priority (facility * 8 + severity)."""
    return f"({lits(_SYSLOG)})[(try_cast({number} AS INTEGER) % 8) + 1]"


def status_sql(text: str) -> str:
    """SQL: an HTTP status code, null for anything else."""
    number = f"try_cast({text} AS INTEGER)"
    return f"CASE WHEN {number} BETWEEN 100 AND 599 THEN {number} END"
