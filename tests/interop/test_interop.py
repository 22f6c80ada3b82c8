"""The check itself: green on the readers as they are, red on every falsified answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark import benchmarks
from tests.interop.__main__ import line, trials
from tests.interop.samples import Sample, made_up
from tests.interop.trial import SPOILS, tried


def test_every_sample_is_read_right_or_refused_with_a_reason(corpus: Path) -> None:
    """Every figure of every reader is the witness's, and what is not read says why."""
    found = trials(corpus)
    assert [(trial.sample.name, trial.wrong) for trial in found if trial.wrong] == []
    counts = line(found)
    assert counts["readers"] == len(benchmarks.READERS)
    assert counts["samples"] == counts["read"] + counts["refused_with_reason"] == len(found)
    assert counts["read"] >= 12


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_falsified_answer_is_red(tmp_path: Path, spoil: str) -> None:
    """One token more, one request less, or an hour late is seen on every bundle that is read."""
    found = [tried(sample, spoil=SPOILS[spoil]) for sample in made_up(tmp_path)]
    assert all(trial.wrong for trial in found if trial.run is not None)
    assert any(trial.run is not None for trial in found)


def test_what_nobody_counted_must_not_be_read(tmp_path: Path) -> None:
    """A sample that is read without a witness is red, and so is one that is refused although it has a window."""
    samples = {sample.name: sample for sample in made_up(tmp_path)}
    seed = samples["made up: OpenAIPerf site_seed, folder"]
    bare = samples["made up: OpenAIPerf four_cards_one_log, folder"]
    assert tried(Sample(seed.name, seed.path, seed.plain, None)).wrong == ("read, but no witness counted it",)
    assert tried(Sample(bare.name, bare.path, seed.plain, seed.witness)).wrong[0].startswith("refused, but its files have a window")
