"""The nearest name to a mistyped one, and every command that names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark import nearest
from joulemark.cli import group


def said(*args: str, folder: Path) -> str:
    """What a command says, and the error that it ends with."""
    (folder / "joulemark.toml").write_text(f'[collector]\ndata_dir = "{folder}"\n[[feed]]\nkind = "ecb"\n')
    result = CliRunner().invoke(group, list(args), env={"JOULEMARK_CONFIG": str(folder / "joulemark.toml")})
    return f"{result.output} {result.exception}"


def test_the_nearest_whatever_its_case() -> None:
    """A name that is near is asked for as it is written; where none is, the other text stands."""
    assert nearest.hint("NVLM", ["ipmi", "nvml"], otherwise="x") == "did you mean 'nvml'?"
    assert nearest.hint("smp", ["SMP"], otherwise="x") == "did you mean 'SMP'?"
    assert nearest.hint("zzz", ["ipmi", "nvml"], otherwise="one of 2") == "one of 2"
    assert nearest.hint("", [], otherwise="none") == "none"


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (("metres", "list"), "'meters'"),
        (("calibrate", "algin"), "'align'"),
        (("run", "strt"), "'start'"),
        (("watch", "--jsno"), "'--json'"),
        (("explain", "SPM-3"), "'SMP'"),
        (("explain", "SMP3"), "SMP-3"),
        (("meters", "probe", "nmvl"), "'nvml'"),
        (("import", "vlm", "."), "'vllm'"),
        (("price", "show", "--price-model", "ondemand"), "'on_demand'"),
        (("price", "import", "--kind", "skypliot", "x.csv"), "'skypilot'"),
        (("price", "update", "--feed", "ebc"), "'ecb'"),
        (("price", "fetches", "--feed", "azure_retial"), "'azure_retail'"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_one_that_was_meant(tmp_path: Path, args: tuple[str, ...], meant: str) -> None:
    """Commands, options, rules, kinds of meters, tools, price models, formats and feeds."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    words = [str(tmp_path / word) if word == "x.csv" else word for word in args]
    assert meant in said(*words, folder=tmp_path)


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (("--provider", "exampl"), "no known price has the provider 'exampl'; did you mean 'example'?"),
        (("--provider", "example", "--instance", "1x-gpu-demo", "--region", "dmeo"), "the region 'dmeo'; did you mean 'demo'?"),
        (("--provider", "zzz"), "no known price has the provider 'zzz'; joulemark price show lists what is known"),
    ],
)
def test_names_of_a_price_that_is_not_known(tmp_path: Path, repository: Path, args: tuple[str, ...], meant: str) -> None:
    """A provider, instance or region that no price has is named on stderr with the nearest that one has; stdout keeps its contract."""
    said("price", "import", str(repository / "src" / "joulemark" / "demo" / "prices.toml"), folder=tmp_path)
    shown = said("price", "show", *args, "--json", folder=tmp_path)
    assert meant in shown
