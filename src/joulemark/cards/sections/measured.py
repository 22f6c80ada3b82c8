"""What was measured: system and load, the phases, what stands beside them, and the tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from joulemark.cards import figures
from joulemark.cards.figures import Place, absent, moment, number, percent, rounded, value
from joulemark.cards.sections.layout import facts, notes, table, words
from joulemark.markup import Markup, joined, tag

SYSTEM: Final[Mapping[str, str]] = {
    "workload.model": "model",
    "workload.precision": "precision",
    "workload.engine": "engine",
    "workload.engine_version": "engine version",
    "workload.dataset": "data",
    "workload.input_length": "input tokens per request",
    "workload.output_length": "output tokens per request",
    "workload.concurrency": "concurrency",
    "workload.request_rate_per_s": "requests per second",
    "workload.gpu_type": "GPU",
    "workload.gpu_count": "GPUs",
    "node.gpus": "GPUs in the nodes",
    "node.hosts": "nodes",
    "node.driver": "driver",
    "node.cuda": "CUDA",
    "node.kernel": "kernel",
    "node.bmc_firmware": "BMC firmware",
    "node.cooling": "cooling",
    "benchmark": "benchmark",
    "meters": "meters",
    "workload.model_sha256": "SHA-256 of the model",
    "workload.dataset_sha256": "SHA-256 of the data",
}


def system(found: Place) -> Markup:
    """Model, load, machine and meters; what nobody recorded is named in one line."""
    known = [(name, value(found[key])) for key, name in SYSTEM.items() if key in found.value and found[key].known]
    missing = [name for key, name in SYSTEM.items() if key in found.value and not found[key].known]
    said = tag("p", "Not recorded: ", ", ".join(missing), ".", class_="note absent") if missing else None
    return joined([facts(known, look="facts wide"), said])


def phases(card: Place) -> Markup:
    """Energy, power and coverage of every phase at the boundary of the headline."""
    heads = ("phase", "kind", "begin", "duration", "energy \N{PLUS-MINUS SIGN} U95", "mean power", "coverage", "method", "J per 1k output")
    every = list(card["phases"])
    strong = [at for at, phase in enumerate(every) if phase["name"].value in card["headline"]["phases"].value]
    where = f"At {words(card['headline']['boundary'].value)}, from "
    caption = joined([where, moment(every[0]["begin_ns"]), "; the phases that count in bold."])
    rows = [
        (
            phase["name"].value,
            words(phase["kind"].value),
            moment(phase["begin_ns"], clock=True),
            rounded(phase["duration_s"], ".6g", "s"),
            figures.expanded(phase["energy_j"], phase["u95_j"], "J"),
            rounded(phase["mean_power_w"], ".1f", "W"),
            percent(phase["coverage"]),
            phase["energy_method"].value or absent(),
            ratio(phase),
        )
        for phase in every
    ]
    return joined([tag("h3", "Phases"), table(caption, heads, rows, numbers=(3, 4, 5, 6, 8), strong=strong)])


def ratio(phase: Place) -> Markup | None:
    """J per 1k output tokens of a phase that has them."""
    shown = phase.value.get("display", {})
    return figures.printed(phase["display"]["joules_per_1k_output_tokens"]) if "joules_per_1k_output_tokens" in shown else None


def beside(card: Place) -> Markup:
    """What stands beside the figure: reasons why it is not complete, aborted repetitions, findings."""
    parts: list[object] = []
    if len(card["incomplete_because"]):
        parts += [tag("h3", "Not complete"), notes(card["incomplete_because"])]
    if len(card["aborted"]):
        rows = [[one["phase"].value, one["reason"].value, rounded(one["energy_j"], ".6g", "J")] for one in card["aborted"]]
        parts += [
            tag("h3", "Aborted, and not counted"),
            table("Repetitions that were begun.", ("phase", "reason", "energy"), rows, numbers=(2,)),
        ]
    if len(card["findings"]):
        parts += [tag("h3", "Findings"), notes(card["findings"])]
    return joined(parts)


def tokens(card: Place) -> Markup:
    """How many of which kind in each phase that counts, and who counted."""
    told = [phase for phase in card["phases"] if phase["name"].value in card["headline"]["phases"].value]
    rows = [
        (
            phase["name"].value,
            counted(phase["tokens"]["input"]),
            counted(phase["tokens"]["output"]),
            value(phase["tokens"]["disagreement"]),
            counted(phase["requests"]),
            counted(phase["requests_failed"]),
            words(phase["tokens"]["source"].value) or absent(),
        )
        for phase in told
    ]
    heads = ("phase", "input", "output", "two counts differ by", "requests", "failed", "counted by")
    return table("Tokens of requests that succeeded, in the phases that count.", heads, rows, numbers=(1, 2, 3, 4, 5))


def counted(place: Place) -> Markup:
    """A whole number, or that it is not known."""
    return absent() if place.value is None else number(place, str(place.value))
