"""The key by which entries may stand in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.cards.evidence import Evidence
from joulemark.standard.case import Case
from joulemark.standard.comparability import Key, comparability_key
from tests.kit.spoil import good
from tests.kit.spoils.token import no_workload, work


def key(change: Callable[[Evidence], Evidence] | None = None, *, level: str | None = None) -> Key:
    """The key of the good bundle, changed."""
    evidence = good("ES1") if change is None else change(good("ES1"))
    found = comparability_key(Case(Path("."), evidence), level=level)
    assert found is not None
    return found


def test_the_key_says_what_was_run() -> None:
    """Model, precision, data, lengths, load and scope stand in the key, in one line, with the level once it is known."""
    parts = dict(part.split("=") for part in key().text.split(";"))
    assert (parts["model_sha256"], parts["dataset_sha256"], parts["precision"]) == ("22" * 32, "33" * 32, "fp8")
    assert (parts["input_length"], parts["output_length"], parts["concurrency"], parts["scope"]) == ("640.0", "480.0", "64", "NODE_AC")
    assert key(level="ES1").text == f"{key().text};level=ES1"
    assert key().missing == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"model_sha256": "55" * 32},
        {"precision": "bf16"},
        {"dataset_sha256": "55" * 32},
        {"input_length": 641.0},
        {"output_length": 481.0},
        {"concurrency": 65},
        {"request_rate_per_s": 2.0},
    ],
)
def test_another_workload_is_another_key(changed: dict[str, object]) -> None:
    """Each part of the key makes a table of its own."""
    assert key(work(**changed)) != key()
    assert key(work(**changed)).text != key().text


@pytest.mark.parametrize(
    "changed", [{"gpu_type": "B200"}, {"gpu_count": 8}, {"engine_version": "0.12"}, {"engine": "sglang"}, {"model": "other"}]
)
def test_labels_are_no_part_of_the_key(changed: dict[str, object]) -> None:
    """GPU, engine and names are labels: they compare within one table."""
    assert key(work(**changed)) == key()


def test_what_is_not_known_is_named() -> None:
    """Unknown parts are named; of concurrency and rate one is enough."""
    assert key(work(precision="", input_length=None)).missing == ("precision", "input_length")
    assert key(work(concurrency=None)).missing == ("concurrency or request_rate_per_s",)
    assert key(work(concurrency=None, request_rate_per_s=3.0)).missing == ()


def test_the_scope_is_that_of_the_readings() -> None:
    """The scope in the key comes from the evidence: GPU sensors alone are another table, without readings there is none."""
    gpus_alone = replace(good("ES1"), series=tuple(one for one in good("ES1").series if one.meter.kind == "nvml"), alignments=())
    assert key(lambda _: gpus_alone).scope == "GPU"
    assert key(lambda evidence: replace(evidence, series=())).missing == ("scope",)


def test_no_workload_no_key() -> None:
    """A bundle that does not say what was run has no key."""
    assert comparability_key(Case(Path("."), no_workload(good("ES1")))) is None
    assert comparability_key(Case(Path("."), None)) is None
