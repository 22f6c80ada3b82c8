"""What a serving engine counts of its work, read from its Prometheus page: tokens and requests of each model, beside the meters.

The counters travel as readings do, so that none is lost uncounted: a service without a benchmark gets joules per token over any
window. What each engine calls them is data (`serving_engines.toml`). A model is a device. A counter that began anew, or of which a part
came or went, is marked as reset: nothing is joined across. Where the page says when its process was started, that is kept as its uptime.

Source: Prometheus exposition formats, text format 0.0.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters import page_access
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.descriptions import id_part
from joulemark.meters.http import HttpSession, Trust
from joulemark.meters.prometheus_page import parse_page
from joulemark.meters.serving_engines import Engine, engines
from joulemark.meters.serving_page import NAMES, Labels, Shown, Verdict, names_on, recognised, shown
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_MS, NS_PER_S, scaled

AUTO: Final = "auto"
ACCEPT: Final = "text/plain;version=0.0.4"
AGAIN: Final = "it is opened again, and described anew; nothing is to be done"
SAME_START_S: Final = 1.0
"""Two times of one start may differ so much: the client library computes it from the age of the machine."""

ENERGY: Final = "energy"
ENERGY_EXPONENT: Final = -6
LARGEST_J: Final = 1e12


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """`[[meter]] kind = "serving"`: the page of one server."""

    url: str
    """Address of the page, for example http://127.0.0.1:8000/metrics."""
    engine: str = AUTO
    """Which engine it is: vllm, sglang, tgi, trtllm, triton_trtllm or dynamo; auto recognises it by the names on the page."""
    name: str = ""
    """What the server is called in the ids of its meters; its address unless set."""
    model: str = "unnamed"
    """Name of the model where the page names none, as that of tgi does not."""
    tool_energy: bool = True
    """Whether the energy that the engine itself tells is kept beside ours, where it tells one (trtllm)."""
    deadline_s: float = 2.0
    """Longest time in seconds that a read may take."""
    insecure: bool = False
    """Whether the password or token may go over http to another machine: whoever listens there can read it."""
    user: str = ""
    """Account for HTTP basic authentication; empty for none."""
    password_file: Path | None = None
    """File that holds the password of the account, readable by the agent only."""
    token_file: Path | None = None
    """File that holds a bearer token, readable by the agent only."""
    ca_file: Path | None = None
    """Certificate of the authority that signed the server's certificate, in PEM, for https."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex, for https without an authority."""

    def __post_init__(self) -> None:
        at_least("serving.deadline_s", self.deadline_s, 0.1)
        page_access.check("serving", self)
        if self.engine not in (AUTO, *engines()):
            raise ConfigError(f"serving.engine {self.engine!r} is not known", f"use one of {', '.join((AUTO, *engines()))}")
        if not self.model or not self.model.isprintable() or not self.name.isprintable():
            raise ConfigError("serving.model is empty, or it or serving.name cannot be printed", "name the model")


@dataclass(slots=True)
class Memory:
    """What the page showed last: rows of each count, when its process began, and by which engine."""

    rows: dict[tuple[str, Quantity], dict[Labels, int]] = field(default_factory=dict)
    started_s: float | None = None
    engine: str = ""

    def broken(self, found: Shown) -> dict[tuple[str, Quantity], str]:
        """The counts whose growth since the last look is not known, with the reason; remembers `found`.

        A row that is new began at 0 in a process that was there before, and only there.
        """
        before, self.started_s = self.started_s, found.started_s if found.started_s is not None else self.started_s
        exchanged, self.engine = self.engine not in ("", found.engine.name), found.engine.name
        known = before is not None and found.started_s is not None
        restarted = known and abs((found.started_s or 0.0) - (before or 0.0)) > SAME_START_S
        reasons = {}
        for model, counts in found.models.items():
            for quantity, count in counts.items():
                key = (model, quantity)
                if count.reason or not quantity.cumulative:
                    continue
                last, self.rows[key] = self.rows.get(key), dict(count.rows)
                if last is None:
                    continue
                if exchanged:
                    reasons[key] = "another engine counts"
                elif restarted:
                    reasons[key] = "the server was started anew"
                elif any(labels not in count.rows for labels in last):
                    reasons[key] = "a part of the count is no longer on the page"
                elif any(count.rows[labels] < value for labels, value in last.items()):
                    reasons[key] = "the count, or a part of it, fell: it began anew"
                elif len(count.rows) > len(last) and not known:
                    reasons[key] = "a part of the count is new, and what it was before is not known"
        return reasons


class ServingMeter(AsyncMeter):
    """The models on one page."""

    kind: ClassVar[str] = "serving"

    def __init__(self, config: ServingConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s, open_deadline_s=3 * config.deadline_s)
        self._config, self._host = config, host
        url = urlsplit(config.url)
        self._path = f"{url.path or '/metrics'}{'?' + url.query if url.query else ''}"
        self._session = HttpSession(f"{url.scheme}://{url.netloc}", config.deadline_s, Trust(config.ca_file, config.fingerprint))
        self._place = config.name or url.netloc
        self._server = server_of(url, config.name, host=host)
        self._headers: dict[str, str] = {}
        self._channels: dict[str, tuple[Quantity, ...]] = {}
        self._memory = Memory()
        self._tells_energy = False
        self._engine = ""

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Read the page, recognise the engine, and name its models."""
        self._headers = page_access.credentials(self.kind, self._config)
        await self._session.open()
        try:
            found = await self._look()
        except MeterTransient as error:
            step = error.next_step or f"check url and engine, and try: curl -sS '{self._config.url}'"
            raise MeterUnavailable(error.what, step) from error
        self._tells_energy = (
            bool(found.engine.energy_path) and self._config.tool_energy and (await self._energy(found.engine))[0] is not None
        )
        self._channels = {model: channels for model, channels in self._channels.items() if model in found.models}
        self._memory.rows = {key: rows for key, rows in self._memory.rows.items() if key[0] in found.models}
        self._engine = found.engine.name
        self._know(found)
        energy = (self._energy_device(found.engine),) if self._tells_energy else ()
        return (*(self._described(model, found) for model in self._channels), *energy)

    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample per model. Raises MeterGone when the page shows a model or a count that is not described: opened again, it is."""
        shift_ns, t_read0_ns = utc_minus_mono_ns(clock), clock.mono_ns()
        found = await self._look()
        t_read1_ns = clock.mono_ns()
        if self._know(found):
            raise MeterGone(f"{self._config.url} shows an engine, a model or a count that it did not show before", AGAIN)
        bracket = (t_read0_ns, t_read1_ns, shift_ns)
        broken = self._memory.broken(found)
        samples = [self._sample(device, found, broken, bracket) for device in self.info if not is_energy(device)]
        if self._tells_energy:
            t0_ns = clock.mono_ns()
            verdict = await self._energy(found.engine)
            samples.append(sample_of(self.info[-1].device_id, (t0_ns, clock.mono_ns(), shift_ns), [verdict]))
        return samples

    async def disconnect(self) -> None:
        await self._session.close()

    async def _look(self) -> Shown:
        """What the page shows. Raises MeterTransient, also for a page on which no engine or no model is known."""
        url = self._config.url
        answer = await self._session.ask(self._path, headers={"Accept": ACCEPT, **self._headers})
        if answer.status != 200:
            raise page_access.refusal(self._config, answer)
        try:
            rows = parse_page(answer.body, answer.headers.get("content-type", ""), NAMES)
        except MeterTransient as error:
            raise MeterTransient(f"{url}: {error.what}", error.next_step) from error
        known = recognised(rows)
        if self._config.engine != AUTO:
            known = [engine for engine in known if engine.name == self._config.engine]
        if not known:
            wanted = "an engine that is known" if self._config.engine == AUTO else self._config.engine
            what = f"{url} has no tokens counted by {wanted}; it has {names_on(answer.body.decode(errors='replace'))}"
            raise MeterTransient(what, "send the server a request, since some count from the first on; or check url and engine")
        if len(known) > 1:
            names = " and ".join(engine.name for engine in known)
            raise MeterTransient(f"{url} has the counters of {names}, which may count the same tokens", "say which by the key engine")
        found = shown(known[0], rows, unnamed=self._config.model)
        if not found.models:
            raise MeterTransient(f"{url} has the counters of {known[0].name}, and no model", "send the server a request")
        return found

    async def _energy(self, engine: Engine) -> Verdict:
        """The energy that the engine tells of itself."""
        try:
            answer = await self._session.ask(engine.energy_path, headers=self._headers)
            told = answer.json().get("total_energy_j") if answer.status == 200 else None
        except (MeterTransient, AttributeError) as error:
            return None, Quality.GAP, f"{engine.energy_path}: {error}"
        if not isinstance(told, int | float) or isinstance(told, bool) or not 0 <= told < LARGEST_J:
            return None, Quality.GAP, f"{engine.energy_path} answers with status {answer.status} and no energy"
        return scaled(told, ENERGY_EXPONENT), Quality.OK, ""

    def _know(self, found: Shown) -> bool:
        """Whether the page shows what was not described; it is from the next opening on. What went away stays described until then."""
        more = found.engine.name != self._engine
        for model, counts in found.models.items():
            before = self._channels.get(model, ())
            uptime = (Quantity.UPTIME,) if found.started_s is not None else ()
            new = tuple(quantity for quantity in (*counts, *uptime) if quantity not in before)
            self._channels[model] = (*before, *new)
            more = more or bool(new)
        return more

    def _sample(self, device: DeviceInfo, found: Shown, broken: dict[tuple[str, Quantity], str], bracket: tuple[int, int, int]) -> Sample:
        """What the page says of one model."""
        model = device.meters[0].model
        return sample_of(
            device.device_id, bracket, [self._verdict(model, meter.quantity, found, broken, bracket) for meter in device.meters]
        )

    def _verdict(
        self, model: str, quantity: Quantity, found: Shown, broken: dict[tuple[str, Quantity], str], bracket: tuple[int, int, int]
    ) -> Verdict:
        if quantity is Quantity.UPTIME:
            return age(found.started_s, (bracket[0] + bracket[1]) // 2 + bracket[2])
        count = found.models.get(model, {}).get(quantity)
        if count is None:
            return None, Quality.GAP, f"{self._config.url} no longer shows {quantity} of this model"
        value, quality, reason = count.verdict
        if quality is Quality.OK and (why := broken.get((model, quantity))):
            return value, Quality.RESET, why
        return value, quality, reason

    def _described(self, model: str, found: Shown) -> DeviceInfo:
        device_id = f"{self.kind}:{self._host}:{id_part(self._place)}-{id_part(model)}"
        counts = found.models[model]
        names = {quantity: counts[quantity].counter.name for quantity in counts}
        meters = [self._meter(device_id, model, quantity, found.engine, names.get(quantity, "")) for quantity in self._channels[model]]
        return DeviceInfo(device_id, tuple(meters))

    def _meter(self, device_id: str, model: str, quantity: Quantity, engine: Engine, name: str) -> MeterInfo:
        exponent = {Quantity.UPTIME: -3, Quantity.REPORTED_ENERGY: ENERGY_EXPONENT}.get(quantity, 0)
        return MeterInfo(
            meter_id=f"{device_id}:{quantity}",
            kind=self.kind,
            quantity=quantity,
            exponent=exponent,
            boundary=Boundary.SERVER_INPUT,
            vendor=engine.name,
            model=model,
            serial=device_id.rsplit(":", 1)[1],
            covers=(f"{self._server}/{model}",),
            interface="Prometheus text" if quantity is not Quantity.REPORTED_ENERGY else "HTTP",
            note=f"{engine.about}; {name}" if name else engine.about,
        )

    def _energy_device(self, engine: Engine) -> DeviceInfo:
        device_id = f"{self.kind}:{self._host}:{id_part(self._place)}-{ENERGY}"
        return DeviceInfo(device_id, (self._meter(device_id, "", Quantity.REPORTED_ENERGY, engine, f"as {engine.energy_path} tells"),))


def is_energy(device: DeviceInfo) -> bool:
    """Whether it is the energy that the engine tells of itself."""
    return device.meters[0].quantity is Quantity.REPORTED_ENERGY


def server_of(url: SplitResult, name: str, *, host: str) -> str:
    """What a server is called wherever it is read from, so that two readings of it are known as one: its name, else host and port.

    `host`: of the agent, for the addresses that every host has for itself.
    """
    own = url.hostname in ("localhost", "127.0.0.1", "::1", host.lower())
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{host.lower()}:{name or port}" if own else name or f"{url.hostname}:{port}"


def sample_of(device_id: str, bracket: tuple[int, int, int], verdicts: list[Verdict]) -> Sample:
    """A sample of `verdicts`; `bracket`: read bracket, and UTC minus monotonic time."""
    values, qualities, reasons = zip(*verdicts, strict=True)
    return Sample(device_id, *bracket, values, (None,) * len(verdicts), qualities, reasons)


def age(started_s: float | None, utc_ns: int) -> Verdict:
    """How long the process has run at `utc_ns`, in ms."""
    if started_s is None:
        return None, Quality.GAP, "the page no longer says when its process was started"
    value = (utc_ns - round(started_s * NS_PER_S)) // NS_PER_MS
    if value < 0:
        return None, Quality.SENTINEL, f"the page says that its process starts {-value} ms from now: one of the clocks is wrong"
    return value, Quality.OK, ""


DRIVER: Final = Driver("serving", ServingConfig, lambda config, host: ServingMeter(config, host=host))
"""Never discovered: a page needs an address."""
