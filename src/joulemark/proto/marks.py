"""Run marks between protobuf and the JSON bodies of the REST API, which means the same."""

from __future__ import annotations

from typing import Any

from joulemark.proto.convert import parsed
from joulemark.proto.v1 import runs_pb2 as pb
from joulemark.runs import IdleKind, PhaseKind

EDGES = {pb.EDGE_BEGIN: "begin", pb.EDGE_END: "end"}
KINDS = {pb.PhaseKind.Value(f"PHASE_KIND_{kind.name}"): kind for kind in PhaseKind}
IDLE_KINDS = {pb.IdleKind.Value(f"IDLE_KIND_{kind.name}"): kind for kind in IdleKind}


def start_body(raw: bytes) -> dict[str, Any]:
    """Body of POST /v1/runs. Raises FormatError."""
    message = parsed(pb.StartRunRequest(), raw)
    return {"moment": moment(message.moment), "benchmark": message.benchmark, "labels": dict(message.labels)}


def phase_body(raw: bytes) -> tuple[str, dict[str, Any]]:
    """(run id, body of POST /v1/runs/{id}/phases). Raises FormatError."""
    message = parsed(pb.MarkPhaseRequest(), raw)
    body = {"name": message.name, "edge": EDGES.get(message.edge, ""), "moment": moment(message.moment), **counts(message)}
    if message.kind in KINDS:
        body["kind"] = KINDS[message.kind]
    if message.idle_kind in IDLE_KINDS:
        body["idle_kind"] = IDLE_KINDS[message.idle_kind]
    if message.aborted:
        body["aborted"] = message.aborted
    return message.run_id, body


def stop_body(raw: bytes) -> tuple[str, dict[str, Any]]:
    """(run id, body of POST /v1/runs/{id}/stop). Raises FormatError."""
    message = parsed(pb.StopRunRequest(), raw)
    return message.run_id, {"moment": moment(message.moment), **counts(message)}


def start_answer(body: dict[str, Any]) -> bytes:
    """The StartRunResponse."""
    return pb.StartRunResponse(run_id=body["run_id"]).SerializeToString()


def phase_answer(body: dict[str, Any]) -> bytes:
    """The MarkPhaseResponse."""
    return pb.MarkPhaseResponse(received_ns=body["received_ns"]).SerializeToString()


def stop_answer(body: dict[str, Any]) -> bytes:
    """The StopRunResponse."""
    return pb.StopRunResponse(received_ns=body["received_ns"]).SerializeToString()


def moment(message: pb.Moment) -> dict[str, Any]:
    """When the client says it happened."""
    return {"utc_ns": message.utc_ns, "mono_ns": message.mono_ns, "boot_id": message.boot_id}


def counts(message: pb.MarkPhaseRequest | pb.StopRunRequest) -> dict[str, Any]:
    """Tokens and requests that the message knows."""
    out: dict[str, Any] = {}
    if message.HasField("tokens"):
        tokens = message.tokens
        out["tokens"] = {field.name: value for field, value in tokens.ListFields()}
    if message.HasField("request_count"):
        out["requests"] = message.request_count
    if message.HasField("failed_request_count"):
        out["requests_failed"] = message.failed_request_count
    return out
