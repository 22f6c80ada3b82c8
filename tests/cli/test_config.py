"""`joulemark config`: documented defaults, checks and the values in force."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark import config
from joulemark.cli.config import command
from joulemark.errors import ConfigError


def output(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_default_is_a_valid_file_that_changes_nothing(tmp_path: Path) -> None:
    """The printed defaults are TOML, and loading them gives the defaults."""
    file = tmp_path / "joulemark.toml"
    file.write_text(output("default"))
    assert config.load(file) == config.Config(path=file)


def test_check_accepts(tmp_path: Path) -> None:
    """A valid file passes, and the answer names its meters."""
    file = tmp_path / "joulemark.toml"
    file.write_text('[agent]\ninterval_ms = 50\n[[meter]]\nkind = "fake"\ndevices = 2\ninterval_ms = 20\non_open_error = "skip"\n')
    assert json.loads(output("check", str(file), "--json")) == {
        "schema": "joulemark.config_check/1",
        "file": str(file),
        "meters": ["fake"],
        "feeds": [],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\nintervall_ms = 5\n", r"unknown key 'intervall_ms'. did you mean 'interval_ms'"),
        ('[[meter]]\nkind = "fak"\n', r"no meter kind 'fak'. did you mean 'fake'"),
        ('[[meter]]\nkind = "fake"\ndevises = 2\n', r"unknown key 'devises'. did you mean 'devices'"),
        ('[[meter]]\nkind = "fake"\non_open_error = "ignore"\n', r"use one of fail, skip, retry"),
        ('[[feed]]\nkind = "azure"\n', r"no kind of prices 'azure'"),
        ('[[feed]]\nkind = "ecb"\ncurrency = "USD"\n', r"unknown key 'currency'. did you mean 'currencies'"),
        ("[agent\n", "not valid TOML"),
    ],
)
def test_check_refuses(tmp_path: Path, text: str, message: str) -> None:
    """A wrong key of a table or of a meter, a wrong kind and broken TOML are each one usage error that names the mending."""
    file = tmp_path / "joulemark.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        output("check", str(file))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_show_gives_the_values_in_force(tmp_path: Path) -> None:
    """`show` joins the file with the defaults, as JSON and as TOML that loads to the same values."""
    file = tmp_path / "joulemark.toml"
    file.write_text('[agent]\ninterval_ms = 50\n[[meter]]\nkind = "fake"\ndevices = 2\ninterval_ms = 20\n')
    values = json.loads(output("show", "--config", str(file), "--json"))
    assert values["agent"]["interval_ms"] == 50
    assert values["agent"]["batch_period_ms"] == 1000
    assert values["prices"] == {"file": None}
    assert (values["meter"][0]["devices"], values["meter"][0]["mean_w"]) == (2, 300.0)
    assert values["feed"] == []
    assert (values["meter"][0]["interval_ms"], values["meter"][0]["on_open_error"]) == (20, "retry")
    again = tmp_path / "again.toml"
    again.write_text(output("show", "--config", str(file)))
    assert json.loads(output("show", "--config", str(again), "--json")) == values


def test_feeds_are_shown_with_the_values_in_force(tmp_path: Path) -> None:
    """A [[feed]] table is joined with the defaults of its source and with the keys that the collector reads; `default` explains both."""
    file = tmp_path / "joulemark.toml"
    file.write_text('[[feed]]\nkind = "ecb"\ncurrencies = ["USD"]\nevery_s = 600\n')
    (feed,) = json.loads(output("show", "--config", str(file), "--json"))["feed"]
    assert (feed["kind"], feed["currencies"], feed["every_s"], feed["jitter_s"]) == ("ecb", ["USD"], 600, 60)
    assert feed["url"].startswith("https://www.ecb.europa.eu/")
    assert json.loads(output("check", str(file), "--json"))["feeds"] == ["ecb"]
    text = output("default")
    assert '# [[feed]]\n# kind = "azure_retail"\n' in text
    assert "# every_s = 0\n" in text
