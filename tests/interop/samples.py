"""Every sample: the recorded ones of the corpus, and made up ones: OpenAIPerf in each layout, and tools without a recorded sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from tests.interop import openaiperf_bundles, tool_results, witness
from tests.interop.witness import Witness

ROOTS: Final = ("aiperf", "bench", "mlperf_power")

WITNESSES: Final[dict[str, Witness]] = {
    "aiperf/*": witness.aiperf,
    "bench/genai_perf": witness.genai_perf,
    "bench/inferencex/vllm_style*.json": witness.vllm,
    "bench/inferencex/agg*.json": witness.nothing,
    "bench/llmperf": witness.llmperf,
    "bench/lm_eval": witness.lm_eval,
    "bench/ml-energy_leaderboard-v2/*.json": witness.ml_energy_board,
    "bench/mlperf_loadgen_generated/*": witness.loadgen,
    "bench/sglang_bench_serving_generated": witness.sglang,
    "bench/dcgm_exporter": witness.nothing,
    "bench/ipmitool": witness.nothing,
    "mlperf_power/inference*": witness.loadgen,
    "mlperf_power/training*": witness.training,
    "mlperf_power/tiny*": witness.nothing,
}
"""Who counts a sample, by its place in the corpus; a sample that nobody counts must not be read."""

BUNDLES: Final[dict[str, Witness]] = {
    "four_cards_one_log": witness.nothing,
    "site_seed": witness.site_seed,
    "docs": witness.docs,
    "ob_tools": witness.ob_tools,
}

SPLIT: Final = {"inferencex": "*.json", "ml-energy_leaderboard-v2": "**/*.json", "mlperf_loadgen_generated": "*/"}
"""Folders of `bench` that hold several samples, and how each of them is named."""

COMMON: Final = "data/llm_text_generation/chat/"
"""Left out of names: all samples of that board have it."""


@dataclass(frozen=True)
class Sample:
    """`path`: what is given to the product. `plain`: where the witness reads. `witness`: None where nobody counts it."""

    name: str
    path: Path
    plain: Path
    witness: Witness | None


def recorded(corpus: Path) -> Iterator[Sample]:
    """The samples of the corpus."""
    for root in ROOTS:
        for folder in sorted(path for path in (corpus / root).iterdir() if path.is_dir()):
            for path in sorted(folder.glob(SPLIT[folder.name])) if folder.name in SPLIT else [folder]:
                name = path.relative_to(corpus).as_posix().replace(COMMON, "")
                if path.is_dir() or folder.name not in SPLIT or path.suffix == ".json":
                    yield Sample(name, path, path, next((w for place, w in WITNESSES.items() if fnmatch(name, place)), None))


def made_up(place: Path) -> Iterator[Sample]:
    """A bundle of OpenAIPerf in each dialect and each shape, and a file of each tool that has no recorded sample, below `place`."""
    for dialect, files in openaiperf_bundles.DIALECTS.items():
        for shape in openaiperf_bundles.SHAPES:
            folder = place / dialect / shape
            path = openaiperf_bundles.bundle(folder, files(), shape=shape)
            yield Sample(f"made up: OpenAIPerf {dialect}, {shape}", path, folder / "bundle", BUNDLES[dialect])
    for name, (file, text, counts) in tool_results.RESULTS.items():
        folder = place / name
        folder.mkdir()
        (folder / file).write_text(text, encoding="utf-8")
        yield Sample(f"made up: {name}", folder, folder, counts)
