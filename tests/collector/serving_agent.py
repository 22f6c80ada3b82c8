"""Batches of an agent whose host serves a model: a 200 W meter at 10 Hz, and an engine that counts 100 output tokens a second."""

from __future__ import annotations

from joulemark import timebase
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, FrozenBatch, MeterCost, Overhead
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from tests.collector.conftest import Agent

S = 1_000_000_000
PER_S = {Quantity.OUTPUT_TOKENS: 100, Quantity.INPUT_TOKENS: 300, Quantity.REQUESTS: 2}

NAMES = {
    Quantity.OUTPUT_TOKENS: "vllm:generation_tokens_total",
    Quantity.INPUT_TOKENS: "vllm:prompt_tokens_total",
    Quantity.REQUESTS: "vllm:request_success_total",
}


class ServingAgent(Agent):
    """`model`: what it serves; `port`: of its server."""

    model: str = "m"
    port: int = 8000

    @property
    def engine(self) -> DeviceInfo:
        device_id = f"serving:{self.agent_id}:127.0.0.1-{self.port}-{self.model}"
        meters = tuple(
            MeterInfo(
                f"{device_id}:{quantity}",
                "serving",
                quantity,
                0,
                Boundary.SERVER_INPUT,
                vendor="vllm",
                model=self.model,
                covers=(f"{self.agent_id}:{self.port}/{self.model}",),
                note=f"vLLM; {NAMES[quantity]}",
            )
            for quantity in PER_S
        )
        return DeviceInfo(device_id, meters)

    def seconds(self, batch_seq: int, begin_ns: int, count: int = 20) -> FrozenBatch:
        """So many seconds of readings from `begin_ns` (UTC) on."""
        offset = timebase.utc_minus_mono_ns(timebase.SystemClock())
        power, engine = [], []
        for row in range(10 * count + 1):
            utc = begin_ns + row * S // 10
            bracket = (utc - offset - 10_000, utc - offset + 10_000, offset)
            joules = (utc - self.epoch_ns) * 200 // 1000 + 10**12
            seq = batch_seq * 10 * count + row
            power.append(Sample(self.device.device_id, *bracket, (200_000, joules), (None,) * 2, (Quality.OK,) * 2, ("",) * 2, seq=seq))
            if row % 10 == 0:
                counts = tuple(rate * ((utc - self.epoch_ns) // S) for rate in PER_S.values())
                reading = Sample(self.engine.device_id, *bracket, counts, (None,) * 3, (Quality.OK,) * 3, ("",) * 3, seq=seq // 10)
                engine.append(reading)
        return convert.freeze(
            Batch(
                self.epoch_ns,
                batch_seq,
                self.boot_id,
                begin_ns + count * S,
                ClockState(offset_known=True, probe_count=8),
                {self.device.device_id: tuple(power), self.engine.device_id: tuple(engine)},
                devices=(self.device, self.engine),
                overhead=Overhead(batch_seq * S // 100, 40_000_000, 0, (MeterCost("fake", 10 * batch_seq, 0, batch_seq * S // 50),)),
            )
        )


def agent(name: str, epoch_ns: int, boot_id: str, *, model: str = "m") -> ServingAgent:
    one = ServingAgent(name, epoch_ns, boot_id)
    one.model = model
    return one
