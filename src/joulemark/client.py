"""Marks of a run from Python: `joulemark.Client` and `with joulemark.phase("decode")`. Standard library only.

A mark must never stop a benchmark: one that cannot be delivered is kept in a file and delivered later.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark import config, document, foreign, timebase
from joulemark.errors import FormatError, InsufficientData, JoulemarkError, RemoteUnreachable, UsageError
from joulemark.runs import PhaseKind, Run, new_run_id
from joulemark.timebase import Clock, SystemClock

URL_VARIABLE: Final = "JOULEMARK_URL"
RUN_VARIABLE: Final = "JOULEMARK_RUN_ID"
DEFAULT_URL: Final = f"http://127.0.0.1:{config.REST_PORT}"
TIMEOUT_S: Final = 10.0
MARKS: Final = ("phases", "benchmark", "stop")
"""What `deliver` posts."""


@dataclass
class Counts:
    """What a phase produced; set it inside the block. None where not known."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    requests: int | None = None
    requests_failed: int | None = None

    def body(self) -> dict[str, Any]:
        """The keys of the REST bodies."""
        known = {"input": self.input_tokens, "output": self.output_tokens}
        tokens = {name: value for name, value in known.items() if value is not None}
        return {
            **({"tokens": tokens} if tokens else {}),
            **({"requests": self.requests} if self.requests is not None else {}),
            **({"requests_failed": self.requests_failed} if self.requests_failed is not None else {}),
        }


class Client:
    """A collector's REST API: runs and their marks."""

    def __init__(self, url: str | None = None, *, clock: Clock | None = None) -> None:
        """`url`: of the collector's pages, default `$JOULEMARK_URL`, else this machine."""
        self.url = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
        self._clock = clock or SystemClock()
        # A proxy of the environment knows nothing of this machine's own addresses.
        local = urllib.parse.urlsplit(self.url).hostname in ("127.0.0.1", "::1", "localhost")
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))

    def moment(self) -> dict[str, Any]:
        """Now, by both clocks of this host."""
        return {"utc_ns": self._clock.utc_ns(), "mono_ns": self._clock.mono_ns(), "boot_id": timebase.boot_id()}

    def start(self, *, benchmark: str = "", labels: Mapping[str, str] | None = None) -> str:
        """Start a run and return its id. Raises RemoteUnreachable."""
        body = {"run_id": new_run_id(self._clock), "benchmark": benchmark, "labels": dict(labels or {}), "moment": self.moment()}
        run_id: str = self.call("POST", "/v1/runs", body)["run_id"]
        return run_id

    def begin(self, run_id: str, name: str, kind: PhaseKind = PhaseKind.MEASURED) -> None:
        """Begin a phase now."""
        self.deliver(run_id, "phases", {"name": name, "kind": kind, "edge": "begin", "moment": self.moment()})

    def end(self, run_id: str, name: str, counts: Counts | None = None) -> None:
        """End a phase now, with what it produced."""
        self.deliver(run_id, "phases", {"name": name, "edge": "end", "moment": self.moment(), **(counts or Counts()).body()})

    def benchmark(self, run_id: str, run: Run, *, source: str) -> None:
        """Hand in what `source`, a benchmark's files, tells: phases dated in UTC of this host, counts, the tool's own figures."""
        self.deliver(run_id, "benchmark", {"moment": self.moment(), "run": run.to_json(), "source": source})

    def stop(self, run_id: str, counts: Counts | None = None) -> None:
        """Stop a run now; phases still open end here."""
        self.deliver(run_id, "stop", {"moment": self.moment(), **(counts or Counts()).body()})

    def energy(self, run_id: str) -> dict[str, Any]:
        """Energy of every phase. Raises InsufficientData while there is none."""
        found: dict[str, Any] = self.call("GET", f"/v1/runs/{quoted(run_id)}/energy")
        return found

    def deliver(self, run_id: str, what: str, body: Mapping[str, Any]) -> None:
        """Post a mark; when the collector does not answer, keep it in a file and warn, also when that file cannot be written."""
        try:
            self.call("POST", f"/v1/runs/{quoted(run_id)}/{what}", body)
        except RemoteUnreachable as error:
            fate = f"the mark is kept; deliver it with: joulemark run resend {run_id}"
            try:
                with kept_file(run_id).open("a", encoding="utf-8") as kept:
                    kept.write(json.dumps({"what": what, "body": body}) + "\n")
            except OSError as full:
                fate = f"the mark is lost, since it cannot be kept either ({full})"
            warnings.warn(f"{error.what}: {fate}", RuntimeWarning, stacklevel=3)

    def resend(self, run_id: str) -> int:
        """Deliver the kept marks of a run, in their order; how many there were.

        Raises RemoteUnreachable, and FormatError for a damaged file: then they are kept, and none of a damaged file is sent.
        """
        path = kept_file(run_id)
        if not path.exists():
            return 0
        marks = [kept_mark(line, f"{path}:{n}") for n, line in enumerate(foreign.text(path, errors="strict").splitlines(), 1)]
        for what, body in marks:
            self.call("POST", f"/v1/runs/{quoted(run_id)}/{what}", body)
        path.unlink()
        return len(marks)

    def download(self, path: str) -> bytes:
        """The bytes at `path`. Raises as `call`."""
        return self._answer("GET", path)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer. Raises RemoteUnreachable when none comes, UsageError or InsufficientData as the collector says."""
        raw = self._answer(method, path, body)
        try:
            return json.loads(raw)
        except ValueError as error:
            raise RemoteUnreachable(f"{self.url}{path} did not answer with JSON", "check that it is a joulemark collector") from error

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                raw: bytes = response.read()
                return raw
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(error.code, error.read(), f"{method} {self.url}{path}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise RemoteUnreachable(
                f"the collector at {self.url} does not answer: {reason}", "start it with: joulemark collector run"
            ) from error


@contextmanager
def phase(name: str, kind: PhaseKind | str = PhaseKind.MEASURED, *, run_id: str | None = None, url: str | None = None) -> Iterator[Counts]:
    """Mark a phase of the run that `joulemark run -- ...` started (`$JOULEMARK_RUN_ID`), or of `run_id`.

    The meters are read at both edges. Set `input_tokens`, `output_tokens` and `requests` of the object it gives. Raises
    UsageError when there is no run; a collector that does not answer costs a warning, never the benchmark.
    """
    run = run_id or os.environ.get(RUN_VARIABLE)
    if not run:
        raise UsageError(f"phase {name!r} belongs to no run", "run the program under: joulemark run -- COMMAND, or pass run_id")
    client, counts = Client(url), Counts()
    client.begin(run, name, PhaseKind(kind))
    try:
        yield counts
    finally:
        client.end(run, name, counts)


def kept_file(run_id: str) -> Path:
    """Where marks of a run wait that could not be delivered."""
    folder = config.data_dir() / "marks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{quoted(run_id)}.jsonl"


def kept_mark(line: str, where: str) -> tuple[str, dict[str, Any]]:
    """What is posted, and its body, of a kept mark. Raises FormatError, naming `where`."""
    mark = document.json_object(line, where=where)
    what, body = mark.get("what"), mark.get("body")
    if what not in MARKS or not isinstance(body, dict):
        raise FormatError(f"{where} is no kept mark", "remove that line; the other marks can then be delivered")
    return str(what), body


def refusal(status: int, raw: bytes, what: str) -> JoulemarkError:
    """The error that a problem document stands for."""
    try:
        problem = json.loads(raw)
        detail, next_step = str(problem["detail"]), str(problem.get("next_step", ""))
    except (ValueError, KeyError, TypeError):
        return RemoteUnreachable(f"{what} answered {status} without a reason", "check that the address is a joulemark collector's")
    if status == 409:
        return InsufficientData(detail, next_step)
    return UsageError(detail, next_step) if status < 500 else RemoteUnreachable(detail, next_step)


def quoted(text: str) -> str:
    """`text` as one part of a path."""
    return urllib.parse.quote(text, safe="")
