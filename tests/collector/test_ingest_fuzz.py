"""A hostile client against the real ingest server: every stream ends with a status, a good agent beside it loses nothing."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.energy.series import Series
from joulemark.proto import convert
from joulemark.proto.messages import STREAM_METHOD, Ack, ClockProbe, FrozenBatch
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Quality
from tests.collector.conftest import Agent
from tests.collector.doorway import Doorway

S = 1_000_000_000
ATTACKS = 200
TIMEOUT_S = 20.0
ENDS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.PERMISSION_DENIED,
}
SCALARS = (0, 1, -1, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63))


def mutated(rng: random.Random, body: bytes) -> bytes:
    """Bits flipped, bytes cut, doubled or put in."""
    out = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out)) if out else 0
        kind = rng.randrange(4)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at : at + rng.randint(1, 40)]
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randint(1, 12))
        else:
            out[at:at] = out[at : at + 64]
    return bytes(out)


def distorted(rng: random.Random, body: bytes) -> bytes:
    """A batch that parses, with one field of it set to an edge of its type, or a column of it exchanged."""
    batch = pb.Batch.FromString(body)
    part = rng.choice([batch, batch.clock, batch.overhead, *batch.blocks, *batch.devices, *batch.losses])
    names = [f.name for f in part.DESCRIPTOR.fields if f.cpp_type == f.CPPTYPE_INT64]
    columns = [f.name for f in part.DESCRIPTOR.fields if f.type == f.TYPE_BYTES]
    if names and rng.random() < 0.6:
        setattr(part, rng.choice(names), rng.choice(SCALARS))
    elif columns:
        name = rng.choice(columns)
        whole = bytearray(getattr(part, name))
        at = 8 * rng.randrange(max(1, len(whole) // 8))
        whole[at : at + 8] = rng.choice(SCALARS).to_bytes(8, "little", signed=True)
        setattr(part, name, bytes(whole))
    elif isinstance(part, pb.Device) and rng.random() < 0.7:
        part.meter_json[0] = mutated(rng, part.meter_json[0].encode()).decode("utf-8", "replace")
    elif isinstance(part, pb.Block | pb.Loss | pb.Device):
        part.device_id = rng.choice(["", "x" * 5000, "a:b", "fake:h:0\x00", "'; DROP TABLE log; --"])
    return batch.SerializeToString()


def hashed(body: bytes) -> FrozenBatch:
    return FrozenBatch(body, hashlib.sha256(body).digest())


def attack(rng: random.Random, number: int) -> tuple[Agent, list[bytes]]:
    """A name of its own, and the requests that a hostile client sends under it."""
    agent = Agent(f"mallory-{number}", epoch_ns=1_790_000_000 * S)
    hello = convert.request_bytes(agent.hello())
    body = agent.batch(0, begin_ns=agent.epoch_ns).body
    match rng.randrange(7):
        case 0:
            return agent, [rng.randbytes(rng.randrange(200)) for _ in range(3)]
        case 1:
            return agent, [mutated(rng, hello), convert.request_bytes(hashed(body))]
        case 2:
            return agent, [hello, mutated(rng, convert.request_bytes(hashed(body)))]
        case 3:
            return agent, [hello, convert.request_bytes(hashed(mutated(rng, body)))]
        case 4:
            return agent, [hello, hello]
        case 5:
            return agent, [hello, convert.request_bytes(ClockProbe(rng.choice(SCALARS), rng.choice(SCALARS)))]
        case _:
            return agent, [hello, convert.request_bytes(hashed(distorted(rng, body)))]


def ended(channel: grpc.Channel, requests: list[bytes]) -> grpc.StatusCode:
    """The status that the stream of `requests` ends with."""
    call: Any = channel.stream_stream(STREAM_METHOD)(iter(requests), timeout=TIMEOUT_S)
    try:
        for answer in call:
            convert.parse_response(answer)
    except grpc.RpcError:
        pass
    status: grpc.StatusCode = call.code()
    return status


@pytest.fixture
def doorway(tmp_path: Path) -> Iterator[Doorway]:
    with Doorway(tmp_path) as running:
        yield running


def valid(series: Series, first_ns: int, last_ns: int) -> bool:
    """Whether the stored rows of a meter are what a store may hold."""
    return (
        bool(set(series.quality.tolist()) <= set(Quality))
        and bool((series.t_unc_ns >= 0).all())
        and (not len(series) or (first_ns <= int(series.t_ns[0]) and int(series.t_ns[-1]) <= last_ns))
    )


@pytest.mark.parametrize("seed", [20261121])
def test_hostile_streams_end_with_a_status_and_harm_nobody(doorway: Doorway, seed: int) -> None:
    """Of 200 streams of random bytes, mutated requests and batches with absurd numbers each ends with a status that has a meaning;
    what was stored can be read, sealed and read again; an agent that sends good batches meanwhile has each of them acknowledged.
    """
    rng = random.Random(seed)
    good = Agent("good", epoch_ns=1_790_000_000 * S)
    names, statuses = [], []
    with grpc.insecure_channel(doorway.address) as channel, grpc.insecure_channel(doorway.address) as calm:
        pending: list[FrozenBatch] = []

        def requests() -> Iterator[bytes]:
            yield convert.request_bytes(good.hello())
            while True:
                while not pending:
                    time.sleep(0.001)
                batch = pending.pop(0)
                if not batch.body:
                    return
                yield convert.request_bytes(batch)

        answers = calm.stream_stream(STREAM_METHOD)(requests(), timeout=100)
        next(answers)
        for number in range(ATTACKS):
            agent, messages = attack(rng, number)
            names.append(agent.device.device_id)
            statuses.append(ended(channel, messages))
            if number % 10 == 0:
                pending.append(good.batch(number // 10, begin_ns=good.epoch_ns + number // 10 * S))
                assert acknowledged(answers) == Ack(good.epoch_ns, number // 10)
        pending.append(FrozenBatch(b"", b""))
        assert list(answers) == []
    assert set(statuses) <= ENDS
    assert statuses.count(grpc.StatusCode.INVALID_ARGUMENT) > ATTACKS // 4
    check_store(doorway, names, good)


def acknowledged(answers: Iterator[bytes]) -> Ack:
    """The next acknowledgement; directives are passed over."""
    while not isinstance(answer := convert.parse_response(next(answers)), Ack):
        pass
    return answer


def check_store(doorway: Doorway, names: list[str], good: Agent) -> None:
    """Everything can be asked for, before and after sealing, with the same answers; the good agent's rows are all there."""
    meters = [f"{name}:{channel}" for name in [*names, good.device.device_id] for channel in ("power", "energy")]
    before = doorway.store.series(meters, 0, 2**62)
    doorway.store.seal(2**62, everything=True)
    after = doorway.store.series(meters, 0, 2**62)
    assert [(s.meter.meter_id, s.t_ns.tolist(), s.value.tolist()) for s in before] == [
        (s.meter.meter_id, s.t_ns.tolist(), s.value.tolist()) for s in after
    ]
    assert all(valid(series, 0, 2**62) for series in after)
    mine = [s for s in after if s.meter.meter_id.startswith(good.device.device_id)]
    assert [len(s) for s in mine] == [ATTACKS, ATTACKS]
    for question in (doorway.store.losses, doorway.store.states):
        question(0, 2**62)
    assert doorway.store.devices()
    assert doorway.store.streams()
