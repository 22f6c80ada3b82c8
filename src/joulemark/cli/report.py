"""`joulemark report`: what a bundle or a run is worth, for people: in a few lines, as one page, and as a small label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.progress import progress
from joulemark.errors import UsageError


@click.command()
@click.argument("run", metavar="RUN|BUNDLE")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the card as one page of HTML that loads nothing.")
@click.option("--label", type=click.Path(path_type=Path), metavar="FILE", help="Write the label, an SVG of 320 x 120 pixels.")
@click.option("--link", metavar="URL", help="Where the label leads: http, https, or a relative path, such as card.html.")
@click.option("--trust", type=click.Path(path_type=Path), metavar="FILE", help="TOML list of the public keys whose signatures count.")
@click.option("--url", metavar="URL", help="Collector's pages, for a run by its id. Default: $JOULEMARK_URL, else client.url.")
@json_option
def command(run: str, html: Path | None, label: Path | None, link: str | None, trust: Path | None, url: str | None, as_json: bool) -> None:
    """Show a run: its figure with its uncertainty, what it was measured on, and the level that it reaches.

    The bundle is a folder or a packed one, or comes from the collector by the id of its run. The card is computed again from
    the readings and judged by every rule, which takes some seconds; what the bundle claims of itself is not shown. Exit 0 whatever
    the level is: `joulemark validate` is the command that refuses. Exit 4 when the readings give no card.
    """
    from joulemark.cli import subject
    from joulemark.standard import read
    from joulemark.standard.publication import Publication
    from joulemark.standard.trust import Trust

    known = Trust.read(trust)
    with subject.folder_of(run, url=url) as folder, progress("rules judged") as told:
        found = Publication.of(read.bundle(folder, trust=known), told=told)
    drawn = found.label(link)
    if html is not None:
        written(html, found.page)
    if label is not None:
        written(label, drawn)
    emit(found.document, as_json=as_json, text=text_of)


def written(path: Path, text: str) -> None:
    """Write a text file. Raises UsageError where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "give a place that is writable") from error


def text_of(document: Mapping[str, Any]) -> str:
    """The card in a few lines, and what the validator says of it."""
    from joulemark.cards.text import render

    validation = document["validation"]
    lines = [render(document["card"], level=validation["level_text"])]
    lines.append(f"  {validation['level_text']}: {document['meaning']} (edition {validation['edition']})")
    if validation["contradictions"]:
        lines.append(f"  contradicts itself by {', '.join(validation['contradictions'])}")
    lines += [f"  in the way of {grade}: {', '.join(rules)}" for grade, rules in validation["failing"].items() if rules]
    return "\n".join(lines)
