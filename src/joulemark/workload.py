"""The workload: what was run, so far as two figures must share it to be compared, and who counted its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError

WORKLOAD_SCHEMA: Final = "joulemark.workload/1"


@dataclass(frozen=True, slots=True)
class EngineCount:
    """What the engine's own counters grew by over the phase `phase`; None where it does not tell."""

    phase: str
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Recount:
    """Tokens of the phase `phase` counted again from ids or text with the pinned tokenizer."""

    phase: str
    output_tokens: int
    input_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """Facts about model, data and load; None and empty where not known.

    `token_source`: `server_usage`, `engine_counter` or `client`. `counted`: how tokens are kept inside the window: `drained` (the run
    was empty at both edges), `per_token` (each token has a time), or `pro_rata`. `end_of_sequence`: whether the end mark counts.
    """

    model: str = ""
    model_sha256: str = ""
    precision: str = ""
    dataset: str = ""
    dataset_sha256: str = ""
    tokenizer: str = ""
    tokenizer_sha256: str = ""
    token_source: str = ""
    counted: str = ""
    end_of_sequence: bool | None = None
    input_length: float | None = None
    output_length: float | None = None
    concurrency: int | None = None
    request_rate_per_s: float | None = None
    engine: str = ""
    engine_version: str = ""
    gpu_type: str = ""
    gpu_count: int | None = None
    engine_counts: tuple[EngineCount, ...] = ()
    recounts: tuple[Recount, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.workload/1`."""
        return {"schema": WORKLOAD_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        if data.get("schema") != WORKLOAD_SCHEMA:
            what = f"the workload has schema {document.shown(data.get('schema'))}, not {WORKLOAD_SCHEMA!r}"
            raise FormatError(what, "use the joulemark version that wrote it")
        return document.record(cls, {key: value for key, value in data.items() if key != "schema"}, where="workload")
