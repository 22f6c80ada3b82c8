"""Bad input, as a user meets it: one line on standard error that names the next step, and the designed exit code."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.proto import convert
from tests.standins.ipmi_standin import Bmc

LOG = """\
Time,11-21-2026 10:00:{second:02d}.000,Watts,{watts:.1f},Volts,230.0,Amps,2.0,PF,0.99,Mark,test
"""
DETAIL = ':::MLLOG {{"key": "{key}", "value": "11-21-2026 10:{minute:02d}:{second:02d}.000", "time_ms": 1.0, "metadata": {{}}}}\n'


def joulemark(*args: str) -> subprocess.CompletedProcess[str]:
    """The command line, to its end."""
    return subprocess.run([sys.executable, "-m", "joulemark", *args], capture_output=True, text=True, timeout=60, check=False)


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The only line on standard error of a command that ended with `code`."""
    lines = done.stderr.strip().splitlines()
    assert (done.returncode, len(lines)) == (code, 1), done.stderr
    return lines[0]


def recorded(folder: Path, *, end_minute: int = 0) -> Path:
    """A power log of twenty seconds and a LoadGen log whose power window ends in minute `end_minute`."""
    (folder / "spl.txt").write_text("".join(LOG.format(second=s, watts=500 + s) for s in range(20)))
    begin = DETAIL.format(key="power_begin", minute=0, second=5)
    end = DETAIL.format(key="power_end", minute=end_minute, second=15)
    (folder / "mlperf_log_detail.txt").write_text(begin + end)
    return folder


def test_unknown_config_key_names_the_nearest(tmp_path: Path) -> None:
    """A misspelled key ends the agent before it measures anything, with exit 2 and the key that was meant."""
    config = tmp_path / "joulemark.toml"
    config.write_text("[agent]\ncolector = '127.0.0.1:7470'\n")
    assert "did you mean 'collector'" in one_line(joulemark("agent", "run", "--config", str(config)), 2)


def test_unreachable_collector_is_six(free_port: Callable[[], int]) -> None:
    """Measuring a command without a collector ends with exit 6 before the command starts."""
    done = joulemark("run", "--url", f"http://127.0.0.1:{free_port()}", "--", sys.executable, "-c", "print('ran')")
    assert "joulemark collector run" in one_line(done, 6)
    assert "ran" not in done.stdout


def test_agent_without_collector_keeps_what_it_measures(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """An agent whose collector is away goes on measuring: its readings lie in the spool when it is stopped."""
    config = tmp_path / "joulemark.toml"
    config.write_text(
        f'[agent]\ncollector = "127.0.0.1:{free_port()}"\nbatch_period_ms = 100\n'
        f'[spool]\npath = "{tmp_path / "spool.db"}"\n[[meter]]\nkind = "fake"\ninterval_ms = 50\n'
    )
    agent = subprocess.Popen(
        [sys.executable, "-m", "joulemark", "agent", "run", "--config", str(config)], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while spooled_rows(tmp_path / "spool.db") <= 20 and time.monotonic() < until:
        time.sleep(0.2)
    agent.terminate()
    _, log = agent.communicate(timeout=20)
    assert agent.returncode == 0
    assert log.count(" is away ") == 1
    assert spooled_rows(tmp_path / "spool.db") > 20


def spooled_rows(path: Path) -> int:
    """Readings in a spool; 0 while there is none."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
            bodies = [row[0] for row in spool.execute("SELECT body FROM batch ORDER BY batch_seq")]
    except sqlite3.OperationalError:
        return 0
    return sum(block.row_count for body in bodies for block in convert.decode(body).blocks)


def test_refusing_bmc_is_five(tmp_path: Path) -> None:
    """A BMC that refuses the password ends the probe with exit 5 and says which file to mend."""
    bmc = Bmc(tmp_path)
    bmc.password_file.write_text("wrong\n")
    bmc.start()
    try:
        options = {"host": "127.0.0.1", "port": bmc.port, "user": bmc.user, "password_file": bmc.password_file}
        words = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
        assert str(bmc.password_file) in one_line(joulemark("meters", "probe", "ipmi", *words), 5)
    finally:
        bmc.stop()


def test_naive_time_without_a_zone_is_two(tmp_path: Path) -> None:
    """Local times are refused, not guessed, and the option that helps is named."""
    folder = recorded(tmp_path)
    done = joulemark("compute", "--power", str(folder / "spl.txt"), "--benchmark", str(folder), "--json")
    assert "--tz" in one_line(done, 2)
    assert done.stdout == ""


def test_uncovered_window_is_four(tmp_path: Path) -> None:
    """A power log that ends before the window does is exit 4, with the seconds that are missing."""
    folder = recorded(tmp_path, end_minute=1)
    line = one_line(joulemark("compute", "--power", str(folder / "spl.txt"), "--benchmark", str(folder), "--tz", "UTC", "--json"), 4)
    assert "56.000 s" in line


@pytest.mark.parametrize(
    "args",
    [
        ("compute", "--power", "/no/such/log", "--benchmark", "/no/such/folder"),
        ("import", "aiperf", "/no/such/folder"),
        ("price", "import", "/no/such/file"),
        ("config", "check", "/no/such/file"),
    ],
)
def test_missing_input_is_two(args: tuple[str, ...]) -> None:
    """A file that is not there is a usage error that names it."""
    assert "/no/such/" in one_line(joulemark(*args), 2)
