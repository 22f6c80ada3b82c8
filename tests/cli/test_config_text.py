"""The configuration as TOML text: every key explained, and every value written so that it loads again."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from joulemark import config
from joulemark.cli import config_text
from joulemark.errors import MeterUnavailable
from joulemark.meters import registry
from joulemark.meters.base import Driver


def test_every_key_has_a_sentence() -> None:
    """Each key of each table and of each kind of meter is explained by a sentence with a full stop."""
    classes = [*config_text.tables().values(), *(registry.driver(kind).config for kind in registry.kinds())]
    said = {f"{cls.__name__}.{key.name}": key.sentence for cls in classes for key in config_text.keys(cls)}
    silent = [name for name, sentence in said.items() if not re.fullmatch(r"[A-Z].*\.", sentence)]
    assert not silent


def test_every_key_is_printed() -> None:
    """No key of any table or kind is missing in the defaults, and required ones say so."""
    text = config_text.default_text()
    for kind in registry.kinds():
        assert f'# kind = "{kind}"' in text
        for key in config_text.keys(registry.driver(kind).config):
            assert re.search(rf"^# {key.name} = ", text, re.MULTILINE), key.name
    assert "# password_file =    (required)" in text


def test_a_kind_without_its_library_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host with the agent alone the defaults are printed all the same."""
    known = registry.driver

    def without(kind: str) -> Driver[Any]:
        if kind == "modbus":
            raise MeterUnavailable("meter kind 'modbus' needs pymodbus", "run pip install 'joulemark[modbus]'")
        return known(kind)

    monkeypatch.setattr(registry, "driver", without)
    assert config_text.meter_table("modbus")[-1].endswith("run pip install 'joulemark[modbus]'.")
    assert '# kind = "nvml"' in config_text.default_text()


def test_commented_meter_tables_are_toml() -> None:
    """A meter table of the defaults works once its comment signs and its valueless keys are gone."""
    text = config_text.default_text()
    block = text[text.index('# kind = "nvml"') :].split("\n\n")[0]
    keys = [line[2:] for line in block.splitlines() if re.match(r"# \w+ = (?!   )", line)]
    table = tomllib.loads("\n".join(keys))
    assert table.pop("kind") == "nvml"
    config.build(registry.driver("nvml").config, table, "defaults")


@pytest.mark.parametrize("value", [True, 7, 0.5, 'a "quoted" name', ["x", 1], {"k 1": [False]}])
def test_values_load_as_they_were(value: object) -> None:
    """Every kind of value that a key may have is TOML which means the same."""
    assert tomllib.loads(f"key = {config_text.toml_value(value)}") == {"key": value}


def test_paths_are_text() -> None:
    """A path is written as text, and a type that no key has is a bug."""
    assert config_text.toml_value(Path("/var/lib")) == '"/var/lib"'
    with pytest.raises(TypeError):
        config_text.toml_value(object())
