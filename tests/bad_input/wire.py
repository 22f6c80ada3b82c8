"""Bad requests and streams, brought to a running collector over HTTP and gRPC."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from joulemark.proto import convert
from joulemark.proto.messages import FrozenBatch, Hello
from tests.bad_input import valid
from tests.bad_input.case import Case, changed, without
from tests.bad_input.doors import Collector
from tests.bad_input.judge import Answer, Wanted
from tests.collector.conftest import Agent

MOMENT = {"utc_ns": (valid.BEGIN_S + 5) * valid.NS, "mono_ns": 5, "boot_id": "b"}
START = {"benchmark": "b", "labels": {"model": "m"}, "moment": MOMENT}
PHASE = {"name": "decode", "edge": "begin", "moment": MOMENT}
RUN_ID = "bad-input"
"""A run that exists while the bad inputs come."""

INVALID = ("400", "422")


def rest(name: str, method: str, path: str, body: Any = None, *, names: str, statuses: tuple[str, ...] = INVALID, **headers: str) -> Case:
    """One request."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {key.replace("_", "-"): value for key, value in headers.items()}

    def knock(_: Path, collector: Collector) -> Answer:
        return collector.rest_answer(method, path, data, sent)

    return Case("REST", name, knock, Wanted(statuses, names), alone=True)


def start(name: str, body: Any, names: str, statuses: tuple[str, ...] = INVALID) -> Case:
    """The start of a run."""
    return rest(name, "POST", "/v1/runs", body, names=names, statuses=statuses)


def phase(name: str, body: Any, names: str) -> Case:
    """A phase of the run that exists."""
    return rest(name, "POST", f"/v1/runs/{RUN_ID}/phases", body, names=names)


def told(name: str, run: Any, names: str) -> Case:
    """A benchmark's run, handed in for the run that exists."""
    return rest(name, "POST", f"/v1/runs/{RUN_ID}/benchmark", {"moment": MOMENT, "run": run, "source": "x"}, names=names)


def stream(name: str, *messages: bytes, names: str, statuses: tuple[str, ...]) -> Case:
    """One stream of an agent."""
    return Case("agents' stream", name, lambda _, collector: collector.stream_answer(messages), Wanted(statuses, names), alone=True)


def hello(**changes: Any) -> bytes:
    """The first message, with other values."""
    values = {"agent_id": "host-x", "epoch_ns": valid.BEGIN_S * valid.NS, "boot_id": "b", "software_version": "1", **changes}
    return convert.request_bytes(Hello(**values))


def batch() -> FrozenBatch:
    """A valid batch of `host-x`."""
    return Agent("host-x", valid.BEGIN_S * valid.NS, "b").batch(1, begin_ns=valid.BEGIN_S * valid.NS)


def damaged(body: bytes) -> bytes:
    """A message whose batch is `body`, with the hash that fits it."""
    return convert.request_bytes(FrozenBatch(body, hashlib.sha256(body).digest()))


def cases() -> list[Case]:
    """All of them."""
    good = batch()
    run = valid.run()
    deep = b'{"benchmark": "b", "moment": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    refused = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "DATA_LOSS")
    return [
        start("no JSON", b"{", "JSON|body"),
        start("an empty body", b"", "body|JSON"),
        start("a list", [], "body"),
        start("nested 100,000 deep", deep, "JSON|body|nest|deep"),
        start("bytes that are no UTF-8", b'{"benchmark": "\xff"}', "JSON|body|UTF"),
        start("no moment", without(START, "moment"), "moment"),
        start("an unknown key", {**START, "colour": "red"}, "colour"),
        start("a moment before 1970", changed(START, "moment", "utc_ns", to=-1), "utc_ns"),
        start("a moment of 30 digits", changed(START, "moment", "utc_ns", to=10**29), "utc_ns"),
        start("a moment of NaN", json.dumps(changed(START, "moment", "utc_ns", to=float("nan"))).encode(), "utc_ns|JSON"),
        start("a run id that leaves its place", {**START, "run_id": "../../x"}, "run_id"),
        start("a run id of a thousand letters", {**START, "run_id": "x" * 1000}, "run_id"),
        start("a label of a megabyte", changed(START, "labels", "model", to="x" * (1 << 20)), "label|large|bytes|body", ("413", "422")),
        start("a label that is no text", changed(START, "labels", "model", to=[1]), "labels"),
        phase("no name", {**PHASE, "name": ""}, "name"),
        phase("a kind that does not exist", {**PHASE, "kind": "party"}, "kind"),
        phase("an edge that does not exist", {**PHASE, "edge": "middle"}, "edge"),
        phase("a window without its end", {**PHASE, "edge": "window"}, "end_ns"),
        phase("a window that ends before it begins", {**PHASE, "edge": "window", "end_ns": 1}, "end_ns"),
        phase("tokens below zero", {**PHASE, "edge": "end", "tokens": {"output": -1}}, "output"),
        phase("tokens of 1e308", {**PHASE, "edge": "end", "tokens": {"output": 1e308}}, "output"),
        phase("requests of 2^64", {**PHASE, "edge": "end", "requests": 2**64}, "requests"),
        told("a run of another schema", {**run, "schema": "x"}, "schema"),
        told("a phase without a name", without(run, "phases", 0, "name"), "name"),
        told("labels that are no text", changed(run, "labels", "model", to={"a": 1}), "labels"),
        told("a figure that is text", changed(run, "tool_reported", 0, "value", to="much"), "value"),
        told("phases that are a number", {**run, "phases": 3}, "phases|windows"),
        told("half a surrogate in a label", changed(run, "labels", "model", to="\ud800"), "labels|JSON|surrogate"),
        rest("a run that does not exist", "GET", "/v1/runs/none", names="none", statuses=("404",)),
        rest("a run named like SQL", "GET", "/v1/runs/%27%3B%20DROP%20TABLE%20run%3B--", names="DROP TABLE", statuses=("404",)),
        rest("a path that leaves its place", "GET", "/v1/runs/..%2F..%2Fetc%2Fpasswd", names="passwd", statuses=("404",)),
        rest("a meter that does not exist", "GET", "/v1/readings?meter=x&from_ns=0&to_ns=1", names="'x'", statuses=("404",)),
        rest(
            "a meter named like SQL", "GET", "/v1/readings?meter=x%27%20OR%201%3D1--&from_ns=0&to_ns=1", names="OR 1=1", statuses=("404",)
        ),
        rest("times that are no numbers", "GET", "/v1/readings?meter=x&from_ns=a&to_ns=1e99", names="from_ns"),
        rest("a limit of a billion", "GET", "/v1/readings?meter=x&from_ns=0&to_ns=1&limit=1000000000", names="limit"),
        rest("a method that is not served", "DELETE", "/v1/runs", names="/v1/runs", statuses=("405",)),
        rest("a place that is not served", "GET", "/v2/runs", names="/v2/runs", statuses=("404",)),
        stream("bytes that are no message", b"\xff" * 50, names="decod|message|Hello|parse", statuses=refused),
        stream("a batch before Hello", convert.request_bytes(good), names="Hello", statuses=refused),
        stream("an agent without a name", hello(agent_id=""), names="agent_id", statuses=refused),
        stream("another version", hello(protocol_version=99), names="99", statuses=refused),
        stream("Hello twice", hello(), hello(), names="Hello", statuses=refused),
        stream(
            "a batch with a wrong hash",
            hello(),
            convert.request_bytes(FrozenBatch(good.body, bytes(32))),
            names="SHA-256",
            statuses=refused,
        ),
        stream("a batch cut off", hello(), damaged(good.body[:-7]), names="Batch", statuses=refused),
        stream("a batch that is empty", hello(), damaged(b"\xff\xff"), names="Batch", statuses=refused),
    ]
