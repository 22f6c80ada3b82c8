"""What MkDocs does not know of this repository: every page of every folder is in the navigation, README and CONTRIBUTING give one
page, decisions have a list, a link to a file that is no page becomes its name, and CommonMark's lists and fences are turned into those
of Python-Markdown.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "Tutorial": "tutorials",
    "How-to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Standard": "standard",
    "Decisions": "adr",
}
CONTRIBUTING = "contributing.md"
DECISIONS = "adr/README.md"
LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s#]+)(?P<anchor>#[^()\s]*)?\)")
FENCE = re.compile(r"^( *```\w+) .*$", re.MULTILINE)
ITEM = re.compile(r"(?:[-*+]|\d+\.) +")
log = logging.getLogger("mkdocs.hooks")


def tree(folder: Path) -> Iterator[Any]:
    """Every page of a folder, its own README first, folders below it as lists."""
    for path in sorted(folder.iterdir(), key=lambda p: (p.name != "README.md", p.is_dir(), p.name)):
        if path.suffix == ".md":
            yield path.relative_to(ROOT / "docs").as_posix()
        elif path.is_dir() and (below := list(tree(path))):
            yield {path.name.capitalize(): below}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation."""
    docs = ROOT / "docs"
    config.nav = [{"Joulemark": "index.md"}, *({title: list(tree(docs / name))} for title, name in SECTIONS.items())]
    config.nav[-1]["Decisions"].insert(0, DECISIONS)
    config.nav.append({"Contributing": CONTRIBUTING})
    return config


def contributing() -> str:
    """CONTRIBUTING.md, and the README's map of the house."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, heading, rest = readme.partition("## Map of the house\n")
    return (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8") + "\n" + heading + rest.partition("\n## ")[0]


def decisions() -> str:
    """A list of the decisions."""
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    titles = (page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in pages)
    rows = (f"| [{title}]({page.name}) |" for title, page in zip(titles, pages, strict=True))
    return "\n".join(["# Decisions", "", "Each is hard to reverse, and stays as it was written.", "", "| decision |", "|---|", *rows])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that have no file in docs/."""
    files.append(File.generated(config, CONTRIBUTING, content=contributing()))
    files.append(File.generated(config, DECISIONS, content=decisions()))
    return files


def placed(target: str, page: str) -> str:
    """Where a link of a page leads, from the root of the repository."""
    return posixpath.normpath(posixpath.join("" if page == CONTRIBUTING else f"docs/{posixpath.dirname(page)}", target))


def linked(found: re.Match[str], page: str) -> str:
    """A link as the site has it."""
    text, target, anchor = found["text"], found["target"], found["anchor"] or ""
    if "://" in target or target.startswith("mailto:"):
        return found[0]
    place = placed(target, page)
    if not (ROOT / place).exists():
        log.warning("%s links to %s, which does not exist", page, place)
    if place in ("README.md", "CONTRIBUTING.md"):
        place = f"docs/{CONTRIBUTING}"
    if not place.startswith("docs/"):
        return text if text.startswith("`") else f"{text} (`{place}`)"
    if (ROOT / place).is_dir():
        place += "/README.md"
    return f"[{text}]({posixpath.relpath(place, posixpath.dirname(f'docs/{page}'))}{anchor})"


def indented(markdown: str) -> str:
    """What belongs to an item of a list moved to the fourth column, where Python-Markdown looks for it."""
    lines, width = [], 0
    for line in markdown.split("\n"):
        if found := ITEM.match(line):
            width = len(found[0])
        elif line and not line.startswith(" " * width):
            width = 0
        elif width and line.strip():
            line = " " * max(0, 4 - width) + line
        lines.append(line)
    return "\n".join(lines)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page as MkDocs is to read it."""
    return indented(FENCE.sub(r"\1", LINK.sub(lambda found: linked(found, page.file.src_uri), markdown)))
