"""The workload: written and read back unchanged, and nothing but it."""

from __future__ import annotations

import json

import pytest

from joulemark.errors import FormatError
from joulemark.workload import EngineCount, Recount, Workload

WHOLE = Workload(
    model="llama-3-8b",
    model_sha256="22" * 32,
    precision="fp8",
    tokenizer="llama-3",
    token_source="server_usage",
    counted="drained",
    end_of_sequence=True,
    input_length=640.5,
    concurrency=64,
    engine_counts=(EngineCount("measured-1", 10, 6400, None), EngineCount("measured-2")),
    recounts=(Recount("measured-1", 4800, 6400), Recount("measured-2", 4700)),
)


def test_read_back_as_it_was_written() -> None:
    """A workload survives JSON unchanged, its counts by phase too; what is not known stays null."""
    text = json.dumps(WHOLE.to_json())
    assert Workload.from_json(json.loads(text)) == WHOLE
    assert json.loads(text)["engine_counts"][1]["requests"] is None
    assert Workload.from_json(Workload().to_json()) == Workload()


@pytest.mark.parametrize("schema", ["joulemark.workload/2", None, 1])
def test_another_schema_is_refused(schema: object) -> None:
    """A file of another schema, or of none, is not guessed at."""
    with pytest.raises(FormatError, match="schema"):
        Workload.from_json({**WHOLE.to_json(), "schema": schema})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("concurrency", "64"),
        ("concurrency", 64.5),
        ("end_of_sequence", "yes"),
        ("model", 3),
        ("engine_counts", [{"requests": 1}]),
        ("recounts", [{"phase": "a", "output_tokens": None}]),
        ("tokens_per_s", 1.0),
    ],
)
def test_wrong_kinds_and_unknown_keys_are_refused(key: str, value: object) -> None:
    """Text for a number, a count without its phase, or a key that there is not: each is named."""
    with pytest.raises(FormatError, match=key if key == "tokens_per_s" else "workload"):
        Workload.from_json({**WHOLE.to_json(), key: value})
