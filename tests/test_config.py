"""The TOML file: defaults, precedence, types, and errors that name the nearest valid key."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.config import Config, MeterTable, data_dir, load, parse, read_secret
from joulemark.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "joulemark.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the agent talks to a collector on this machine and everything listens on loopback."""
    monkeypatch.delenv("JOULEMARK_CONFIG", raising=False)
    config = load()
    assert config.agent.collector == config.collector.grpc_listen == "127.0.0.1:7470"
    assert config.collector.rest_listen == "127.0.0.1:7471"
    assert config.spool.max_bytes == 512 * 1024 * 1024
    assert config.meters == ()


def test_file_is_read_whole(tmp_path: Path) -> None:
    """Tables become their dataclasses, home directories are expanded, meter tables keep their own keys and order."""
    path = write(
        tmp_path,
        """
        [agent]
        agent_id = "node-1"
        clock_probe_period_s = 5
        [tls]
        ca_file = "~/ca.pem"
        [[meter]]
        kind = "nvml"
        [[meter]]
        kind = "ipmi"
        host = "10.0.0.2"
        """,
    )
    config = load(path)
    assert config.agent.agent_id == "node-1"
    assert config.agent.clock_probe_period_s == 5.0
    assert isinstance(config.agent.clock_probe_period_s, float)
    assert config.tls.ca_file == Path.home() / "ca.pem"
    assert config.meters == (MeterTable("nvml"), MeterTable("ipmi", {"host": "10.0.0.2"}))
    assert config.path == path


def test_flag_wins_over_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file given by hand is read, not the one of the environment; without it, the environment's is."""
    (tmp_path / "env").mkdir()
    by_env = write(tmp_path / "env", '[agent]\nagent_id = "env"')
    by_hand = write(tmp_path, '[agent]\nagent_id = "hand"')
    monkeypatch.setenv("JOULEMARK_CONFIG", str(by_env))
    assert load().agent.agent_id == "env"
    assert load(by_hand).agent.agent_id == "hand"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[agent]\nintervall_ms = 5", "did you mean 'interval_ms'"),
        ("[agnet]", "did you mean 'agent'"),
        ("[spool]\nzzz = 1", "valid keys are max_bytes, path"),
        ('[agent]\ninterval_ms = "5"', "is not int"),
        ("[agent]\ninterval_ms = true", "is not int"),
        ("[agent]\ninterval_ms = 0", "set agent.interval_ms to 1 or more"),
        ('[agent]\nagent_id = "a:b"', "holds ':'"),
        ("[spool]\nmax_bytes = 5", "1048576 or more"),
        ("[tls]\ninsecure = 1", "is not bool"),
        ("agent = 5", "write it as"),
        ('[[meter]]\nhost = "x"', "has no kind"),
        ('[[feed]]\nregion = "x"', 'add for example kind = "azure_retail"'),
        ("feed = 3", "write each as [[feed]]"),
        ("[agent", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
        ("x = " + "9" * 5000, "not valid TOML"),
        ("meter = 3", "list of tables"),
        ("[meter]", "list of tables"),
        ("[agent]\nclock_probe_period_s = nan", "no finite number"),
        ("[agent]\nclock_probe_period_s = inf", "no finite number"),
        ("[agent]\ninterval_ms = " + "9" * 40, "no finite number of 64 bits"),
        ('[spool]\npath = "a\\u0000b"', "no plain text"),
        ('[spool]\npath = "~nobody-of-that-name/x"', "write the path out"),
        ('[agent]\nagent_id = "a\\u001b[2J"', "cannot be printed"),
    ],
)
def test_wrong_file_says_where_and_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    """Each mistake in the file is one line that names the file and the mending step, and exits 2."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert said in message
    assert str(path) in message or "agent." in message or "spool." in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_missing_file_is_not_the_default(tmp_path: Path) -> None:
    """A file that was named and does not exist is an error; the defaults do not step in."""
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "nowhere.toml")


def test_parse_of_nothing_is_the_default() -> None:
    """An empty document is the default configuration."""
    assert parse({}) == Config()


def test_data_directory_follows_systemd_then_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Systemd's STATE_DIRECTORY wins; a user's data go below XDG_DATA_HOME; root's below /var/lib."""
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")
    assert data_dir() == Path("/var/lib/a")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_dir() == tmp_path / "joulemark"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert data_dir() == Path("/var/lib/joulemark")


def test_secret_is_a_file_without_its_newline(tmp_path: Path) -> None:
    """The secret is the file's text without the final newline; a missing file names the mode it should have."""
    path = tmp_path / "bmc"
    path.write_text("pass word \n")
    assert read_secret(path, "[[meter]] ipmi password_file") == "pass word "
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(tmp_path / "none", "[[meter]] ipmi password_file")


def test_limits_have_bounds_of_their_own() -> None:
    """A limit that would stop every agent, and a batch larger than the protocol allows, are errors that name the key."""
    assert parse({"limits": {"max_agents": 1, "bytes_per_s": 300_000}}).limits.bytes_per_s == 300_000.0
    for key, value in (("max_agents", 0), ("hello_timeout_s", 0), ("bytes_per_s", 65_536), ("max_batch_bytes", 4_128_769)):
        with pytest.raises(ConfigError, match=f"limits.{key}"):
            parse({"limits": {key: value}})
