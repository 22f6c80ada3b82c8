"""Entries: what a validated bundle becomes, and what never becomes one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.board.entry import Entry
from joulemark.cards.bundle import FOLDER
from joulemark.errors import FormatError
from joulemark.standard.case import Case
from joulemark.standard.comparability import comparability_key
from joulemark.standard.read import bundle
from joulemark.standard.trust import Trust
from joulemark.standard.validator import Report, validate
from tests.board.entries import PUBLISHED_NS, entry, sha256
from tests.kit.bundles import edited, gpu_only
from tests.kit.lab import Lab, write

ID = "urn:uuid:00000000-0000-0000-0000-000000000007"


def of(case: Case, report: Report | None = None, *, card: dict[str, Any] | None = None, **changed: Any) -> Entry:
    """The entry of a case."""
    found = report or validate(case)
    given = {
        "key": comparability_key(case, level=found.level),
        "workload": None if case.evidence is None else case.evidence.workload,
        "entry_id": ID,
        "submitter": "Example Laboratory",
        "published_ns": PUBLISHED_NS,
        "card_sha256": sha256("card"),
        "manifest_sha256": sha256("manifest"),
        "bundle_sha256": sha256("bundle"),
    } | changed
    assert case.rebuilt is not None
    return Entry.of(card or case.rebuilt, found, **given)


@pytest.fixture(scope="module")
def es1(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Report]:
    """A good bundle of level ES1, which the laboratory of the kit simulated, and what the validator says of it."""
    case = bundle(write(tmp_path_factory.mktemp("es1"), Lab.of("ES1", seed=1).evidence()), trust=Trust.read())
    return case, validate(case)


def test_a_bundle_becomes_an_entry(es1: tuple[Case, Report]) -> None:
    """Level, scope, boundary, labels, key and figures are those of the card as it is rebuilt; the score leads the headline."""
    card = json.loads((es1[0].folder / FOLDER / "card.json").read_text())
    made = of(*es1)
    assert (made.level, made.scope, made.boundary, made.rule_set) == ("ES1", "NODE_AC", "server_input", "1.0")
    assert made.figures.joules_per_1k_output_tokens == card["score"]["joules_per_1k_output_tokens"]
    assert made.figures.u95_j_per_1k_output_tokens == card["score"]["u95_j"]
    assert made.figures.joules_per_request == card["headline"]["joules_per_request"]
    assert made.run_begin_ns == min(p["begin_ns"] for p in card["phases"] if p["name"] in card["headline"]["phases"])
    assert made.key.missing == ()
    assert made.class_id is not None
    assert made.short_class == made.class_id[:12]


def test_what_is_simulated_is_marked(es1: tuple[Case, Report]) -> None:
    """A replayed meter marks an entry, and so does the key of the kit alone; without either it is a measurement."""
    case, report = es1
    measured = {**(case.rebuilt or {}), "simulated": False}
    assert of(*es1).simulated
    assert of(case, report, card=measured).simulated
    assert not of(case, dataclasses.replace(report, kit=False), card=measured).simulated


def test_gpu_sensors_alone_are_es0(tmp_path: Path) -> None:
    """A bundle below every grade becomes an entry of ES0 with its own scope, hence another class."""
    made = of(bundle(write(tmp_path, gpu_only(Lab.of("ES1", seed=1)))))
    assert (made.level, made.scope, made.key.level) == ("ES0", "GPU", "ES0")


def test_invalid_never_becomes_an_entry(tmp_path: Path) -> None:
    """A bundle that contradicts itself is refused, whoever asks."""
    folder = write(tmp_path, Lab.of("ES1", seed=1).evidence())
    edited(folder)
    with pytest.raises(FormatError, match="level cannot be 'INVALID'"):
        of(bundle(folder))


def test_without_workload_the_key_is_empty_but_for_scope_and_level(es1: tuple[Case, Report]) -> None:
    """What nobody said is missing by name, and there is no class."""
    made = of(*es1, key=None, workload=None)
    assert made.class_id is None
    assert (made.key.scope, made.key.level, made.labels) == ("NODE_AC", "ES1", {})
    assert "model_sha256" in made.key.missing
    assert made.title == "joulemark, NODE_AC"


def test_what_is_stored_comes_back(es1: tuple[Case, Report]) -> None:
    """An entry survives JSON, with every number exact."""
    for made in (of(*es1), entry(3), entry(4).withdrawn("the meter was sick", at_ns=PUBLISHED_NS + 10**15)):
        assert Entry.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "joulemark.board-entry/2"),
        ("class_id", "0" * 64),
        ("level", "INVALID"),
        ("level", "ES2"),
        ("scope", "GPU"),
        ("entry_id", "7"),
        ("entry_id", ID.upper()),
        ("replaces", "urn:uuid:00000000-0000-0000-0000-000000000001"),
        ("status", "withdrawn"),
        ("status", "hidden"),
        ("withdrawn_reason", "no"),
        ("card_sha256", "x"),
        ("run_begin_ns", -1),
        ("published_ns", 2**62),
        ("modified_ns", 0),
        ("modified_ns", PUBLISHED_NS + 10**15),
        ("origin", "javascript:alert(1)"),
        ("submitter", ""),
        ("submitter", "two\nlines"),
        ("title", "x" * 1000),
        ("title", "Example-8B at 12000 tok/s"),
        ("labels", {"speed": "fast"}),
        ("labels", {"engine": "vllm 35 ms"}),
        ("throughput", 3.0),
    ],
)
def test_a_stored_entry_that_was_changed_is_refused(key: str, value: object) -> None:
    """What no entry has is refused when it is read, by name."""
    with pytest.raises(FormatError):
        Entry.from_json({**entry(1).to_json(), key: value})


def test_equal_keys_are_one_class() -> None:
    """640 and 640.0 tokens are the same length; each part of the key, the level and the scope too, makes another class."""
    first = entry(1)
    same = entry(2, key=dataclasses.replace(first.key, input_length=640))
    assert same.class_id == first.class_id
    others = [entry(3, level="ES2"), entry(4, scope="GPU"), entry(5, key=dataclasses.replace(first.key, concurrency=65))]
    assert len({one.class_id for one in (first, *others)}) == 4


def test_anybody_can_compute_the_class() -> None:
    """The class is the SHA-256 that the reference describes, of text that is written here by hand."""
    model, data = "22" * 32, "33" * 32
    text = (
        f'{{"concurrency":64.0,"dataset_sha256":"{data}","input_length":640.0,"level":"ES1","model_sha256":"{model}",'
        '"output_length":480.0,"precision":"fp8","request_rate_per_s":null,"scope":"NODE_AC"}'
    )
    assert entry(1).class_id == sha256(text)


def test_withdrawn_needs_a_reason_and_keeps_the_rest() -> None:
    """A retraction says why and when, and changes nothing else."""
    first = entry(1)
    gone = first.withdrawn("  the meter\nwas sick ", at_ns=first.published_ns + 1)
    assert (gone.status, gone.withdrawn_reason, gone.modified_ns) == ("withdrawn", "the meter was sick", first.published_ns + 1)
    assert dataclasses.replace(gone, status="published", withdrawn_reason="", modified_ns=first.modified_ns) == first
    with pytest.raises(FormatError, match="status"):
        first.withdrawn(" ", at_ns=first.published_ns + 1)


def test_energy_has_nothing_from_which_a_speed_follows() -> None:
    """`_energy` has no mean power, duration, sum of energy, end or cost: with J per token each of them leads to tokens per second."""
    told = json.dumps(entry(1).energy())
    for name in ("avg_w", "mean_power", "power_w", "duration", '"energy_j', "end_ns", "usd", "cost", '"requests', '"tokens'):
        assert name not in told, name


def test_no_speed_in_the_reason_of_a_withdrawal() -> None:
    """A reason stands in the feed for ever, so it is held to the same words as a name."""
    with pytest.raises(FormatError, match="performance"):
        entry(1).withdrawn("it did 12000 tok/s and not 9000", at_ns=entry(1).published_ns + 1)
