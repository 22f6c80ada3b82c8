from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from joulemark.errors import MeterTransient
from joulemark.meters.exec_process import Command, first_line
from tests.waiting import eventually

TIMEOUT_S = 20.0


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def sh(script: str, *, timeout_s: float = TIMEOUT_S, max_bytes: int = 1000) -> Command:
    return Command(("sh", "-c", script), timeout_s, max_bytes)


def run(command: Command) -> bytes:
    return asyncio.run(command.output())


def test_output_is_taken_as_it_is() -> None:
    """What the command prints comes back byte for byte, and what it complains of does not."""
    assert run(sh(r"printf '\316\322 5'; echo noise >&2")) == b"\xce\xd2 5"


def test_arguments_are_no_shell_line() -> None:
    """Arguments reach the program as they are: nothing expands, nothing runs."""
    assert run(Command(("echo", "$HOME", "`id`", "a;b"), TIMEOUT_S, 1000)) == b"$HOME `id` a;b\n"


def test_messages_are_in_the_language_of_the_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sees the locale C whatever the agent's is, and no input."""
    monkeypatch.setenv("LC_ALL", "zh_CN.GB2312")
    monkeypatch.setenv("LANGUAGE", "zh")
    assert run(sh("echo $LC_ALL $LANGUAGE; cat")) == b"C C\n"


def test_a_failure_has_its_first_line() -> None:
    """A status other than 0 is an error with the first line of the complaint, of the output where there is none, or of the signal."""
    with pytest.raises(MeterTransient, match=r"^sh ended with status 3: no such device\. "):
        run(sh("echo 300; printf '\\n  no such   device\\nmore\\n' >&2; exit 3"))
    with pytest.raises(MeterTransient, match="status 4: said on stdout"):
        run(sh("echo said on stdout; exit 4"))
    with pytest.raises(MeterTransient, match="signal 9"):
        run(sh("kill -9 $$"))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """A program that is missing, or may not be run, says what to do; its arguments are never repeated."""
    plain = tmp_path / "plain"
    plain.write_text("")
    for program in ("no-such-program", str(plain)):
        with pytest.raises(MeterTransient, match="cannot be started") as raised:
            run(Command((program, "--password=secret"), 1.0, 100))
        assert raised.value.next_step
        assert "secret" not in str(raised.value)


def test_too_much_output_is_stopped() -> None:
    """A command that never stops printing is killed at once, on either stream, and takes no memory."""
    for script in ("yes", "yes >&2"):
        command = sh(script)
        begin_s = time.monotonic()
        with pytest.raises(MeterTransient, match="more than 1000 bytes"):
            run(command)
        assert time.monotonic() - begin_s < TIMEOUT_S / 2
        assert command.pid is not None
        assert not psutil.pid_exists(command.pid)


def test_a_late_command_dies_with_its_children(tmp_path: Path) -> None:
    """After the timeout the whole process group is gone, children that ignore a polite signal too."""
    child = tmp_path / "child"
    command = sh(f"trap '' TERM HUP; sh -c 'trap \"\" TERM HUP; echo $$ > {child}; sleep 60' & wait", timeout_s=0.4)
    begin_s = time.monotonic()
    with pytest.raises(MeterTransient, match=r"did not end within 0\.4 s"):
        run(command)
    assert time.monotonic() - begin_s < 20.0, "sixty seconds is what the command takes"
    assert command.pid is not None
    for pid in (command.pid, int(child.read_text())):
        eventually(lambda pid=pid: gone(pid), "it is dead")


def test_a_child_that_keeps_the_pipe_open_is_late() -> None:
    """A command that ends and leaves a child with its output open is an error after the timeout, not a wait without end."""
    with pytest.raises(MeterTransient, match="did not end"):
        run(sh("sleep 60 & echo 300", timeout_s=0.3))


def test_a_child_that_left_the_group_costs_no_descriptor() -> None:
    """A child that made itself independent is out of reach, but its pipe is closed here."""
    script = "setsid sleep 2 & echo 300"
    command = sh(script, timeout_s=0.2)
    before = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(MeterTransient, match="did not end"):
            run(command)
    assert psutil.Process().num_fds() == before


def test_nothing_is_left_behind() -> None:
    """After runs that end, fail and hang there is no child, no zombie and no descriptor more than before."""
    before = psutil.Process().num_fds()
    for script in ("echo 1", "exit 1", "sleep 60", "yes") * 3:
        with suppress(MeterTransient):
            run(sh(script, timeout_s=0.1))
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == []


def test_a_process_that_cannot_be_killed_is_not_joined_by_another() -> None:
    """While the process of an earlier read is still there no second one is started, and the reason names it."""

    async def twice() -> None:
        command = Command((sys.executable, "-c", "input()"), 5.0, 100)
        transport, capture = await command._started()
        try:
            with pytest.raises(MeterTransient, match=rf"process {transport.get_pid()} of an earlier read cannot be ended"):
                await command.output()
        finally:
            await command._end(transport, capture)
        assert capture.exited.is_set()

    asyncio.run(twice())


def test_a_cancelled_read_kills_its_command() -> None:
    """A read that is given up by somebody else leaves no process either."""

    async def cancelled() -> int:
        command = sh("sleep 60", timeout_s=30.0)
        task = asyncio.create_task(command.output())
        while command.pid is None:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return command.pid

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(cancelled()), 0)


def test_first_line() -> None:
    """A complaint is one short printable line, whatever bytes it is made of."""
    assert first_line(b"\n \n  a\tb  \nc") == "a b"
    assert first_line(b"\xce\xd2\x1b[31m red") == "\ufffd\ufffd?[31m red"
    assert first_line(b"") == ""
    assert len(first_line(b"x" * 1000)) == 200
