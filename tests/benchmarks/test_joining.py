"""Result files of a command: what it wrote is joined by hash and dated by it, what it did not write is refused with the reason."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.benchmarks import joining
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind, Run, Window
from joulemark.timebase import Span, Stamp, SystemClock
from tests.standins import serving_benchmark

S = 1_000_000_000
BENCHMARK = f"{sys.executable} -m tests.standins.serving_benchmark"


def ran(*paths: Path, command: str) -> tuple[list[Run], list[str], Span]:
    """Run `command` by the shell and join `paths`: the runs, what was refused, and when the command ran."""
    lay, clock = joining.before(paths), SystemClock()
    begin = Stamp.now(clock)
    subprocess.run(command, shell=True, check=True, timeout=60)  # the test's own words
    span = Span(begin, Stamp.now(clock), unc_ns=2_000_000)
    return *joining.joined(paths, lay=lay, span=span, tz=None), span


@pytest.mark.parametrize("tool", ["vllm", "sglang"])
def test_a_duration_alone_is_dated_by_the_process(tmp_path: Path, tool: str) -> None:
    """The phase is the command's, to the nanosecond, with its uncertainty; the finding tells what the tool timed itself."""
    path = tmp_path / ("r.json" if tool == "vllm" else "r.jsonl")
    (run,), refused, span = ran(path, command=f"{BENCHMARK} {tool} {path} --load-s 0.1 --serve-s 0.3")
    (window,) = run.windows
    assert refused == []
    assert (window.begin_ns, window.end_ns, window.unc_ns) == (span.begin.utc_ns, span.end.utc_ns, 2_000_000)
    assert (window.tokens.output, window.requests, run.clock, run.benchmark) == (256, 8, ClockKind.UTC, tool)
    assert f"of the {span.duration_s:.3f} s that the command ran" in run.findings[0]
    assert "The tool timed 0.3" in run.findings[0]
    assert [(file.name, file.sha256) for file in run.result_files] == [(path.name, hashlib.sha256(path.read_bytes()).hexdigest())]


def test_what_lay_there_before_is_refused(tmp_path: Path) -> None:
    """Left alone, touched, written again with the same bytes, or copied with its old time: not this command's result."""
    old, copy = tmp_path / "old.jsonl", tmp_path / "copy.jsonl"
    old.write_text(serving_benchmark.result("sglang", 0.001))
    os.utime(old, ns=(time.time_ns() - 3600 * S,) * 2)
    for command, path in (
        ("true", old),
        (f"cp -p {old} {copy}", copy),
        (f"touch {old}", old),
        (f"cat {old} > {copy}; cat {copy} > {old}", old),
    ):
        runs, (refused,), _ = ran(path, command=command)
        assert runs == []
        assert "result of an earlier run" in refused
    aged = f"touch -d -1hour {old}; cp {old} {copy}; echo >> {copy}; touch -r {old} {copy}"
    assert "last written 3600" in ran(copy, command=aged)[1][0]


def test_a_file_that_grew_tells_what_was_added(tmp_path: Path) -> None:
    """One line added to two of before is the run's; two added lines are not told apart; a file written anew is read whole."""
    path = tmp_path / "all.jsonl"
    path.write_text(serving_benchmark.result("sglang", 99.0) * 2)
    (run,), refused, _ = ran(path, command=f"{BENCHMARK} sglang {path} --serve-s 0.1")
    assert (run.windows[0].tokens.output, refused) == (256, [])
    line = tmp_path / "line"
    line.write_text(serving_benchmark.result("sglang", 0.001))
    assert "got 2 results from one command" in ran(path, command=f"cat {line} {line} >> {path}")[1][0]
    (run,), _, _ = ran(path, command=f"cp {line} {path}")
    assert run.windows[0].requests == 8


def test_what_cannot_be_the_command_is_refused(tmp_path: Path) -> None:
    """A duration longer than the command, two files without a begin, no file, and one that no reader knows."""
    one, two, none = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "none.json"
    assert "result of another run" in ran(one, command=f"{BENCHMARK} vllm {one} --claim-s 3600 --serve-s 0.1")[1][0]
    both = " && ".join(f"{BENCHMARK} vllm {path} --serve-s 0.1" for path in (one, two))
    runs, (refused,), _ = ran(one, two, command=both)
    assert (runs, refused.startswith("Not joined: a.json, b.json.")) == ([], True)
    assert "wrote none there" in ran(none, command="true")[1][0]
    assert "wrote none there" in ran(tmp_path, command="true")[1][0]
    assert "holds no files of" in ran(none, command=f"echo '{{}}' > {none}")[1][0]


def test_a_duration_alone_does_not_stand_beside_a_dated_phase(tmp_path: Path) -> None:
    """Both would be the same seconds: the dated one is joined, the other is refused, so that no energy is counted twice."""
    dated, alone = tmp_path / "run.json", tmp_path / "r.json"
    phase = '{\\"name\\": \\"p\\", \\"kind\\": \\"measured\\", \\"begin_ns\\": $b, \\"end_ns\\": $(date +%s%N)}'
    run = f'{{\\"schema\\": \\"joulemark.run/1\\", \\"phases\\": [{phase}]}}'
    runs, refused, _ = ran(dated, alone, command=f'b=$(date +%s%N); {BENCHMARK} vllm {alone} --serve-s 0.1; echo "{run}" > {dated}')
    assert [one.windows[0].name for one in runs] == ["p"]
    assert [one.startswith("Not joined: r.json.") for one in refused] == [True]


SPAN = Span(Stamp(100 * S, 7 * S), Stamp(160 * S, 67 * S))


def window(begin_s: float, end_s: float, *, unc_s: float = 0.0) -> Window:
    return Window("load", PhaseKind.MEASURED, round(begin_s * S), round(end_s * S), unc_ns=round(unc_s * S))


def test_one_result_under_two_names_counts_once(tmp_path: Path) -> None:
    """A file that is named twice, or was copied, is joined once, and the second is named."""
    one, two = tmp_path / "a.json", tmp_path / "b.json"
    (run,), (refused,), _ = ran(one, two, command=f"{BENCHMARK} vllm {one} --serve-s 0.1; cp {one} {two}")
    assert [file.name for file in run.result_files] == ["a.json"]
    assert f"{two} holds the same as {one}" in refused
    runs, refusals, _ = ran(one, one, command=f"{BENCHMARK} vllm {one} --serve-s 0.1")
    assert (len(runs), len(refusals)) == (1, 1)


def test_phases_of_another_time_are_left_out() -> None:
    """One inside stays without a word; one that sticks out stays and is told by how much; one of another time goes."""
    assert joining.fitting(Run((window(101, 159),)), SPAN).findings == ()
    assert joining.fitting(Run((window(99.95, 160.05),)), SPAN).findings == ()
    assert joining.fitting(Run((window(98, 161, unc_s=2),)), SPAN).findings == ()
    (finding,) = joining.fitting(Run((window(95, 150),)), SPAN).findings
    assert finding.endswith("outside the time of the command by 4.900 s.")
    kept = joining.fitting(Run((window(20, 90), window(110, 120))), SPAN)
    assert (len(kept.windows), kept.findings[0].endswith("left out.")) == (1, True)
    with pytest.raises(FormatError, match="check --tz"):
        joining.fitting(Run((window(3700, 3760),)), SPAN)


def test_a_step_of_the_wall_clock_is_told() -> None:
    """The phase keeps both stamps as the host said them; the finding says by how much its clock was stepped."""
    stepped = replace(SPAN, end=Stamp(163 * S, 67 * S))
    run = joining.by_command(Run((window(0, 30),), clock=ClockKind.MONOTONIC), stepped)
    assert "stepped by +3.000 s" in run.findings[1]
    assert "of the 60.000 s" in run.findings[0]
    assert len(joining.by_command(Run((window(0, 30),)), SPAN).findings) == 1


def test_a_folder_names_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hashes of new and of changed files, not of others; at most so many; nothing written is refused."""
    (tmp_path / "sub").mkdir()
    for name in ("left.txt", "changed.txt"):
        (tmp_path / name).write_text("before")
    lay = joining.states(tmp_path)
    with pytest.raises(FormatError, match="wrote no file"):
        joining.in_folder(tmp_path, lay=lay, span=SPAN, tz=None)
    (tmp_path / "changed.txt").write_text("after it")
    phase = '{"name": "p", "kind": "measured", "begin_ns": 110000000000, "end_ns": 120000000000}'
    (tmp_path / "sub" / "run.json").write_text(f'{{"schema": "joulemark.run/1", "phases": [{phase}]}}')
    run = joining.in_folder(tmp_path, lay=lay, span=SPAN, tz=None)
    assert [file.name for file in run.result_files] == ["changed.txt", "sub/run.json"]
    assert run.findings == ()
    monkeypatch.setattr(joining, "MOST_FILES", 1)
    few = joining.in_folder(tmp_path, lay=lay, span=SPAN, tz=None)
    assert ([file.name for file in few.result_files], few.findings[0].startswith("The command wrote 2 files; 1 that")) == (
        ["changed.txt"],
        True,
    )
    assert joining.states(tmp_path / "none") == {}
