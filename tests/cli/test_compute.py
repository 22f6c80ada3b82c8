"""`joulemark compute` on files: the official watts to 1e-12, on the recorded sets and on copies changed at random.

The expectation is computed here from the text of the files by a few lines of their own, so no figure can be written down.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import fsum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from joulemark.cards.compute import COMPUTE_SCHEMA
from joulemark.standard.schema import schemas
from tests.command import joulemark

STAMP = "%m-%d-%Y %H:%M:%S.%f"
LLAMA = "mlperf_power/inference_v4.1_nvidia_h200x8_llama2-70b-99"
V20 = "traces/mlperf_inference_v2.0_power/closed"
DELL = f"{V20}/Dell/results/XR12_A2x1_TRT_MaxQ/bert-99/Offline/performance/run_1"
DGX = f"{V20}/NVIDIA/results/DGX-A100_A100-SXM-80GBx8_TRT_MaxQ/bert-99/Server/performance/run_1"
LOCAL = "traces/mlperf_inference_v1.0_power_localtime/closed/NVIDIA/results/A100-PCIex8_TRT_MaxQ/bert-99/Offline/performance/run_1"


def computed(power: Path, benchmark: Path, tz: str = "UTC") -> dict[str, Any]:
    done = joulemark("compute", "--power", power, "--benchmark", benchmark, "--tz", tz, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]  # parsed JSON


def unpacked(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def stamp(printed: str) -> datetime:
    return datetime.strptime(printed, STAMP).replace(tzinfo=UTC)


@dataclass
class PowerSet:
    """The two texts of a measured MLPerf run."""

    spl: str
    detail: str

    @classmethod
    def found(cls, folder: Path) -> PowerSet:
        spl, detail = (unpacked(next(folder.glob(f"*{name}*"))) for name in ("spl.txt", "mlperf_log_detail.txt"))
        return cls(spl.strip(), detail)

    @classmethod
    def made(cls, rng: random.Random) -> PowerSet:
        """One of our own: 90 rows with two channels around a window of 60 s."""
        begin = datetime(2024, 5, 6, 7, 8, 9, 120_000, tzinfo=UTC)
        rows = []
        for second in range(90):
            watts = Decimal(rng.randrange(400_000_000, 900_000_000)).scaleb(-6)
            at = (begin + timedelta(seconds=second - 15.25)).strftime(STAMP)[:-3]
            rows.append(f"Time,{at},Watts,{watts},Volts,-1,Amps,-1,PF,-1,Mark,m,Ch1,Watts,{watts / 2:.6f},Ch2,Watts,{watts / 2:.6f}\n")
        events = {
            "effective_scenario": "Server",
            "power_begin": begin.strftime(STAMP)[:-3],
            "power_end": (begin + timedelta(seconds=60)).strftime(STAMP)[:-3],
            "result_validity": "VALID",
            "result_query_count": 77,
            "result_completed_tokens_per_second": 321.5,
        }
        detail = "".join(":::MLLOG " + json.dumps({"key": k, "value": v, "time_ms": 1.0, "metadata": {}}) + "\n" for k, v in events.items())
        return cls("".join(rows), detail)

    def edge(self, name: str) -> datetime:
        match = re.search(rf'"key": "{name}", "value": "([^"]+)"', self.detail)
        assert match
        return stamp(match[1])

    def rows(self) -> list[tuple[datetime, Decimal]]:
        fields = (line.split(",") for line in self.spl.splitlines())
        return [(stamp(f[1]), Decimal(f[3])) for f in fields]

    def official_w(self) -> tuple[float, int]:
        """The checker's rule: plain mean of positive watts strictly inside the window, and how many there are."""
        begin, end = self.edge("power_begin"), self.edge("power_end")
        inside = [watts for at, watts in self.rows() if begin < at < end and watts > 0]
        return float(sum(inside) / len(inside)), len(inside)

    def trapezoid_j(self) -> float:
        begin, end = self.edge("power_begin"), self.edge("power_end")
        points = [((at - begin).total_seconds(), float(watts)) for at, watts in self.rows() if watts > 0]
        length, out = (end - begin).total_seconds(), []
        for (t0, p0), (t1, p1) in pairwise(points):
            lo, hi = max(t0, 0.0), min(t1, length)
            if hi > lo:
                slope = (p1 - p0) / (t1 - t0)
                out.append((hi - lo) * (p0 + slope * ((lo + hi) / 2 - t0)))
        return fsum(out)

    def changed(self, rng: random.Random, *, zone: str) -> PowerSet:
        """Watts times k, times moved by up to a week and then told in `zone`, about 3 % of the rows dropped."""
        k = Decimal(rng.randrange(200_000, 3_000_000)).scaleb(-6)
        by = timedelta(milliseconds=rng.randrange(-600_000_000, 600_000_000))

        def moved(at: datetime) -> str:
            return (at + by).astimezone(ZoneInfo(zone)).strftime(STAMP)[:-3]

        rows = []
        for number, line in enumerate(self.spl.splitlines()):
            fields = line.split(",")
            fields[1], fields[3] = moved(stamp(fields[1])), str((Decimal(fields[3]) * k).quantize(Decimal("1e-6")))
            if number < 3 or rng.random() > 0.03:
                rows.append(",".join(fields) + "\n")
        detail = self.detail
        for name in ("power_begin", "power_end"):
            detail = re.sub(rf'("key": "{name}", "value": ")[^"]+', rf"\g<1>{moved(self.edge(name))}", detail)
        return PowerSet("".join(rows), detail)

    def written(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / "spl.txt").write_text(self.spl)
        (folder / "mlperf_log_detail.txt").write_text(self.detail)
        return folder


def agrees(power_set: PowerSet, folder: Path, tz: str) -> None:
    official_w, count = power_set.official_w()
    (phase,) = computed(folder / "spl.txt", folder, tz)["phases"]
    assert phase["mean_of_samples_w"] == pytest.approx(official_w, rel=1e-12)
    assert phase["sample_count"] == count
    duration_s = (power_set.edge("power_end") - power_set.edge("power_begin")).total_seconds()
    assert phase["duration_s"] == duration_s
    assert phase["energy_mean_j"] == pytest.approx(official_w * duration_s, rel=1e-12)
    assert phase["energy_trapezoid_j"] == pytest.approx(power_set.trapezoid_j(), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_made_sets_give_the_official_mean(tmp_path: Path, seed: int, zone: str) -> None:
    """On sets made here, scaled, moved, told in another zone and with rows dropped, the mean is the checker's to 1e-12."""
    rng = random.Random(seed)
    power_set = PowerSet.made(rng).changed(rng, zone=zone)
    agrees(power_set, power_set.written(tmp_path / "run"), zone)


@pytest.mark.parametrize("source", [LLAMA, DELL, DGX])
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_changed_copies_of_the_corpus_give_the_official_mean(corpus: Path, tmp_path: Path, source: str, zone: str) -> None:
    """The same on changed copies of the recorded sets."""
    power_set = PowerSet.found(corpus / source).changed(random.Random(f"{source} {zone}"), zone=zone)
    agrees(power_set, power_set.written(tmp_path / "run"), zone)


@pytest.mark.parametrize(
    ("source", "tz", "official_w", "count"),
    [
        (LLAMA, "UTC", 6152.984435173287, 3116),
        (DELL, "UTC", 302.86136498516305, 674),
        (DGX, "UTC", 3378.7609555189456, 607),
        (LOCAL, "America/Los_Angeles", 2289.9773809523826, 672),
    ],
)
def test_corpus_gives_the_published_watts(corpus: Path, source: str, tz: str, official_w: float, count: int) -> None:
    """The four recorded sets give the official watts, in their own zone."""
    (power,) = (corpus / source).glob("*spl.txt*")
    (phase,) = computed(power, corpus / source, tz)["phases"]
    assert phase["mean_of_samples_w"] == pytest.approx(official_w, rel=1e-12)
    assert phase["sample_count"] == count


def test_llama_joules_per_token(corpus: Path) -> None:
    """llama2-70b Offline: 243.5658 J per 1k output tokens from the official mean, 243.5451 from the trapezoid."""
    (power,) = (corpus / LLAMA).glob("*spl.txt*")
    (phase,) = computed(power, corpus / LLAMA)["phases"]
    tokens = phase["tokens"]["output"]
    assert tokens == pytest.approx(25262.1 * 3116.735, rel=1e-12)
    assert round(1000 * phase["energy_mean_j"] / tokens, 4) == 243.5658
    assert round(phase["joules_per_1k_output_tokens"], 4) == 243.5451


def test_aiperf_energy_against_the_exact_truth(corpus: Path) -> None:
    """The counter comes within 0.1 % of the exact step function; AIPerf's own figure stands beside it, 0.17 % high."""
    folder = corpus / "aiperf" / "generated_0.13.0_dcgm_truth"
    done = joulemark("compute", "--power", folder / "gpu_telemetry_export.jsonl", "--benchmark", folder, "--json")
    result = json.loads(done.stdout)
    jsonschema.validate(result, schemas()[COMPUTE_SCHEMA])
    phase = next(p for p in result["phases"] if p["kind"] == "measured")
    with (folder / "power_truth.csv").open() as file:
        steps = [(int(row["t_wall_ns"]), float(row["watts_total"])) for row in csv.DictReader(file)]
    edges = [t for t, _ in steps[1:]] + [phase["end_ns"]]
    spans = [(max(t, phase["begin_ns"]), min(end, phase["end_ns"]), w) for (t, w), end in zip(steps, edges, strict=True)]
    truth_j = fsum((end - begin) / 1e9 * watts for begin, end, watts in spans if end > begin)
    assert round(truth_j, 2) == 3312.17
    assert phase["energy_method"] == "counter"
    assert phase["energy_j"] == pytest.approx(truth_j, rel=1e-3)
    figure = next(f for f in phase["tool_reported"] if f["name"] == "nvidia_total_gpu_energy")
    assert round(figure["value"], 2) == 3317.87
    assert figure["ours"] == phase["energy_j"]
    assert figure["difference_rel"] == pytest.approx(figure["value"] / phase["energy_j"] - 1)


def test_nvidia_smi_trace_against_the_external_meter(corpus: Path, tmp_path: Path) -> None:
    """An A100's nvidia-smi log over the load gives 1024.87 J, within 0.03 % of the 1024.72 J of the external meter."""
    folder = corpus / "traces" / "gpu_power_benchmark" / "5050" / "A100"
    marks = [int(line) * 1000 for line in (folder / "timestamps.csv").read_text().split()[1:]]
    run = {"schema": "joulemark.run/1", "phases": [{"name": "load", "kind": "measured", "begin_ns": marks[0], "end_ns": marks[-1]}]}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (phase,) = computed(folder / "gpudata.csv", tmp_path, "Europe/London")["phases"]
    assert phase["energy_j"] == pytest.approx(1024.72, rel=3e-4)
    assert round(phase["energy_j"], 2) == 1024.87


def test_naive_time_needs_a_zone(tmp_path: Path) -> None:
    """Without --tz a log in bare local time is refused with exit 2 in one line that names --tz."""
    folder = PowerSet.made(random.Random(1)).written(tmp_path / "run")
    done = joulemark("compute", "--power", folder / "spl.txt", "--benchmark", folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--tz" in done.stderr


def test_short_power_log_names_side_and_seconds(tmp_path: Path) -> None:
    """A power log that ends in the middle of the phase is exit 4, with the missing seconds, the side and the next step."""
    power_set = PowerSet.made(random.Random(1))
    power_set.spl = "".join(power_set.spl.splitlines(keepends=True)[:50])
    folder = power_set.written(tmp_path / "run")
    missing_s = (power_set.edge("power_end") - power_set.rows()[-1][0]).total_seconds()
    done = joulemark("compute", "--power", folder / "spl.txt", "--benchmark", folder, "--tz", "UTC")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert f"{missing_s:.3f} s before its end" in done.stderr
    assert "give a power log" in done.stderr


@pytest.mark.parametrize("args", [("--tz", "Mars/Base"), ("--accuracy", "good"), ("--power", "none.txt")])
def test_wrong_input_is_exit_2(tmp_path: Path, args: tuple[str, str]) -> None:
    """An unknown zone, an accuracy that is no accuracy and a missing file are one line and exit 2."""
    folder = PowerSet.made(random.Random(1)).written(tmp_path / "run")
    done = joulemark("compute", "--tz", "UTC", "--power", folder / "spl.txt", "--benchmark", folder, *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_accuracy_option_is_a_limit_of_error(tmp_path: Path) -> None:
    """0.1 % of reading + 0.05 % of 6 kW + 2 W, over sqrt 3, is the component `spec` of the budget."""
    folder = PowerSet.made(random.Random(1)).written(tmp_path / "run")
    done = joulemark(
        *("compute", "--power", folder / "spl.txt", "--benchmark", folder, "--tz", "UTC"),
        *("--accuracy", "0.1%rdg+0.05%rng@6000W+2W", "--json"),
    )
    (phase,) = json.loads(done.stdout)["phases"]
    spec = next(c for c in phase["uncertainty"]["components"] if c["name"] == "spec")
    limit_j = 0.001 * phase["energy_j"] + (0.0005 * 6000 + 2) * phase["duration_s"]
    assert spec["u_j"] == pytest.approx(limit_j / 3**0.5, rel=1e-9)


def test_text_for_people(tmp_path: Path) -> None:
    """Without --json the result names energy, method, joules per 1000 tokens and what is not known."""
    folder = PowerSet.made(random.Random(1)).written(tmp_path / "run")
    done = joulemark("compute", "--power", folder / "spl.txt", "--benchmark", folder, "--tz", "UTC")
    assert done.returncode == 0
    for words in ("from the trapezoid", "J per 1000 output tokens", "77 requests", "note: "):
        assert words in done.stdout


def test_budget_option_prints_every_component(tmp_path: Path) -> None:
    """With --budget each phase is followed by its budget; what is not known stands there as such."""
    folder = PowerSet.made(random.Random(1)).written(tmp_path / "run")
    done = joulemark("compute", "--power", folder / "spl.txt", "--benchmark", folder, "--tz", "UTC", "--budget")
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert ["spec", "not"] in [[line[0], *line[3:4]] for line in lines]
    assert {"gain_offset", "repeat", "u_c"} <= {line[0] for line in lines}


def test_power_is_held_against_the_phases(tmp_path: Path) -> None:
    """A log of New York read as UTC names the zone where there is nothing to compute; in its zone it agrees; 4 s off it is a note alone."""
    begin_s = 1_790_000_000
    phase = {"name": "p", "kind": "measured", "begin_ns": begin_s * 10**9, "end_ns": (begin_s + 60) * 10**9}
    run, log = tmp_path / "run.json", tmp_path / "power.csv"
    run.write_text(json.dumps({"schema": "joulemark.run/1", "benchmark": "b", "phases": [phase]}))

    def result(*, zone: str, late_s: int = 0) -> subprocess.CompletedProcess[str]:
        rows = [(begin_s + late_s + at_s, 600 if 0 <= at_s < 60 else 100) for at_s in range(-60, 120)]
        local = [(datetime.fromtimestamp(t_s, ZoneInfo("America/New_York")).strftime("%Y-%m-%d %H:%M:%S"), watts) for t_s, watts in rows]
        log.write_text("time,watts\n" + "".join(f"{printed},{watts}\n" for printed, watts in local))
        return joulemark("compute", "--power", log, "--benchmark", run, "--tz", zone, "--boundary", "gpu", "--json")

    wrong = result(zone="UTC")
    assert wrong.returncode == 4
    assert "Power rises and falls 14400.5" in wrong.stderr or "Power rises and falls 14399.5" in wrong.stderr
    assert "-4:00 h looks like a time zone: give --tz" in wrong.stderr
    right = json.loads(result(zone="America/New_York").stdout)
    jsonschema.validate(right, schemas()[COMPUTE_SCHEMA])
    assert (right["edges"]["verdict"], right["edges"]["edges"]) == ("consistent", 2)
    late = json.loads(result(zone="America/New_York", late_s=4).stdout)
    assert late["edges"]["verdict"] == "offset"
    assert any("s after the phases do" in finding for finding in late["findings"])
    text = joulemark("compute", "--power", log, "--benchmark", run, "--tz", "America/New_York", "--boundary", "gpu").stdout
    assert "note: Power rises and falls" in text
    (phase,) = late["phases"]
    assert phase["energy_j"] == pytest.approx(100 * 3 + 350 + 600 * 56)
