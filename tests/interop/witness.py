"""What the files of a sample say, counted by plain code that imports nothing of the product.

A witness gives the totals over the measured part: `begin_s`, `end_s` (Unix time), `requests`, `failed`, `input`, `output`. None means
that the files do not tell; a name left out is not judged, and without `begin_s` there is no window. Other names are of the tool's own
figures. A witness that gives None says that the files hold nothing that can be taken: to be refused.
"""

from __future__ import annotations

import calendar
import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

Figures = dict[str, float | None]
Witness = Callable[[Path], Figures | None]

MLLOG: Final = ":::MLLOG "
SERVER: Final = ("usage_prompt_tokens", "usage_completion_tokens")
CLIENT: Final = ("input_sequence_length", "output_sequence_length")


def nothing(_: Path) -> None:
    """Rates only, or no benchmark at all."""


def plain(path: Path) -> str:
    """The text of a file, packed or not."""
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def rows(path: Path) -> list[Any]:
    """JSONL."""
    return [json.loads(line) for line in plain(path).splitlines() if line.strip()]


def only(folder: Path, pattern: str) -> Path:
    """The one file of that name below `folder`, or `folder` itself when it is a file."""
    (found,) = [folder] if folder.is_file() else folder.rglob(pattern)
    return found


def aiperf(folder: Path) -> Figures:
    """Records of the profiling phase, summed one by one; the edges of the manifest where there is one."""
    mine = [r for r in rows(folder / "profile_export.jsonl") if "warmup" not in json.dumps(r["metadata"])]
    good = [r["metrics"] for r in mine if not r.get("error") and not r["metadata"].get("was_cancelled")]
    names = SERVER if all(SERVER[1] in metrics for metrics in good) else CLIENT
    starts = [r["metadata"].get("request_start_ns") or r["metadata"]["timestamp_ns"] for r in mine]
    ends = [r["metadata"].get("request_end_ns") or r["metrics"].get("max_response_timestamp", {}).get("value", 0) for r in mine]
    begin, end = min(starts), max(ends)
    manifest = folder / "phase_manifest.json"
    if manifest.is_file():
        (phase,) = [p for p in json.loads(manifest.read_text())["phases"] if p["phase_kind"] == "profiling"]
        begin, end = phase["start_ns"], phase["end_ns"]
    return {
        "begin_s": begin / 1e9,
        "end_s": end / 1e9,
        "requests": len(good),
        "failed": len(mine) - len(good),
        "input": sum(metrics[names[0]]["value"] for metrics in good),
        "output": sum(metrics[names[1]]["value"] for metrics in good),
    }


def events(path: Path) -> Iterator[tuple[str, Any, float]]:
    """(key, value, time in ms) of every MLLOG line."""
    for line in plain(path).splitlines():
        if MLLOG in line:
            event = json.loads(line.partition(MLLOG)[2])
            yield event["key"], event["value"], event["time_ms"]


def loadgen(folder: Path) -> Figures:
    """The power window read as UTC; in Offline the samples of the one query; tokens by their rate."""
    told = {key: value for key, value, _ in events(only(folder, "*mlperf_log_detail.txt*"))}
    begin, end = (month_first(told[key]) for key in ("power_begin", "power_end"))
    offline = told["effective_scenario"] == "Offline"
    rate = told.get("result_tokens_per_second")
    return {
        "begin_s": begin,
        "end_s": end,
        "requests": told["generated_samples_per_query"] if offline else told["result_query_count"],
        "failed": None,
        "input": None,
        "output": None if rate is None else rate * (end - begin),
    }


def month_first(text: str) -> float:
    """Unix time of `MM-DD-YYYY HH:MM:SS.mmm` in UTC."""
    whole, _, milliseconds = text.partition(".")
    return calendar.timegm(time.strptime(whole, "%m-%d-%Y %H:%M:%S")) + int(milliseconds) / 1000


def training(folder: Path) -> Figures:
    """From the first run_start to the last run_stop of all logs; no tokens, no requests."""
    logs = [list(events(path)) for path in (folder / "results").glob("result_*")]
    starts = [max(t for key, _, t in log if key == "run_start") for log in logs]
    stops = [max(t for key, _, t in log if key == "run_stop") for log in logs]
    return {"begin_s": min(starts) / 1000, "end_s": max(stops) / 1000, "requests": None, "input": None, "output": None}


def sglang(folder: Path) -> Figures:
    """The lists of each request, added up; the end is when the file was last written."""
    path = only(folder, "*.jsonl")
    (row,) = rows(path)
    end = path.stat().st_mtime
    good = [i for i, error in enumerate(row["errors"]) if not error]
    return {
        "begin_s": end - row["duration"],
        "end_s": end,
        "requests": len(good),
        "input": sum(row["input_lens"]),
        "output": sum(row["output_lens"]),
    }


def vllm(path: Path) -> Figures:
    """The date is the end, in a zone that the file does not name: UTC here."""
    data = json.loads(plain(path))
    end = calendar.timegm(time.strptime(data["date"], "%Y%m%d-%H%M%S"))
    return {
        "begin_s": end - data["duration"],
        "end_s": end,
        "requests": data["completed"],
        "input": data["total_input_tokens"],
        "output": data["total_output_tokens"],
    }


def genai_perf(folder: Path) -> Figures:
    """First request to last response, both in epoch nanoseconds."""
    asked = [r for e in json.loads(plain(only(folder, "*.json")))["experiments"] for r in e["requests"]]
    ends = [t for request in asked for t in request["response_timestamps"]]
    return {
        "begin_s": min(r["timestamp"] for r in asked) / 1e9,
        "end_s": max(ends) / 1e9,
        "requests": sum(bool(r["response_timestamps"]) for r in asked),
        "input": None,
        "output": None,
    }


def llmperf(folder: Path) -> Figures:
    """Means times requests; the stamp is the end, the length follows from completed requests per minute."""
    data = json.loads(plain(only(folder, "*.json")))
    done = int(data["results_num_completed_requests"])
    length = done / float(data["results_num_completed_requests_per_min"]) * 60
    return {
        "begin_s": float(data["timestamp"]) - length,
        "end_s": float(data["timestamp"]),
        "requests": done,
        "failed": data["results_number_errors"],
        "input": data["results_number_input_tokens_mean"] * done,
        "output": data["results_number_output_tokens_mean"] * done,
    }


def lm_eval(folder: Path) -> Figures:
    """The date is the begin, the length is told; no tokens."""
    data = json.loads(plain(only(folder, "*.json")))
    return {"begin_s": data["date"], "end_s": data["date"] + float(data["total_evaluation_time_seconds"]), "input": None, "output": None}


def ml_energy_board(path: Path) -> Figures:
    """The board's own figures: joules per request, and per token of the mean answer; no window."""
    data = json.loads(plain(path))
    per_request_j = data["Energy/req (J)"]
    return {"energy_per_request": per_request_j, "energy_per_output_token": per_request_j / data["Avg Output Tokens"]}


def text_stamps(text: str, first: str, last: str) -> tuple[float, float]:
    """Unix times of the lines that hold `first` and `last`, printed as ISO 8601 with Z."""
    stamps = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")
    found = [stamps.search(next(line for line in lines if mark in line)) for mark, lines in marked(text, first, last)]
    begin, end = (calendar.timegm(time.strptime(m[1], "%Y-%m-%dT%H:%M:%S")) + float(m[2] or 0) for m in found if m)
    return begin, end


def marked(text: str, first: str, last: str) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    """The lines to look through: forwards for the first mark, backwards for the last one."""
    lines = text.splitlines()
    return (first, lines), (last, lines[::-1])


def site_seed(folder: Path) -> Figures:
    """The evaluation's messages; nothing is counted."""
    begin, end = text_stamps((folder / "run.log").read_text(), "Beginning evaluation run", "Final metrics")
    return {"begin_s": begin, "end_s": end, "requests": None, "failed": None, "input": None, "output": None}


def docs(folder: Path) -> Figures:
    """First batch to last, tokens of each."""
    text = (folder / "run.log").read_text()
    begin, end = text_stamps(text, "inference_start", "inference_complete")
    tokens = sum(json.loads(line).get("tokens_generated", 0) for line in text.splitlines())
    return {"begin_s": begin, "end_s": end, "requests": None, "failed": None, "input": None, "output": tokens}


def ob_tools(folder: Path) -> Figures:
    """The run card's own times and counts."""
    card = json.loads((folder / "run.json").read_text())
    overall = card["performance"]["overall"]
    return {
        "begin_s": card["execution"]["start_time"],
        "end_s": card["execution"]["end_time"],
        "requests": overall["total_requests"],
        "failed": None,
        "input": None,
        "output": overall["total_tokens_generated"],
    }
