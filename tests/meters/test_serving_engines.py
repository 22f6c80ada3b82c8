"""The data of engines: complete, and each counter with where it is from."""

from __future__ import annotations

import re

import pytest

from joulemark.errors import ConfigError
from joulemark.meters.serving_engines import Booked, Counter, Role, engines
from joulemark.readings import Quantity


def test_six_engines_are_known() -> None:
    """Each engine counts input, output and requests, and each counter names its versions and the document that says so."""
    assert list(engines()) == ["vllm", "sglang", "tgi", "trtllm", "triton_trtllm", "dynamo"]
    for engine in engines().values():
        for quantity in (Quantity.OUTPUT_TOKENS, Quantity.INPUT_TOKENS, Quantity.REQUESTS, Quantity.FAILED_REQUESTS):
            assert engine.of(quantity), (engine.name, quantity)
        assert all(counter.source and counter.versions for counter in engine.counter)
        assert all(re.fullmatch(r"[a-z_:]+", name) for name in engine.names)


def test_only_the_frontend_counts_for_others() -> None:
    """Dynamo's page is of a frontend, whose tokens its workers count too; the others are of who makes the tokens."""
    assert [engine.name for engine in engines().values() if engine.role is Role.FRONTEND] == ["dynamo"]


def test_when_a_token_is_counted() -> None:
    """VLLM counts the tokens of an answer as it makes them, SGLang when it is done; of an unknown metric the latest is taken."""
    assert engines()["vllm"].booked(Quantity.OUTPUT_TOKENS, "vllm:generation_tokens_total") is Booked.STEP
    assert engines()["sglang"].booked(Quantity.OUTPUT_TOKENS, "sglang:generation_tokens_total") is Booked.END
    assert engines()["vllm"].booked(Quantity.OUTPUT_TOKENS, "another") is Booked.END


def test_a_counter_counts_work() -> None:
    """A metric cannot be made a power or a temperature by the data."""
    with pytest.raises(ConfigError, match="cannot count power"):
        Counter(Quantity.POWER, "x", "s", "1")


def test_the_model_of_a_row() -> None:
    """The first label that is there names the model; where none is, the operator's name does."""
    vllm = engines()["vllm"]
    assert vllm.model_of({"model_name": "a", "model": "b"}, "x") == "a"
    assert vllm.model_of({"model": "b"}, "x") == "b"
    assert vllm.model_of({}, "x") == "x"
    assert engines()["tgi"].model_of({"model_name": "a"}, "x") == "x"
