"""A collector's REST interface from Python: `joulemark.Client`. Standard library only, but for series and frames.

A mark must never stop a benchmark: one that cannot be delivered is kept in a file and delivered later.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from joulemark import config, kept_marks, timebase
from joulemark.addresses import is_loopback
from joulemark.config import Config
from joulemark.counts import Counts
from joulemark.errors import AccessDenied, ConfigError, InsufficientData, JoulemarkError, RemoteUnreachable, UsageError
from joulemark.readings import MeterInfo
from joulemark.runs import IdleKind, PhaseKind, Run, new_run_id
from joulemark.timebase import Clock, SystemClock

if TYPE_CHECKING:
    import pandas

    from joulemark.energy.series import Series
    from joulemark.notebook.card import Card

URL_VARIABLE: Final = "JOULEMARK_URL"
RUN_VARIABLE: Final = "JOULEMARK_RUN_ID"
TOKEN_VARIABLE: Final = "JOULEMARK_TOKEN_FILE"
TIMEOUT_S: Final = 10.0
RECORD_TIMEOUT_S: Final = 60.0
"""For what may have megabytes or is computed anew: readings, alignments, bundles."""
UPLOAD_TIMEOUT_S: Final = 300.0
"""For an archive that is handed in."""
MAX_ROWS: Final = 1_000_000
"""Readings in one answer of the collector."""
MARK_TIMEOUT_S: Final = 3.0
"""A benchmark waits no longer than this for a collector that is silent."""
SETTLE_S: Final = 20.0
"""Readings of the end of a run are waited for no longer than this."""
POLL_S: Final = 0.3


class Client:
    """A collector's REST API: runs and their marks."""

    def __init__(self, url: str | None = None, *, clock: Clock | None = None, token_file: Path | None = None) -> None:
        """`url`: of the collector's pages, default `$JOULEMARK_URL`, else `client.url` of the configuration, else this machine.

        The token to show there lies in `token_file`, else in the file `$JOULEMARK_TOKEN_FILE`, else `client.token_file`. Raises
        ConfigError, also when that token would travel in plaintext beyond this machine.
        """
        settings = config.load()
        self.url = (url or os.environ.get(URL_VARIABLE) or settings.client.url).rstrip("/")
        self._token_file = token_file or os.environ.get(TOKEN_VARIABLE) or settings.client.token_file
        self._clock = clock or SystemClock()
        parts = urllib.parse.urlsplit(self.url)
        local = is_loopback(parts.hostname or "")
        if self._token_file and parts.scheme != "https" and not local and not settings.tls.insecure:
            raise ConfigError(f"a token would travel to {self.url} in plaintext", "use https://, or set tls.insecure = true")
        self._opener = opener(settings, local=local, encrypted=parts.scheme == "https")

    def moment(self) -> dict[str, Any]:
        """Now, by both clocks of this host."""
        return {"utc_ns": self._clock.utc_ns(), "mono_ns": self._clock.mono_ns(), "boot_id": timebase.boot_id()}

    def start(self, *, benchmark: str = "", labels: Mapping[str, str] | None = None) -> str:
        """Start a run and return its id. Raises RemoteUnreachable."""
        body = {"run_id": new_run_id(self._clock), "benchmark": benchmark, "labels": dict(labels or {}), "moment": self.moment()}
        run_id: str = self.call("POST", "/v1/runs", body)["run_id"]
        return run_id

    def begin(self, run_id: str, name: str, kind: PhaseKind = PhaseKind.MEASURED, *, idle_kind: IdleKind | str | None = None) -> None:
        """Begin a phase now. `idle_kind`: of an idle one, whether an engine is loaded. Raises ValueError for an unknown one."""
        idle = {} if idle_kind is None else {"idle_kind": IdleKind(idle_kind)}
        self.deliver(run_id, "phases", {"name": name, "kind": kind, "edge": "begin", "moment": self.moment(), **idle})

    def end(self, run_id: str, name: str, counts: Counts | None = None) -> None:
        """End a phase now, with what it produced, or why it was aborted."""
        counts = counts or Counts()
        aborted = {"aborted": counts.aborted} if counts.aborted else {}
        self.deliver(run_id, "phases", {"name": name, "edge": "end", "moment": self.moment(), **counts.body(), **aborted})

    def benchmark(self, run_id: str, run: Run, *, source: str) -> None:
        """Hand in what `source`, a benchmark's files, tells: phases dated in UTC of this host, counts, the tool's own figures."""
        self.deliver(run_id, "benchmark", {"moment": self.moment(), "run": run.to_json(), "source": source})

    def stop(self, run_id: str, counts: Counts | None = None) -> None:
        """Stop a run now; phases still open end here."""
        self.deliver(run_id, "stop", {"moment": self.moment(), **(counts or Counts()).body()})

    def evidence(self, run_id: str, documents: Mapping[str, Any]) -> list[str]:
        """Hand in what only the client knows, by name: `workload`, `nodes`, `meter_log` and `receipts` as JSON values, `requests` as the
        text of the CSV file. One given again replaces the one before it; receipts add up. The names that were taken.
        """
        taken: list[str] = self.call("POST", f"/v1/runs/{quoted(run_id)}/evidence", documents)["documents"]
        return taken

    def chain(self, run_id: str) -> dict[str, Any]:
        """The chain of what was heard of a run so far, with `head_sha256`, for an authority that gives receipts."""
        found: dict[str, Any] = self.call("GET", f"/v1/runs/{quoted(run_id)}/chain")
        return found

    def seal(self, run_id: str) -> None:
        """Let nothing more be added to a stopped run. Raises InsufficientData while readings of its end may still arrive."""
        self.call("POST", f"/v1/runs/{quoted(run_id)}/seal")

    def energy(self, run_id: str) -> dict[str, Any]:
        """Energy of every phase. Raises InsufficientData while there is none. It is computed when it is asked for."""
        found: dict[str, Any] = self.call("GET", f"/v1/runs/{quoted(run_id)}/energy", timeout_s=RECORD_TIMEOUT_S)
        return found

    def settled_energy(self, run_id: str, *, limit_s: float = SETTLE_S) -> dict[str, Any]:
        """The energy once every agent has sent readings beyond the end of the run, or what there is when none comes for `limit_s`.

        Raises InsufficientData when there is no energy by then.
        """
        for _ in range(round(limit_s / POLL_S)):
            with suppress(InsufficientData):
                if (energy := self.energy(run_id))["settled"]:
                    return energy
            time.sleep(POLL_S)
        return self.energy(run_id)

    def runs(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest runs: `run_id`, `benchmark`, `labels`, `created_ns`, `stopped_ns` (None while it goes on)."""
        found: list[dict[str, Any]] = self.call("GET", f"/v1/runs?{urllib.parse.urlencode({'limit': limit})}")
        return found

    def runs_frame(self, limit: int = 100) -> pandas.DataFrame:
        """The newest runs as a table of pandas, see `notebook.frames.runs`. Raises EnvironmentFailed without pandas."""
        from joulemark.notebook import frames

        return frames.runs(self.runs(limit))

    def card(self, run_id: str) -> Card:
        """The energy card of a run, computed now; in a notebook it shows itself. Raises InsufficientData while there is none."""
        from joulemark.notebook.card import Card

        path = f"/v1/runs/{quoted(run_id)}/card"
        return Card(self.call("GET", path, timeout_s=RECORD_TIMEOUT_S), link=f"{self.url}{path}.html")

    def meters(self) -> list[dict[str, Any]]:
        """Every meter as its agent describes it, with `agent_id` and `device_id`."""
        found: list[dict[str, Any]] = self.call("GET", "/v1/meters")
        return found

    def readings(self, meter_ids: Sequence[str], from_ns: int, to_ns: int) -> list[dict[str, Any]]:
        """Readings of meters as columns of integers, oldest first, as many as one answer holds."""
        asked = [("meter", meter_id) for meter_id in meter_ids]
        query = urllib.parse.urlencode([*asked, ("from_ns", from_ns), ("to_ns", to_ns), ("limit", MAX_ROWS // max(1, len(meter_ids)))])
        found: list[dict[str, Any]] = self.call("GET", f"/v1/readings?{query}", timeout_s=RECORD_TIMEOUT_S)
        return found

    def series(self, meter_ids: Sequence[str], from_ns: int, to_ns: int) -> dict[str, Series]:
        """Meter id -> its readings as numpy columns, `t_ns` UTC and `si()` in W or J; as many as one answer holds. Raises as `call`,
        and UsageError for a meter that the collector does not know.
        """
        from joulemark.traces import collected

        described = {str(entry["meter_id"]): entry for entry in self.meters()}
        if strangers := [meter_id for meter_id in meter_ids if meter_id not in described]:
            raise UsageError(f"the collector knows no meter {strangers[0]!r}", "list them with Client.meters()")
        wanted = [{k: v for k, v in described[one].items() if k not in ("agent_id", "device_id")} for one in meter_ids]
        return collected.read(self.readings(meter_ids, from_ns, to_ns), [MeterInfo.from_json(one) for one in wanted]) if wanted else {}

    def frame(self, meter_ids: Sequence[str], from_ns: int, to_ns: int, *, quality: bool = False) -> pandas.DataFrame:
        """The same readings as a table of pandas: UTC down, a column for each meter, NaN where there is nothing to use, see
        `notebook.frames.readings`. Raises as `series`, and EnvironmentFailed without pandas.
        """
        from joulemark.notebook import frames

        frames.required()
        return frames.readings(self.series(meter_ids, from_ns, to_ns), quality=quality)

    def calibrations(self, sensor: str | None = None) -> list[dict[str, Any]]:
        """The newest alignments, of one meter or of all."""
        query = "" if sensor is None else f"?sensor={quoted(sensor)}"
        found: list[dict[str, Any]] = self.call("GET", f"/v1/calibrations{query}")
        return found

    def calibrate(self, files: Mapping[str, str]) -> str:
        """Hand in an alignment: path of each of its files below `energy/` of a bundle -> text. Its id."""
        alignment_id: str = self.call("POST", "/v1/calibrations", {"files": files}, timeout_s=RECORD_TIMEOUT_S)["alignment_id"]
        return alignment_id

    def deliver(self, run_id: str, what: str, body: Mapping[str, Any]) -> None:
        """Post a mark; when the collector does not take marks now, keep it in a file and warn, also when that file cannot be written.

        Raises UsageError for a mark that it will never take, such as one of a run that it does not know.
        """
        try:
            self.call("POST", mark_path(run_id, what), body, timeout_s=MARK_TIMEOUT_S)
        except (RemoteUnreachable, AccessDenied, ConfigError) as error:
            fate = f"the mark is kept; deliver it with: joulemark run resend {run_id}"
            try:
                kept_marks.keep(run_id, what, body)
            except OSError as full:
                fate = f"the mark is lost, since it cannot be kept either ({full})"
            warnings.warn(f"{error} But {fate}", RuntimeWarning, stacklevel=3)

    def resend(self, run_id: str, *, told: Callable[[int, int], None] | None = None) -> int:
        """Deliver the kept marks of a run, in their order; how many were taken. `told` hears how many of how many were tried.

        Those that are refused for good, or cannot be read, stay in the file and do not keep others from being delivered; UsageError
        names the first. Raises RemoteUnreachable and AccessDenied, and keeps all.
        """
        waiting = kept_marks.of(run_id)
        refused: list[tuple[bytes, UsageError]] = []
        for tried, line in enumerate(waiting.lines):
            if told is not None:
                told(tried, len(waiting.lines))
            try:
                what, body = kept_marks.mark_of(line)
                self.call("POST", mark_path(run_id, what), body)
            except (AccessDenied, ConfigError):
                raise
            except UsageError as error:
                refused.append((line, error))
        waiting.leave([line for line, _ in refused])
        if refused:
            _, first = refused[0]
            what_failed = (
                f"{len(refused)} of {len(waiting.lines)} kept marks of run {run_id} were not taken, the first because: {first.what}"
            )
            raise UsageError(what_failed, f"{first.next_step or 'correct it'}; they stay in {waiting.path}")
        return len(waiting.lines)

    def hand_in(self, archive: Path, media_type: str, *, level: str) -> dict[str, Any]:
        """Hand a bundle's archive in to the collector's board, below `level` to be refused; the submission. Raises as `call`, and
        UsageError for a file that cannot be read.
        """
        path = f"/v1/board/submissions?{urllib.parse.urlencode({'level': level})}"
        try:
            with archive.open("rb") as file:
                headers = {"Content-Type": media_type, "Content-Length": str(os.fstat(file.fileno()).st_size)}
                raw = self._asked("POST", path, file, headers, timeout_s=UPLOAD_TIMEOUT_S)
        except OSError as error:
            raise UsageError(f"{archive} cannot be read: {error.strerror}", "give a bundle, or an archive of one") from error
        taken: dict[str, Any] = json.loads(raw)
        return taken

    def download(self, path: str) -> bytes:
        """The bytes at `path`. Raises as `call`."""
        return self._answer("GET", path, timeout_s=RECORD_TIMEOUT_S)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """The JSON answer. Raises RemoteUnreachable when none comes, else AccessDenied, UsageError, InsufficientData as it says."""
        raw = self._answer(method, path, body, timeout_s=timeout_s)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RemoteUnreachable(f"{self.url}{path} did not answer with JSON", "check that it is a joulemark collector") from error

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        return self._asked(method, path, data, {"Content-Type": "application/json"}, timeout_s=timeout_s)

    def _asked(self, method: str, path: str, data: bytes | BinaryIO | None, headers: Mapping[str, str], *, timeout_s: float) -> bytes:
        request = urllib.request.Request(self.url + path, data, dict(headers), method=method)
        if self._token_file:
            request.add_unredirected_header("Authorization", f"Bearer {token_of(Path(self._token_file))}")
        try:
            with self._opener.open(request, timeout=timeout_s) as response:
                raw: bytes = response.read()
                return raw
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(error.code, error.read(), f"{method} {self.url}{path}") from error
        except (OSError, http.client.HTTPException) as error:
            raise silence(self.url, getattr(error, "reason", error)) from error


def opener(settings: Config, *, local: bool, encrypted: bool) -> urllib.request.OpenerDirector:
    """What opens URLs: past the proxies of the environment on this machine, which know nothing of its addresses; over TLS trusting
    `tls.ca_file` where it is given, else the system's authorities. Raises ConfigError.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})] if local else []
    if encrypted:
        try:
            context = ssl.create_default_context(cafile=settings.tls.ca_file)
        except (OSError, ValueError) as error:
            raise ConfigError(f"tls.ca_file {settings.tls.ca_file} cannot be used: {error}", "give the authority's ca.pem") from error
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def token_of(path: Path) -> str:
    """The token in a file. Raises ConfigError, which does not show it, for what no header can hold."""
    token = config.read_secret(path, "the token to show")
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError(f"{path} does not hold a token", "write there the one line that joulemark token create printed")
    return token


def silence(url: str, reason: Any) -> JoulemarkError:
    """The error for a collector at `url` that gave no answer for `reason`."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        next_step = "name the authority that signed it in tls.ca_file of the file JOULEMARK_CONFIG"
        return ConfigError(f"the certificate of {url} is not trusted: {reason.verify_message}", next_step)
    return RemoteUnreachable(f"the collector at {url} does not answer: {reason}", "start it with: joulemark collector run")


def mark_path(run_id: str, what: str) -> str:
    """Where a mark is posted."""
    return f"/v1/runs/{quoted(run_id)}/{what}"


def refusal(status: int, raw: bytes, what: str) -> JoulemarkError:
    """The error that a problem document stands for."""
    try:
        problem = json.loads(raw)
        detail, next_step = str(problem["detail"]), str(problem.get("next_step", ""))
    except (ValueError, KeyError, TypeError):
        return RemoteUnreachable(f"{what} answered {status} without a reason", "check that the address is a joulemark collector's")
    if status in (401, 403):
        return AccessDenied(detail, next_step)
    if status == 409:
        return InsufficientData(detail, next_step)
    return UsageError(detail, next_step) if status < 500 and status != 408 else RemoteUnreachable(detail, next_step)


def quoted(text: str) -> str:
    """`text` as one part of a path."""
    return urllib.parse.quote(text, safe="")
