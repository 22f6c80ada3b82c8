"""What clients post, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from joulemark.collector.documents import MAX_RECEIPTS, Documents
from joulemark.collector.recorded import Edge, Mark
from joulemark.runs import ClockKind, IdleKind, PhaseKind, Run, Tokens

Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Count | Annotated[float, Field(ge=0, lt=2**63, allow_inf_nan=False)]
DATE_END_NS: Final = 4 * 10**18
"""In the year 2096. A date, what it may be off, and the margins of a query add up to less than 64 bits."""
Nanoseconds = Annotated[int, Field(ge=0, lt=DATE_END_NS)]
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: a name is one line in a table, a log and a terminal."""
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
Label = Annotated[str, Field(max_length=1000, pattern=PRINTABLE)]
Text = Annotated[str, Field(max_length=5000)]
NAMES: Final = {"additionalProperties": False, "propertyNames": {"minLength": 1, "maxLength": 200}}
"""What the schema of a mapping would not say by itself: every key is a name."""
Labels = Annotated[dict[Name, Label], Field(max_length=64, json_schema_extra=NAMES)]
Real = Annotated[float, Field(allow_inf_nan=False, gt=-(10.0**300), lt=10.0**300)]


class Body(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Moment(Body):
    """When the client says it happened: UTC and monotonic nanoseconds, and the kernel's boot id."""

    utc_ns: Nanoseconds
    mono_ns: Nanoseconds = 0
    boot_id: Annotated[str, Field(max_length=64, pattern=PRINTABLE)] = ""


class Counted(Body):
    """Token and request counts; absent when not known."""

    input: Amount | None = None
    output: Amount | None = None
    cached_input: Amount | None = None
    reasoning: Amount | None = None
    source: Label = ""
    disagreement: float = Field(default=0.0, ge=0, lt=2**63, allow_inf_nan=False)

    def plain(self) -> Tokens:
        """The same as a value."""
        return Tokens(**self.model_dump())


class Counts(Body):
    """Base of the bodies that carry counts."""

    tokens: Counted = Counted()
    requests: Count | None = None
    requests_failed: Count | None = None


class StartBody(Body):
    """Starts a run. A client that makes its own `run_id` (uuid7) may post twice. `agents`: whose meters count."""

    run_id: Annotated[str, Field(pattern=r"^[0-9a-zA-Z_-][0-9a-zA-Z._-]{0,63}$")] | None = None
    benchmark: Label = ""
    labels: Labels = {}
    agents: Annotated[list[Name], Field(max_length=1000)] = []
    moment: Moment


class PhaseBody(Counts):
    """Begins or ends a phase, or with `edge` = `window` gives both edges: then `end_ns` is the second one, UTC of the same host.

    `idle_kind`: of an idle phase. `aborted`: why a measured phase does not count.
    """

    name: Name
    kind: PhaseKind = PhaseKind.MEASURED
    edge: Literal["begin", "end", "window"]
    moment: Moment
    end_ns: Nanoseconds | None = None
    unc_ns: Nanoseconds = 0
    source: Label = ""
    idle_kind: IdleKind | None = None
    aborted: Label = ""

    @model_validator(mode="after")
    def window_has_two_edges(self) -> PhaseBody:
        """`end_ns` belongs to a window and lies after its begin."""
        if (self.edge == "window") != (self.end_ns is not None):
            raise ValueError("end_ns goes with edge = window, and only with it")
        if self.end_ns is not None and self.end_ns <= self.moment.utc_ns:
            raise ValueError("end_ns is not after moment.utc_ns")
        return self

    def mark(self, received_ns: int) -> Mark:
        """The mark, heard of at `received_ns`."""
        return Mark(
            Edge(self.edge),
            self.name,
            self.kind,
            self.moment.utc_ns,
            self.moment.mono_ns,
            self.moment.boot_id,
            received_ns,
            self.end_ns,
            self.unc_ns,
            self.tokens.plain(),
            self.requests,
            self.requests_failed,
            self.source,
            self.idle_kind,
            self.aborted,
        )


class ToldPhase(Body):
    """A phase as a benchmark's files date it."""

    name: Annotated[str, Field(max_length=200, pattern=PRINTABLE)]
    kind: PhaseKind
    begin_ns: Nanoseconds
    end_ns: Nanoseconds
    unc_ns: Nanoseconds = 0
    tokens: Counted | None = None
    requests: Count | None = None
    requests_failed: Count | None = None
    idle_kind: IdleKind | None = None
    aborted: Label = ""


class ToldFigure(Body):
    """A figure that the tool printed itself."""

    name: Name
    value: Real
    unit: Label
    window: Label = ""
    source: Label = ""


class ToldFile(Body):
    """A file that the benchmark wrote."""

    name: Annotated[str, Field(min_length=1, max_length=4096, pattern=PRINTABLE)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Count
    mtime_ns: Nanoseconds


class Told(Body):
    """`joulemark.run/1`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    version: Literal["joulemark.run/1"] = Field(alias="schema")
    run_id: Label = ""
    benchmark: Label = ""
    clock: ClockKind = ClockKind.UTC
    phases: Annotated[list[ToldPhase], Field(max_length=5000)]
    tool_reported: Annotated[list[ToldFigure], Field(max_length=5000)] = []
    labels: Annotated[dict[Name, Text], Field(max_length=500, json_schema_extra=NAMES)] = {}
    findings: Annotated[list[Text], Field(max_length=1000)] = []
    result_files: Annotated[list[ToldFile], Field(max_length=100)] = []


class BenchmarkBody(Body):
    """What a benchmark's files tell, dated in UTC of the client's host, and which file."""

    moment: Moment
    run: Told
    source: Label = ""

    def plain(self) -> Run:
        """The same as a value. Raises FormatError."""
        return Run.from_json(self.run.model_dump(mode="json"))

    def marks(self, received_ns: int) -> tuple[Mark, ...]:
        """Its windows as marks, heard of at `received_ns`. Raises FormatError."""
        return tuple(
            Mark(
                Edge.WINDOW,
                window.name,
                window.kind,
                window.begin_ns,
                self.moment.mono_ns,
                self.moment.boot_id,
                received_ns,
                window.end_ns,
                window.unc_ns,
                window.tokens,
                window.requests,
                window.requests_failed,
                self.source,
                window.idle_kind,
                window.aborted,
            )
            for window in self.plain().windows
        )


class EvidenceBody(Body):
    """What only the client knows of a run, by name; `requests` is the text of a CSV file. One given again replaces the one before it,
    except for `receipts`, which add up.
    """

    workload: dict[str, Any] | None = None
    requests: str | None = None
    nodes: dict[str, Any] | None = None
    meter_log: dict[str, Any] | None = None
    receipts: Annotated[list[dict[str, Any]], Field(max_length=MAX_RECEIPTS)] | None = None

    def plain(self) -> Documents:
        """The same as values. Raises FormatError."""
        return Documents.parsed(self.model_dump(exclude_none=True))


class StopBody(Counts):
    """Stops a run; counts are those of its only measured phase."""

    moment: Moment

    def mark(self, received_ns: int) -> Mark:
        """The mark, heard of at `received_ns`."""
        moment = self.moment
        return Mark(
            Edge.STOP,
            "",
            PhaseKind.OTHER,
            moment.utc_ns,
            moment.mono_ns,
            moment.boot_id,
            received_ns,
            tokens=self.tokens.plain(),
            requests=self.requests,
            requests_failed=self.requests_failed,
        )
