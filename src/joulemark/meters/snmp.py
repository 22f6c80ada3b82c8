"""Power and energy of the outlets and inlets of a rack PDU, asked by SNMP v2c or v3.

What each family of PDUs serves stands as data in `snmp_families`; `snmp_discovery` finds out what this one measures. Every outlet and
every inlet is a device of its own: it is asked for whole in one message, whose send and answer are its bracket, and its failure is
its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from joulemark.addresses import refuse_place
from joulemark.config import at_least, read_secret
from joulemark.errors import ConfigError, MeterTransient, MeterUnavailable
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.snmp_discovery import Row, Wanted, rows_of
from joulemark.meters.snmp_families import Answer, FamilyName, judged
from joulemark.meters.snmp_session import (
    MESSAGE_OIDS,
    Auth,
    Community,
    SnmpErrorStatus,
    SnmpRefused,
    SnmpSession,
    SnmpSilent,
    SnmpTooBig,
    User,
)
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns

SHORTEST_KEY: Final = 8
"""Characters of a password of v3 at least (RFC 3414, section 11.2)."""

OUTLET: Final = re.compile(r"[0-9]+(\.[0-9]+)*")

LARGEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class SnmpConfig:
    """`[[meter]] kind = "snmp"`: one rack PDU, read by v2c with a community or by v3 with a user."""

    host: str
    """Name or address of the PDU."""
    port: int = 161
    """UDP port of its SNMP agent."""
    community_file: Path | None = None
    """File that holds the read community of v2c; without it, v3 is spoken."""
    user: str = ""
    """Name of the user of v3."""
    auth: Auth = Auth.SHA
    """How messages of v3 are signed: SHA or SHA256."""
    auth_file: Path | None = None
    """File that holds the authentication password of v3."""
    priv_file: Path | None = None
    """File that holds the privacy password of v3 (AES); without it, messages are signed and not encrypted."""
    family: FamilyName | None = None
    """What the PDU serves: apc, pdu2, sentry4 or energy-object; found out at open unless set."""
    outlets: tuple[str, ...] = ()
    """Outlets to read, by their numbers or by their whole indices such as "1.1.7"; all that are metered unless set."""
    inlet: bool = True
    """Whether the inlets are read too."""
    deadline_s: float = 3.0
    """Longest time in seconds that a read may take."""

    def __post_init__(self) -> None:
        at_least("snmp.port", self.port, 1)
        at_least("snmp.deadline_s", self.deadline_s, 0.1)
        if self.port > LARGEST_PORT:
            raise ConfigError(f"snmp.port = {self.port} is above {LARGEST_PORT}", "set the UDP port of the agent, usually 161")
        refuse_place("snmp", self.host, self.port)
        for outlet in self.outlets:
            if not OUTLET.fullmatch(outlet):
                raise ConfigError(f"snmp.outlets holds {outlet!r}, which is no outlet", 'write its number or index: "3" or "1.1.7"')
        if bool(self.community_file) == bool(self.user):
            raise ConfigError("snmp wants either community_file (v2c) or user (v3)", "set one of them")
        if self.user and self.auth_file is None:
            raise ConfigError("snmp.user is set without auth_file", "set auth_file to the file with its authentication password")

    def wanted(self) -> Wanted:
        """What to read of the PDU."""
        return Wanted(self.family, self.outlets, self.inlet)

    def asker(self) -> Community | User:
        """The credentials in the files. Raises ConfigError for one that cannot be read or cannot be right."""
        if self.community_file is not None:
            return Community(secret(self.community_file, "community_file", 1))
        assert self.auth_file is not None  # __post_init__
        private = secret(self.priv_file, "priv_file", SHORTEST_KEY) if self.priv_file else ""
        return User(self.user, self.auth, secret(self.auth_file, "auth_file", SHORTEST_KEY), private)


def secret(path: Path, key: str, shortest: int) -> str:
    """The text of a secret file. Raises ConfigError when it cannot be read or is shorter than `shortest`."""
    value = read_secret(path, f"snmp {key}")
    if len(value) < shortest:
        raise ConfigError(f"snmp {key}: {path} holds less than {shortest} characters", "write the password into it as set on the PDU")
    return value


@dataclass(frozen=True, slots=True)
class Answered:
    """What a row's objects came to between `t0_ns` and `t1_ns`; `failure` says why there are no answers."""

    t0_ns: int
    t1_ns: int
    answers: Mapping[str, Answer] = field(default_factory=dict)
    failure: str = ""


class SnmpMeter(AsyncMeter):
    """The outlets and inlets of one PDU."""

    kind: ClassVar[str] = "snmp"

    def __init__(self, config: SnmpConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s)
        self._config = config
        self._host = host
        self._session: SnmpSession | None = None
        self._rows: tuple[Row, ...] = ()
        self._message_oids = MESSAGE_OIDS
        self._answered = False

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Find out what the PDU serves, take one reading of it, and describe it. Raises MeterUnavailable and ConfigError."""
        config = self._config
        self._session = SnmpSession(config.host, config.port, config.asker(), timeout_s=0.3 * config.deadline_s)
        try:
            self._rows = await rows_of(self._session, config.wanted(), host=self._host)
        except SnmpSilent as error:
            raise MeterUnavailable(error.what, silence_means(config)) from error
        except SnmpRefused as error:
            raise MeterUnavailable(error.what, f"correct user, auth, {config.auth_file} or {config.priv_file or 'priv_file'}") from error
        self._answered = True
        return tuple(row.device for row in self._rows)

    async def poll(self, clock: Clock) -> list[Sample]:
        assert self._session is not None  # connect
        if self._config.user and not self._answered:
            await self._session.close()  # v3: an agent that restarted may have another engine id, boots and time
        self._answered = False
        shift_ns = utc_minus_mono_ns(clock)
        read: list[Answered] = []
        for batch in batches(self._rows, self._message_oids):
            try:
                read += await self._asked(batch, clock.mono_ns)
            except MeterTransient as error:
                if not read:
                    raise
                now_ns = clock.mono_ns()
                read += [Answered(now_ns, now_ns, failure=error.what)] * (len(self._rows) - len(read))
                break
        else:
            self._answered = True
        return [sample(row, answered, shift_ns) for row, answered in zip(self._rows, read, strict=True)]

    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session, self._rows = None, ()

    async def _asked(self, rows: tuple[Row, ...], now: Callable[[], int]) -> list[Answered]:
        """The answers for `rows`, in order; a message that the agent refuses is asked for in halves, down to one row."""
        assert self._session is not None  # connect
        oids = tuple(oid for row in rows for oid in row.oids)
        t0_ns = now()
        try:
            answers = await self._session.get(oids)
        except SnmpErrorStatus as error:
            if len(rows) == 1:
                return [Answered(t0_ns, now(), failure=error.what)]
            if isinstance(error, SnmpTooBig):
                self._message_oids = len(oids) // 2
            half = len(rows) // 2
            return await self._asked(rows[:half], now) + await self._asked(rows[half:], now)
        return [Answered(t0_ns, now(), answers)] * len(rows)


def silence_means(config: SnmpConfig) -> str:
    """What to check when an agent says nothing."""
    if config.community_file:
        return f"check host, port and that v2c is on; a PDU is silent to a wrong community too: check {config.community_file}"
    private = f"; it is silent to a wrong privacy password too: check {config.priv_file}" if config.priv_file else ""
    return f"check host, port and that v3 is on{private}"


def batches(rows: tuple[Row, ...], most_oids: int) -> Iterator[tuple[Row, ...]]:
    """Rows in order, as many in one message as have `most_oids` objects together; a row is never torn."""
    batch: list[Row] = []
    count = 0
    for row in rows:
        if batch and count + len(row.oids) > most_oids:
            yield tuple(batch)
            batch, count = [], 0
        batch.append(row)
        count += len(row.oids)
    if batch:
        yield tuple(batch)


def sample(row: Row, read: Answered, shift_ns: int) -> Sample:
    """One reading of a row. The PDU's time of a value counts whole seconds, so it is kept and the bracket dates the value."""
    if read.failure:
        return Sample.gap(row.device, read.t0_ns, read.t1_ns, shift_ns, read.failure)
    found = [judged(channel, row.name, read.answers) for channel in row.channels]
    return Sample(
        row.device.device_id,
        read.t0_ns,
        read.t1_ns,
        shift_ns,
        tuple(None if one.number is None else one.number * factor for one, factor in zip(found, row.factors, strict=True)),
        tuple(one.t_device_ns for one in found),
        tuple(one.quality for one in found),
        tuple(one.reason for one in found),
    )


DRIVER: Final = Driver("snmp", SnmpConfig, lambda config, host: SnmpMeter(config, host=host))
"""Never discovered: a PDU needs an address and a community or user."""
