"""`joulemark config`: documented defaults, checks and the values in force."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark import config
from joulemark.cli import config_text
from joulemark.cli.config import command
from joulemark.errors import ConfigError
from joulemark.meters import registry


def output(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_default_is_a_valid_file_that_changes_nothing(tmp_path: Path) -> None:
    """The printed defaults are TOML, and loading them gives the defaults."""
    file = tmp_path / "joulemark.toml"
    file.write_text(output("default"))
    assert config.load(file) == config.Config(path=file)


def test_every_key_has_a_sentence() -> None:
    """Each key of each table and of each kind of meter is explained by a sentence with a full stop."""
    classes = [*config_text.tables().values(), *(registry.driver(kind).config for kind in registry.kinds())]
    said = {f"{cls.__name__}.{key.name}": key.sentence for cls in classes for key in config_text.keys(cls)}
    silent = [name for name, sentence in said.items() if not re.fullmatch(r"[A-Z].*\.", sentence)]
    assert not silent


def test_every_key_is_printed() -> None:
    """No key of any table or kind is missing in the defaults, and required ones say so."""
    text = output("default")
    for kind in registry.kinds():
        assert f'# kind = "{kind}"' in text
        for key in config_text.keys(registry.driver(kind).config):
            assert re.search(rf"^# {key.name} = ", text, re.MULTILINE), key.name
    assert "# password_file =    (required)" in text


def test_commented_meter_tables_are_toml() -> None:
    """A meter table of the defaults works once its comment signs and its valueless keys are gone."""
    text = output("default")
    block = text[text.index('# kind = "nvml"') :].split("\n\n")[0]
    keys = [line[2:] for line in block.splitlines() if re.match(r"# \w+ = (?!   )", line)]
    table = tomllib.loads("\n".join(keys))
    assert table.pop("kind") == "nvml"
    config.build(registry.driver("nvml").config, table, "defaults")


def test_check_accepts(tmp_path: Path) -> None:
    """A valid file passes, and the answer names its meters."""
    file = tmp_path / "joulemark.toml"
    file.write_text('[agent]\ninterval_ms = 50\n[[meter]]\nkind = "fake"\ndevices = 2\n')
    assert json.loads(output("check", str(file), "--json")) == {"schema": "joulemark.config_check/1", "file": str(file), "meters": ["fake"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\nintervall_ms = 5\n", r"unknown key 'intervall_ms'. did you mean 'interval_ms'"),
        ('[[meter]]\nkind = "fak"\n', r"no meter kind 'fak'. did you mean 'fake'"),
        ('[[meter]]\nkind = "fake"\ndevises = 2\n', r"unknown key 'devises'. did you mean 'devices'"),
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
    file.write_text('[agent]\ninterval_ms = 50\n[[meter]]\nkind = "fake"\ndevices = 2\n')
    values = json.loads(output("show", "--config", str(file), "--json"))
    assert values["agent"]["interval_ms"] == 50
    assert values["agent"]["batch_period_ms"] == 1000
    assert values["prices"] == {"file": None}
    assert (values["meter"][0]["devices"], values["meter"][0]["mean_w"]) == (2, 300.0)
    again = tmp_path / "again.toml"
    again.write_text(output("show", "--config", str(file)))
    assert json.loads(output("show", "--config", str(again), "--json")) == values
