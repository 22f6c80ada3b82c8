"""`joulemark compare`: by how much two runs differ, whether that is more than the uncertainty, and what differs in the systems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from joulemark.cli import emit, json_option
from joulemark.errors import InsufficientData

NAMES: Final = {
    "joules_per_1k_output_tokens": "energy per 1k output tokens",
    "joules_per_1k_input_tokens": "energy per 1k input tokens",
    "joules_per_1k_total_tokens": "energy per 1k tokens, input and output",
    "joules_per_request": "energy per request",
    "score": "score, energy per 1k output tokens",
    "energy": "energy of all that counts",
    "mean_power": "mean power",
}
LONGEST: Final = 60


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--url", metavar="URL", help="Collector's pages, for a run by its id. Default: $JOULEMARK_URL, else client.url.")
@click.option("--level", is_flag=True, help="Judge both by the standard too, which takes some seconds.")
@json_option
def command(a: str, b: str, url: str | None, level: bool, as_json: bool) -> None:
    """Hold run B against run A: joules and money per token, with the uncertainty of the difference, and what differs in the systems.

    A and B are folders of bundles, packed ones, or ids of runs of the collector; each is computed from its readings again, at
    the prices in its bundle. Every difference is B minus A. Energies over different boundaries are not compared, nor tokens
    that were counted by different means. Exit 4 when nothing of the two can be compared.
    """
    from joulemark.cards.comparison import compared
    from joulemark.cards.measured import Measured
    from joulemark.cli import subject

    found = [subject.read(name, url=url, judged=level) for name in (a, b)]
    one, other = (Measured.of(each.evidence) for each in found)
    result = compared(one, other, levels=(found[0].level, found[1].level))
    emit(result, as_json=as_json, text=comparison_text)
    if not result["comparable"]:
        raise InsufficientData(f"{a} and {b} cannot be compared: {'; '.join(result['refused_because'])}", "measure both alike")


def comparison_text(result: Mapping[str, Any]) -> str:
    """The figures that both have, what they share, and in what the systems differ."""
    lines = [f"{side.upper()}: run {result[side]['run_id'] or '(no id)'}{marked(result[side])}" for side in ("a", "b")]
    lines += [line for figure in result["figures"] if (line := figure_line(figure))]
    lines += [f"not compared: {reason}" for reason in result["refused_because"]]
    lines += [f"both rest on {one['what']} {', '.join(one['which'])}" for one in result["correlated"]]
    return "\n".join([*lines, *(f"{one['what']}: {short(one['a'])} | {short(one['b'])}" for one in result["differs"])])


def marked(run: Mapping[str, Any]) -> str:
    """What must not be overlooked of a run."""
    marks = [mark for mark, holds in (("simulated", run["simulated"]), ("not complete", not run["complete"])) if holds]
    return f" [{', '.join(marks)}]" if marks else ""


def figure_line(figure: Mapping[str, Any]) -> str:
    """A figure of both and the difference; nothing where neither has it, or it is refused."""
    if figure["difference"] is None:
        return ""
    name = NAMES.get(figure["name"]) or figure["name"].replace("_", " ").replace("market", "rent").replace("energy", "electricity")
    percent = "" if figure["ratio"] is None else f" ({figure['ratio'] - 1:+.2%})"
    if figure["display"] is None:
        return f"{name}: {float(figure['difference']):+.4g} {figure['unit']}{percent}, {figure['reason']}"
    verdict = {True: "they differ", False: "no difference is resolved", None: f"not resolved: {figure['reason']}"}[figure["resolved"]]
    return f"{name}: {figure['display']['difference']} +- {figure['display']['u95']} {figure['unit']}{percent}, {verdict}"


def short(value: Any) -> str:
    """A fact in few characters."""
    text = "not known" if value in (None, "", []) else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
