"""The meter log: what meters complained of, with the time of each complaint, so that none inside a measured phase is overlooked."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError

METER_LOG_SCHEMA: Final = "joulemark.meter-log/1"


class Complaint(enum.StrEnum):
    """What a message is about. A missed or invalid sample is a gap; the others are fatal inside a measured phase (INT-8)."""

    ERROR = "error"
    UNCERTAINTY = "uncertainty"
    OVER_RANGE = "over_range"
    MISSED_SAMPLE = "missed_sample"
    INVALID_SAMPLE = "invalid_sample"

    @property
    def fatal(self) -> bool:
        """Whether a measured phase with it is worth nothing."""
        return self not in (Complaint.MISSED_SAMPLE, Complaint.INVALID_SAMPLE)


@dataclass(frozen=True, slots=True)
class Message:
    """One complaint of the meter `meter_id` at `t_ns` UTC, as it printed it."""

    meter_id: str
    t_ns: int
    complaint: Complaint
    text: str = ""


@dataclass(frozen=True, slots=True)
class MeterLog:
    """All messages of a run. `heard`: ids of the meters that were listened to: silence of another one tells nothing."""

    heard: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.meter-log/1`."""
        messages = [{**asdict(message), "complaint": str(message.complaint)} for message in self.messages]
        return {"schema": METER_LOG_SCHEMA, "heard": list(self.heard), "messages": messages}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        if data.get("schema") != METER_LOG_SCHEMA:
            what = f"the meter log has schema {document.shown(data.get('schema'))}, not {METER_LOG_SCHEMA!r}"
            raise FormatError(what, "use the joulemark version that wrote it")
        return document.record(cls, {key: value for key, value in data.items() if key != "schema"}, where="meter log")
