"""What a run was measured on and with, as flat facts: two runs are held against each other fact by fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from joulemark.cards.measured import Measured
from joulemark.node import Node

WORKLOAD: Final = (
    "model",
    "model_sha256",
    "precision",
    "dataset",
    "dataset_sha256",
    "tokenizer",
    "tokenizer_sha256",
    "token_source",
    "counted",
    "end_of_sequence",
    "input_length",
    "output_length",
    "concurrency",
    "request_rate_per_s",
    "engine",
    "engine_version",
    "gpu_type",
    "gpu_count",
)
NODE: Final = ("bmc_firmware", "driver", "cuda", "kernel", "dimms", "nics", "cooling", "fans")
PRICE: Final = ("provider", "region", "instance_type", "price_model", "os", "amount", "currency", "unit", "effective_from", "sha256")
TARIFF: Final = ("zone", "amount", "currency", "pue", "pue_basis", "sha256")


def facts(run: Measured) -> dict[str, Any]:
    """Everything known of the system and the measurement, by dotted name; None and empty where not known."""
    card, evidence = run.card, run.evidence
    out: dict[str, Any] = {
        "scope": card["scope"],
        "boundary": run.headline["boundary"],
        "rule_set": card["rule_set"],
        "benchmark": card["benchmark"],
        "phases": len(run.windows),
        "simulated": card["simulated"],
        "meters": sorted({f"{one['kind']} {one['vendor']} {one['model']}".strip() for one in card["meters"] if one["used"]}),
    }
    work = evidence.workload
    out |= {f"workload.{name}": None if work is None else getattr(work, name) for name in WORKLOAD}
    out |= {"node.hosts": sorted(node.host for node in evidence.nodes.nodes), "node.participating": evidence.nodes.participating}
    out |= {"node.gpus": gpus(evidence.nodes.nodes), "node.settings": settings(evidence.nodes.nodes)}
    out |= {f"node.{name}": sorted({getattr(node, name) for node in evidence.nodes.nodes}) for name in NODE}
    cost = run.headline["cost"]
    out |= {f"price.{name}": value for name, value in of(cost["market"]["price"], PRICE).items()} | {
        "price.status": cost["market"]["status"]
    }
    out |= {f"tariff.{name}": value for name, value in of(cost["energy"]["tariff"], TARIFF).items()}
    return out


def of(record: Mapping[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
    """Some keys of a record, None where there is no record."""
    return {name: None if record is None else record[name] for name in names}


def gpus(nodes: tuple[Node, ...]) -> list[str]:
    """How many of which GPU, `8 x NVIDIA H100`; empty where no node tells."""
    models = Counter(gpu.model for node in nodes for gpu in node.gpus or ())
    return [f"{count} x {model}" for model, count in sorted(models.items())]


def settings(nodes: tuple[Node, ...]) -> list[str]:
    """Digests of the power settings that the nodes began with."""
    return sorted({node.settings[0].sha256 for node in nodes if node.settings})


def differences(one: Measured, other: Measured) -> list[dict[str, Any]]:
    """The facts in which two runs differ, in the order of `facts`: `what`, `a`, `b`."""
    a, b = facts(one), facts(other)
    return [{"what": name, "a": a[name], "b": b[name]} for name in a if a[name] != b[name]]


def shared(one: Measured, other: Measured) -> list[dict[str, Any]]:
    """What both figures rest on, so that their errors may have a part in common: `what` and which."""
    read_by = [[m for m in run.card["meters"] if m["used"] and m["boundary"] == run.headline["boundary"]] for run in (one, other)]
    meters = [{m["meter_id"] for m in found} for found in read_by]
    aligned = [{m["alignment"]["alignment_id"] for m in found if m["alignment"]} for found in read_by]
    prices = [{of(run.headline["cost"]["market"]["price"], ("sha256",))["sha256"]} - {None} for run in (one, other)]
    tariffs = [{of(run.headline["cost"]["energy"]["tariff"], ("sha256",))["sha256"]} - {None} for run in (one, other)]
    sources = [{run.tokens.source} - {""} for run in (one, other)]
    pairs = {"meter": meters, "alignment": aligned, "price": prices, "tariff": tariffs, "token_source": sources}
    return [{"what": what, "which": sorted(a & b)} for what, (a, b) in pairs.items() if a & b]
