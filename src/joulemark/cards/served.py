"""What engines served: the models behind the counters that were read beside the meters, each counted once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from joulemark.energy.counts import Count, counted, standing, summed
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.meters.serving_engines import Booked, Role, engines
from joulemark.readings import WORK, Quantity
from joulemark.runs import PhaseKind, Run, Tokens

KIND: Final = "serving"
SOURCE: Final = "engine_counter"
"""Who counted, as the standard names it (TOK-1)."""

TOKENS: Final = {
    "input": Quantity.INPUT_TOKENS,
    "cached_input": Quantity.CACHED_INPUT_TOKENS,
    "output": Quantity.OUTPUT_TOKENS,
    "reasoning": Quantity.REASONING_TOKENS,
}
BESIDE: Final = (Quantity.RUNNING_REQUESTS, Quantity.UPTIME)
"""What stands beside the counts of a model."""

NOT_TOLD: Final = "no engine tells it"

Device = Mapping[Quantity, Series]


@dataclass(frozen=True, slots=True)
class Model:
    """One model: the readings of each server that counts for it, by the id of the device."""

    name: str
    devices: Mapping[str, Device]

    @property
    def engines(self) -> list[str]:
        """Names of the engines that serve it."""
        return sorted({next(iter(device.values())).meter.vendor for device in self.devices.values()})

    def counts(self, begin_ns: int, end_ns: int) -> dict[Quantity, Count]:
        """What it did in [begin_ns, end_ns], each quantity summed over its servers; one that none of them tells is left out."""
        found: dict[Quantity, Count] = {}
        for quantity in (Quantity.REQUESTS, *(one for one in WORK if one is not Quantity.REQUESTS)):
            if any(quantity in device for device in self.devices.values()):
                each = [
                    count_of(device, quantity, begin_ns, end_ns)
                    if quantity in device
                    else Count.none(f"{device_id} does not tell {quantity}")
                    for device_id, device in self.devices.items()
                ]
                found[quantity] = summed(each)
        return found

    def under_way(self, t_ns: int) -> int | None:
        """Requests under way at `t_ns`; None where a server does not tell."""
        each = [standing(device.get(Quantity.RUNNING_REQUESTS), t_ns) for device in self.devices.values()]
        return None if None in each else sum(one or 0 for one in each)


def count_of(device: Device, quantity: Quantity, begin_ns: int, end_ns: int) -> Count:
    """What one server counted. Where tokens are counted at the end of a request, those of requests across an edge are uncertain too.

    How many such there were, and how long their answers are, has to be known for that: else the uncertainty has no bound.
    """
    series, uptime = device[quantity], device.get(Quantity.UPTIME)
    found = counted(series, begin_ns, end_ns, uptime=uptime)
    tokens = quantity in TOKENS.values()
    if found.value is None or not tokens or booked(series) is not Booked.END:
        return found
    requests = counted(device[Quantity.REQUESTS], begin_ns, end_ns, uptime=uptime).value if Quantity.REQUESTS in device else None
    edges = [standing(device.get(Quantity.RUNNING_REQUESTS), t_ns) for t_ns in (begin_ns, end_ns)]
    across = math.inf if None in edges else max(one or 0 for one in edges)
    each = found.value / requests if requests else math.inf
    return replace(found, half=math.hypot(found.half, across * each if across and each else 0.0))


def booked(series: Series) -> Booked:
    """When the counter counts, by the data of its engine; the latest for one that is not known."""
    engine = engines().get(series.meter.vendor)
    return Booked.END if engine is None else engine.booked(series.meter.quantity, series.meter.note.rsplit("; ", 1)[-1])


def models_of(series: Sequence[Series]) -> tuple[list[Model], list[str]]:
    """The models by name, and in words what was not counted so that nothing is counted twice.

    A server that two agents read counts once. Where a frontend counts for a model, the engines behind it count the same tokens.
    """
    by_model: dict[str, dict[str, dict[Quantity, Series]]] = {}
    for one in series:
        meter = one.meter
        if (
            meter.kind == KIND
            and meter.model
            and (meter.quantity.counts_work or meter.quantity in (Quantity.RUNNING_REQUESTS, Quantity.UPTIME))
        ):
            by_model.setdefault(meter.model, {}).setdefault(meter.device_id, {})[meter.quantity] = one
    findings, models = [], []
    for name, devices in sorted(by_model.items()):
        kept: dict[str, Device] = {}
        seen: set[tuple[str, ...]] = set()
        fronted = any(role_of(device) is Role.FRONTEND for device in devices.values())
        for device_id, device in sorted(devices.items()):
            covers = next(iter(device.values())).meter.covers
            if covers in seen:
                findings.append(f"{device_id} is a second reading of {', '.join(covers)}: not added")
            elif fronted and role_of(device) is not Role.FRONTEND:
                findings.append(f"{device_id} stands behind a frontend that counts the same tokens: not added")
            else:
                kept[device_id] = device
                seen.add(covers)
        models.append(Model(name, kept))
    return models, findings


def role_of(device: Device) -> Role:
    """Whether a server counts for itself or for others."""
    engine = engines().get(next(iter(device.values())).meter.vendor)
    return Role.WORKER if engine is None else engine.role


def tokens_of(series: Sequence[Series], begin_ns: int, end_ns: int, *, model: str = "") -> tuple[Tokens, int | None, int | None]:
    """Tokens, requests and failed requests of a window by the engines' own counters; `model`: of the one that is meant, where it is told.

    Raises InsufficientData, which says why: no engine, several models of which none is named, or output tokens that are not known.
    """
    models, _ = models_of(series)
    chosen = [one for one in models if model == one.name] if model else models
    if len(chosen) != 1:
        names = ", ".join(one.name for one in models) or "nothing"
        raise InsufficientData(f"the engines beside the meters serve {names}", "name one of them with the run's label model")
    counts = chosen[0].counts(begin_ns, end_ns)
    output = counts.get(Quantity.OUTPUT_TOKENS, Count.none(NOT_TOLD))
    if output.value is None:
        raise InsufficientData(f"the engine's count of output tokens is not known: {output.reason}")
    bounded = {name: counts[q] for name, q in TOKENS.items() if q in counts and math.isfinite(counts[q].half)}
    if "output" not in bounded:
        what = "the engine counts tokens when a request ends, and how many it had made by the edges of the phase is not known"
        raise InsufficientData(what, "begin and end phases while nothing is under way, or give the tokens")
    told = {name: bounded[name].value if name in bounded else None for name in TOKENS}
    requests, failed = (counts.get(quantity, Count.none("")).value for quantity in (Quantity.REQUESTS, Quantity.FAILED_REQUESTS))
    return (
        Tokens(**told, source=SOURCE, disagreement=max(one.half for one in bounded.values())),
        None if requests is None else round(requests),
        None if failed is None else round(failed),
    )


def with_tokens(run: Run, series: Sequence[Series]) -> Run:
    """The run with the engines' own counts in each measured phase to which nobody gave tokens; what had to be decided is a finding.

    The label `model` of the run says which model is meant, where several are served.
    """
    if not any(one.meter.kind == KIND for one in series):
        return run
    windows, findings = [], []
    for window in run.windows:
        bare = window.kind is PhaseKind.MEASURED and not window.aborted and window.tokens == Tokens()
        try:
            found = tokens_of(series, window.begin_ns, window.end_ns, model=run.labels.get("model", "")) if bare else None
        except InsufficientData as error:
            findings.append(f"Phase {window.name!r} has no tokens: {error}")
            found = None
        if found is not None:
            tokens, requests, failed = found
            requests = requests if window.requests is None else window.requests
            failed = failed if window.requests_failed is None else window.requests_failed
            window = replace(window, tokens=tokens, requests=requests, requests_failed=failed)
            findings.append(f"Tokens of phase {window.name!r} are those that the engine's own counters grew by.")
        windows.append(window)
    return replace(run, windows=tuple(windows), findings=(*run.findings, *findings))
