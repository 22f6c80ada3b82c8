"""Routes for machines that watch the collector: health, readiness, Prometheus metrics."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from joulemark import __version__
from joulemark.cards.serving import Known, Service
from joulemark.collector.api import calibrations, cost_metrics, fleet_metrics, price_metrics, serving_metrics
from joulemark.collector.api.prices import standings_of
from joulemark.collector.api.problems import described
from joulemark.collector.api.state import Served, State
from joulemark.errors import RemoteUnreachable
from joulemark.pki.certificate import expiries_s
from joulemark.proto.messages import Directive
from joulemark.timebase import AxisClock, Clock, SystemClock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

router = APIRouter(tags=["health"], responses=described())
TO_EVERYBODY: Final[dict[str, Any]] = {"security": []}
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz", openapi_extra=TO_EVERYBODY)
async def healthz() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", openapi_extra=TO_EVERYBODY)
async def readyz(state: Served) -> dict[str, int | str]:
    """The ingest process answers too, and how many agents are connected. A failing shard is named: readings wait for it in the log."""
    count = await state.control.broadcast(Directive())
    if count is None:
        raise RemoteUnreachable("the ingest process does not answer", "read the collector's log and restart it: joulemark collector run")
    failing = [shard.name for shard in await asyncio.to_thread(state.store.shards) if shard.failing_since_ns is not None]
    behind = {"shards_failing": ", ".join(failing)} if failing else {}
    return {"status": "ok", "agents_connected": count, **behind}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(state: Served) -> Response:
    """Prometheus text. Counts are of what is durable, so they survive a restart."""
    streams, opened = await asyncio.gather(asyncio.to_thread(state.store.streams), asyncio.to_thread(state.store.streams_opened))
    ingest = await state.control.status()
    expiries = await asyncio.to_thread(expiries_s, state.config.tls)
    feeds = await asyncio.to_thread(standings_of, state)
    await asyncio.to_thread(count_services, state)
    now_ns = state.clock.utc_ns()
    costs, deletions = await asyncio.gather(asyncio.to_thread(state.store.last_states, 1), asyncio.to_thread(state.store.deletions))
    meters = await asyncio.to_thread(fleet_metrics.newest, state.store, now_ns)
    lines = [
        *metric("batches_total", "counter", "Batches stored.", sum(s.batch_count for s in streams)),
        *metric("samples_total", "counter", "Samples stored.", sum(s.sample_count for s in streams)),
        *metric("duplicate_batches_total", "counter", "Batches that came again.", sum(s.duplicate_count for s in streams)),
        *metric("streams_opened_total", "counter", "Streams that agents opened.", sum(opened.values())),
        *metric("ingest_up", "gauge", "Whether the ingest process answers.", int(ingest is not None)),
        *metric("data_dir_free_bytes", "gauge", "Room on the disk of collector.data_dir.", await asyncio.to_thread(free_bytes, state)),
        *metric("axis_minus_utc_seconds", "gauge", "The collector's time axis minus its UTC.", axis_minus_utc_s(state.clock)),
        *metric("certificate_expiry_timestamp_seconds", "gauge", "When a certificate of [tls] expires.", expiries, label="file"),
        *metric("rest_refused_total", "counter", "REST requests turned away since the start.", state.refused.by_reason()),
        *price_metrics.lines(feeds, state.refresh.clock.utc_ns() if state.refresh else 0),
        *serving_metrics.lines(state.totals),
        *metric("clickhouse_shard_up", "gauge", "Whether a shard took readings when it was last tried.", await ups(state), label="shard"),
        *metric("deleted_chunks_total", "counter", "Chunks of raw readings deleted, old and in no run.", deletions.chunk_count),
        *metric("deleted_bytes_total", "counter", "Bytes that they took.", deletions.byte_count),
        *fleet_metrics.lines(streams, meters, state.catalog.open_phases(now_ns)),
        *cost_metrics.lines(costs),
    ]
    if ingest is not None:
        lines += [
            *metric("agents_connected", "gauge", "Agents connected now.", ingest.agent_count),
            *metric("ingest_pending_bytes", "gauge", "Bytes received and not durable yet.", ingest.pending_bytes),
            *metric("ingest_refused_total", "counter", "Streams refused or slowed since the start.", ingest.refused),
            *metric("streams_fenced_total", "counter", "Streams of a second agent of one name.", ingest.refused.get("fenced", 0)),
        ]
    return PlainTextResponse("\n".join(lines) + "\n", media_type=METRICS_TYPE)


def free_bytes(state: State) -> int | None:
    """What may still be written into the data folder; None where the disk does not say."""
    try:
        return shutil.disk_usage(state.config.collector.data_dir).free
    except OSError:
        return None


async def ups(state: State) -> dict[str, int]:
    """1 for each shard that works, 0 for one that fails."""
    return {shard.name: int(shard.failing_since_ns is None) for shard in await asyncio.to_thread(state.store.shards)}


def count_services(state: State) -> None:
    """Bring the counters of services up to now."""
    aligned = calibrations.kept(state)

    def known(service: Service, begin_ns: int) -> Known:
        return Known(alignments=aligned.in_force({one.meter.meter_id for one in service.series}, begin_ns))

    state.totals.advance(state.store, state.clock.utc_ns(), known)


def axis_minus_utc_s(clock: Clock) -> float | None:
    """0 until the host's UTC is stepped: the axis does not follow. None for a clock that is no axis."""
    return (clock.minus_mono_ns - utc_minus_mono_ns(SystemClock())) / NS_PER_S if isinstance(clock, AxisClock) else None


def metric(name: str, kind: str, text: str, value: float | Mapping[str, int] | None, *, label: str = "reason") -> list[str]:
    """The lines of one metric, one for each `label` of a mapping; none when its value is not known."""
    if value is None or value == {}:
        return []
    full = f"joulemark_{name}"
    values = [f'{full}{{{label}="{key}"}} {n}' for key, n in value.items()] if isinstance(value, Mapping) else [f"{full} {value}"]
    return [f"# HELP {full} {text}", f"# TYPE {full} {kind}", *values]
