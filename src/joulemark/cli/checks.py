"""The checks of `joulemark doctor`: each looks at one thing of this machine and says how to mend it.

A check raises nothing for what it looks at: what it finds is its answer. `fail` is for what will not work, `warn` for what will
work worse than it could, or is not there and not asked for.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import grpc

from joulemark import tls
from joulemark.addresses import is_loopback
from joulemark.agent.dial import channel
from joulemark.agent.homes import home_of
from joulemark.agent.spool_homes import waiting
from joulemark.agent.wiring import divided, full_cords, wired
from joulemark.cli import handshake
from joulemark.cli.findings import Finding, Status, fail, ok, warn
from joulemark.config import Config, MeterTable, TlsConfig
from joulemark.discipline import Discipline, KernelClock, chrony, kernel_clock
from joulemark.errors import ConfigError, JoulemarkError
from joulemark.meters import registry
from joulemark.pricing import kept
from joulemark.timebase import Clock
from joulemark.units import NS_PER_MS, NS_PER_S

OLDEST_PYTHON: Final = (3, 11)
SQLITE_SAFE: Final = (3, 51, 3)
ANSWER_S: Final = 2.0
PRICE_AGE_DAYS: Final = 30
ROOM_BYTES: Final = 1024**3
FULL_BYTES: Final = 64 * 1024 * 1024
"""What the alert JoulemarkDiskFull begins at."""
"""Disk space that the collector should find besides the spool's own bound."""

LOCAL_KINDS: Final = ("nvml", "rapl")
"""Kinds that need no configuration, and are looked for on every machine."""

ADDRESSES: Final = ("host", "url", "resource", "topic", "preset", "file")
"""Keys of a `[[meter]]` table that tell one meter of a kind from another, for the name of its line."""


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """The interpreter is new enough."""
    text = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return fail("python", f"{text} is older than 3.11", "apt-get install python3.11 python3.11-venv")
    return ok("python", text)


def sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Finding:
    """SQLite has no WAL-reset bug: versions before 3.51.3 can corrupt a database that several connections checkpoint."""
    text = ".".join(map(str, version))
    if version < SQLITE_SAFE:
        return warn(
            "sqlite",
            f"{text} has the WAL-reset bug, from which Joulemark is safe while it alone writes its databases",
            "let no other program write them; gone with a Python built with SQLite 3.51.3 or newer",
        )
    return ok("sqlite", text)


def local_meter(kind: str, config: Config, options: dict[str, Any] | None = None) -> Finding:
    """A kind that needs no configuration answers: a warning when it does not, since nobody asked for it."""
    found = meter(MeterTable(kind, options or {}), config)
    return warn(found.name, found.detail, found.mend) if found.status is Status.FAIL else found


def meter(table: MeterTable, config: Config) -> Finding:
    """The meter of `table` opens: its library loads, its files may be read, its BMC takes the login."""
    where = next((value for key in ADDRESSES if (value := table.options.get(key))), "")
    name = f"meter {table.kind} {where}".rstrip()
    try:
        mine, own = divided(table)
        device = registry.driver(table.kind).build(own, host=config.agent.agent_id)
    except JoulemarkError as error:
        return fail(name, error.what, error.next_step)
    try:
        device.open()
        host = config.agent.agent_id
        found = wired(device.info, mine, source=table.kind, host=host, cords=full_cords(config.agent.cords, host))
        return ok(name, f"{len(found)} devices: {', '.join(sorted({m.model or m.meter_id for d in found for m in d.meters}))}")
    except JoulemarkError as error:
        return fail(name, error.what, error.next_step)
    finally:
        device.close()


def configuration(load: Callable[[], Config]) -> tuple[Finding, Config]:
    """The configuration file is valid; when it is not, the other checks look at the defaults."""
    try:
        config = load()
    except JoulemarkError as error:
        return fail("configuration", error.what, error.next_step), Config()
    return ok("configuration", str(config.path or "built-in defaults")), config


def directory(path: Path) -> Finding:
    """The data directory can be written, or created, and its disk has room: a collector stores nothing where it is full."""
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        command = f"sudo install -d -o {shlex.quote(str(os.geteuid()))} {shlex.quote(str(path))}"
        return fail("data directory", f"{nearest} cannot be written by this user", command)
    if (free := shutil.disk_usage(nearest).free) < FULL_BYTES:
        mend = f"free space on that disk: du -sh {shlex.quote(str(nearest))}/*"
        return fail("data directory", f"{free / 1024**2:.0f} MiB are free at {nearest}: a collector soon stores nothing", mend)
    return ok("data directory", str(path) if nearest == path else f"{path} will be created")


def disk(path: Path, wanted_bytes: int, free_bytes: int | None = None) -> Finding:
    """The disk of `path` holds the whole spool, and a gibibyte besides."""
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free if free_bytes is None else free_bytes
    detail = f"{free / 1024**3:.1f} GiB free at {nearest}"
    if free < wanted_bytes:
        return fail("disk", f"{detail}, the spool may grow to {wanted_bytes / 1024**3:.1f} GiB", "free space, or lower spool.max_bytes")
    if free < wanted_bytes + ROOM_BYTES:
        return warn("disk", f"{detail}, little more than the spool may need", "free space, or lower spool.max_bytes")
    return ok("disk", detail)


def certificates(config: Config) -> Finding:
    """The files of `[tls]` can be read, belong together, suffice for the address of the collector, and nobody else reads the key."""
    named = [file for file in (config.tls.ca_file, config.tls.cert_file, config.tls.key_file) if file is not None]
    try:
        for address in config.agent.addresses:
            channel(address, config.tls, tls.read(config.tls)).close()
    except JoulemarkError as error:
        return fail("certificates", error.what, error.next_step)
    return ok("certificates", f"{len(named)} files" if named else "none named: loopback addresses only")


def collectors(config: Config) -> Iterator[Finding]:
    """The collector at each address, and what waits in the spool for one that is no longer among them."""
    own = own_of(config)
    for address in config.agent.addresses:
        found = collector(replace(config, agent=replace(config.agent, collector=address, collectors=())))
        is_home = len(config.agent.addresses) > 1 and address == own
        yield replace(found, detail=f"{found.detail}; the home of this host") if is_home else found
    yield from left_behind(config)


def collector(config: Config) -> Finding:
    """A gRPC server answers at the collector's address, and both sides accept each other's certificates."""
    address, encrypted = config.agent.collector, config.tls.ca_file is not None
    if handshake.shows_own_certificate(address, config.tls):
        return ok("collector", f"{address} is this host's own")
    why = handshake.refusal(address, config.tls) if encrypted else None
    if why is None and (encrypted or grpc_answers(address)):
        return ok("collector", f"{address} answers")
    detail = f"{address}: {why}" if why else f"nothing answers gRPC at {address}"
    if loopback(address) and not (encrypted and handshake.listens(address)):
        return warn("collector", detail, "joulemark collector run")
    return fail("collector", detail, f"start it there, or correct agent.collector; try: nc -vz {address.replace(':', ' ')}")


def left_behind(config: Config) -> Iterator[Finding]:
    """How many batches wait in the spool, and a warning for each collector of theirs that is no longer configured."""
    if not config.spool.path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(config.spool.path))}?mode=ro", uri=True)) as db:
            found = waiting(db)
    except sqlite3.Error:  # of an older version, or damaged: the agent mends it when it starts
        return
    yield ok("spool", f"{sum(count for count, _ in found.values())} batches wait to be delivered")
    for home, (count, _) in found.items():
        if home not in config.agent.addresses:
            what = f"{count} batches of earlier starts wait for {home}, which is not among the configured collectors"
            yield warn(
                "spool", what, f"bring it back until they are delivered; gone for ever: joulemark agent rehome {home} {own_of(config)}"
            )


def own_of(config: Config) -> str:
    """The home of this host."""
    return home_of(config.agent.agent_id, config.agent.addresses)


def ports(config: Config) -> Iterator[Finding]:
    """Each port of the collector is free, or a collector holds it."""
    from joulemark.collector.listen import grpc_addresses

    try:
        for address in grpc_addresses(config):
            yield port("collector.grpc_listen", address, lambda one: ours(one, config.tls, grpc_answers))
    except ConfigError as error:
        yield fail("ports of agents", error.what, error.next_step)
    yield port("collector.rest_listen", config.collector.rest_listen, lambda address: ours(address, config.tls, http_answers))


def ours(address: str, settings: TlsConfig, answers: Callable[[str], bool]) -> bool:
    """Whether a collector of this configuration listens: it shows the configured certificate, or answers in plaintext."""
    return handshake.shows_own_certificate(address, settings) or answers(address)


def port(key: str, address: str, ours: Callable[[str], bool]) -> Finding:
    """The address of `key` can be listened on, or is already answered in our way."""
    name = f"port {address}"
    host, _, number = address.rpartition(":")
    try:
        with socket.create_server((host.strip("[]"), int(number)), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return ok(name, "free")
    except (OSError, ValueError, OverflowError) as error:
        if ours(address):
            return ok(name, "a collector listens here")
        return fail(name, f"cannot listen: {error}", f"ss -ltnp 'sport = :{number}' names the program that does; or change {key}")


def grpc_answers(address: str) -> bool:
    """Whether a gRPC server at `address` answers in plaintext within two seconds."""
    try:
        with grpc.insecure_channel(address) as connection:
            grpc.channel_ready_future(connection).result(timeout=ANSWER_S)
    except grpc.FutureTimeoutError:
        return False
    return True


def http_answers(address: str) -> bool:
    """Whether `/healthz` of `address` answers within two seconds."""
    try:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def loopback(address: str) -> bool:
    """Whether `address` names this machine only."""
    return is_loopback(address.rpartition(":")[0].strip("[]"))


def prices(config: Config, clock: Clock) -> Finding:
    """Prices are known, and the newest was read within the last month."""
    try:
        path = kept.place(config)
        if not kept.exists(config):
            return warn("prices", f"none known: {path} does not exist, so cards carry no cost", "joulemark price import FILE")
        with kept.opened(config, clock) as store:
            known = store.totals()
    except JoulemarkError as error:
        return fail("prices", error.what, error.next_step)
    if known.newest_ns is None:
        return warn("prices", f"{path} holds no price", "joulemark price import FILE")
    age_days = (clock.utc_ns() - known.newest_ns) / (86_400 * NS_PER_S)
    detail = f"{known.prices} prices, the newest read {age_days:.0f} days ago"
    return warn("prices", detail, "joulemark price import FILE") if age_days > PRICE_AGE_DAYS else ok("prices", detail)


def clock() -> Finding:
    """The host's clock is synchronised: what the alignment of phases and readings stands on."""
    try:
        return synchronised(kernel_clock(), chrony())
    except OSError as error:
        return warn("clock", f"cannot be judged: {error}", "run doctor on the host itself, outside the container")


def synchronised(kernel: KernelClock, discipline: Discipline) -> Finding:
    """What the kernel and the time daemon say: the word of either is enough."""
    if discipline.name:
        return ok("clock", f"kept by {discipline.name}, within {discipline.bound_ns / NS_PER_MS:.3f} ms")
    if kernel.synchronized:
        return ok("clock", f"synchronised, within {kernel.max_error_ns / NS_PER_MS:.3f} ms as the kernel says")
    return warn(
        "clock",
        "not synchronised: readings of several machines cannot be aligned",
        "apt-get install chrony && systemctl enable --now chrony",
    )
