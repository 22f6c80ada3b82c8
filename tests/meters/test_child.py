"""A supervised child process: real processes of a small module that answers, errs, is late or dies on demand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from joulemark.errors import MeterTransient
from joulemark.meters.child import BACK_OFF_S, ChildLate, SupervisedChild
from joulemark.units import NS_PER_S
from tests.conftest import ManualClock

MODULE = """
import json, sys, time
print(json.dumps({"started": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked.get("late"):
        time.sleep(60)
    if asked.get("die"):
        sys.exit(1)
    if "error" in asked:
        print(json.dumps(asked), flush=True)
        continue
    text = json.dumps({"data": asked.get("say", "")})
    print(text[:5], end="", flush=True)
    time.sleep(0.01)
    print(text[5:], flush=True)
"""


@pytest.fixture
def clock(manual_clock: ManualClock) -> ManualClock:
    return manual_clock


@pytest.fixture
def child(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupervisedChild]:
    (tmp_path / "answering.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    supervised = SupervisedChild("answering", {"say": "hello"}, deadline_s=0.3, clock=clock)
    yield supervised
    supervised.close()


def ask_until_answered(child: SupervisedChild) -> list[str]:
    """Ask until an answer comes; the reasons why none came before."""
    reasons = []
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            child.ask({"say": "x"})
        except MeterTransient as error:
            reasons.append(error.what)
            time.sleep(0.02)
        else:
            return reasons
    raise AssertionError(f"no answer: {reasons[-1]}")


def test_answers_arrive_whole(child: SupervisedChild) -> None:
    """An answer that comes in two pieces is one answer, and each question has its own."""
    child.start()
    assert [child.ask({"say": word})["data"] for word in ("a", "b", "c")] == ["a", "b", "c"]


def test_first_question_does_not_wait_for_the_start(child: SupervisedChild) -> None:
    """Without `start`, questions fail at once with the stage until the child is ready."""
    with pytest.raises(MeterTransient, match="child process in start"):  # an ask that waits gets its answer
        child.ask({"say": "x"})
    ask_until_answered(child)


def test_error_keeps_the_child(child: SupervisedChild) -> None:
    """An error that is not fatal reaches the caller with its next step, and the child stays."""
    child.start()
    pid = child.pid
    with pytest.raises(MeterTransient, match=r"busy\. wait a little") as caught:
        child.ask({"error": "busy", "next_step": "wait a little", "fatal": False})
    assert not isinstance(caught.value, ChildLate)
    assert child.pid == pid
    assert child.ask({"say": "x"}) == {"data": "x"}


@pytest.mark.parametrize(
    ("question", "reason"),
    [({"late": True}, "no answer within 0.3 s"), ({"die": True}, "child process ended"), ({"error": "lost", "fatal": True}, "lost")],
)
def test_failure_replaces_the_child(child: SupervisedChild, clock: ManualClock, question: dict[str, object], reason: str) -> None:
    """A late, ended or fatally failed child is killed at once, backed off from, and replaced; its reason is told meanwhile."""
    child.start()
    pid = child.pid
    with pytest.raises(MeterTransient, match=reason):
        child.ask(question)
    assert child.pid is None
    assert pid is not None
    assert not psutil.pid_exists(pid)
    with pytest.raises(MeterTransient, match=f"in back-off after: {reason}"):
        child.ask({"say": "x"})
    clock.advance(round(BACK_OFF_S[0] * NS_PER_S))
    assert all(reason in told for told in ask_until_answered(child))


def test_back_off_doubles_to_its_limit(child: SupervisedChild, clock: ManualClock) -> None:
    """The wait doubles from half a second to 30 s while starts fail, and begins anew after an answer."""
    waits = []
    child._hello = {"error": "refused", "fatal": True}
    for _ in range(8):
        with pytest.raises(MeterTransient, match="refused"):
            child.start()
        waits.append((child._retry_ns - clock.mono_ns()) / NS_PER_S)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    child._hello = {}
    clock.advance(30 * NS_PER_S)
    ask_until_answered(child)
    with pytest.raises(MeterTransient):
        child.ask({"die": True})
    assert child._retry_ns - clock.mono_ns() == BACK_OFF_S[0] * NS_PER_S


def test_stopped_child_is_killed_on_close(child: SupervisedChild) -> None:
    """`close` ends even a child that does not react to the end of its input."""
    child.start()
    pid = child.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    child.close()
    assert not psutil.pid_exists(pid)
