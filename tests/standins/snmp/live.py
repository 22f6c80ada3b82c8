"""Variation module of snmpsim: values that the test sets, in a file that is read at each request.

A record `OID|66:live|NAME FACTOR` answers the value NAME of `live.json` beside the data file, times FACTOR. A value is a number, a text,
or a table: {"watts": 300, "joules": 5.0, "since": 12.5} counts up by 300 J every second since the monotonic time 12.5; {"status": "tooBig",
"above": 4, "value": 7} answers a message of more than 4 objects with that error; {"gone": true} is an object that there is not;
{"mute": true} leaves the message without an answer.
"""

import json
import os
import time

from pysnmp.smi import error
from snmpsim.error import NoDataNotification

ERRORS = {"tooBig": error.TooBigError, "genErr": error.GenError}


def init(**context):
    """Nothing to prepare."""


def variate(oid, tag, value, **context):
    """The object `oid` as the file says it now."""
    if not context["nextFlag"] and not context["exactMatch"]:
        return context["origOid"], tag, context["errorStatus"]
    name, factor = value.split()
    path = os.path.join(os.path.dirname(os.path.dirname(context["dataFile"])), "live.json")
    with open(path, encoding="utf-8") as file:
        said = json.load(file)[name]
    if isinstance(said, dict) and "status" in said:
        if context["varsTotal"] > said["above"]:
            raise ERRORS[said["status"]](name=oid, idx=context["varsTotal"] - context["varsRemaining"] - 1)
        said = said["value"]
    if isinstance(said, dict) and "mute" in said:
        raise NoDataNotification()
    if isinstance(said, dict) and "gone" in said:
        return context["origOid"], tag, context["errorStatus"]
    if isinstance(said, dict):
        said = said["joules"] + said["watts"] * (time.monotonic() - said["since"])
    if isinstance(said, str):
        return oid, "4", said
    return oid, tag, int(said * float(factor))


def shutdown(**context):
    """Nothing to let go of."""
