"""The site as a reader meets it: built strictly, every link followed to its page and its anchor, nothing loaded from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

ROOT: Final = Path(__file__).resolve().parents[2]
LOADING: Final = {"src": ("script", "img", "iframe", "source", "video"), "href": ("link",)}
"""Attributes by which a page fetches something without being asked."""
VERBATIM: Final = ("code", "pre", "script", "style")
MARKUP: Final = ("```", "](", "**", "| ---", "|---", "<!-- ")
"""What a reader sees of a page that was not understood."""


@dataclass
class Page(HTMLParser):
    """One page: its anchors, what it links to and what it loads, and the words that are no code."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    verbatim: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.verbatim += tag in VERBATIM
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.loads += [given[name] for name, tags in LOADING.items() if tag in tags and name in given]

    def handle_endtag(self, tag: str) -> None:
        self.verbatim -= tag in VERBATIM

    def handle_data(self, data: str) -> None:
        if not self.verbatim:
            self.said.append(data)


def build(site: Path, config: Path = ROOT / "mkdocs.yml") -> list[str]:
    """Build the site; the warnings and errors of MkDocs."""
    command: list[str | Path] = [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--config-file", config, "--site-dir", site]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    found = [line for line in done.stderr.splitlines() if line.startswith(("WARNING", "ERROR"))]
    return found or ([] if done.returncode == 0 else [f"mkdocs ends with {done.returncode}: {done.stderr.strip()[-500:]}"])


def pages(site: Path) -> dict[Path, Page]:
    """Every page of a built site."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    return found


def outside(link: str) -> bool:
    """Whether a link leads out of the site."""
    return link.startswith("//") or bool(urlsplit(link).scheme)


def broken(site: Path, found: dict[Path, Page]) -> Iterator[str]:
    """Links within the site that lead to no file, or to no anchor of a page. 404.html is served from anywhere, and not followed."""
    for path, page in found.items():
        for link in () if path.name == "404.html" else page.links:
            if outside(link):
                continue
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or not target.is_relative_to(site):
                yield f"{path.relative_to(site)}: {link} leads to no file"
            elif parts.fragment and target in found and unquote(parts.fragment) not in found[target].anchors:
                yield f"{path.relative_to(site)}: {link} leads to no anchor"


def faults(site: Path, found: dict[Path, Page]) -> Iterator[str]:
    """What is loaded from elsewhere, and markup that stands there as text."""
    for path, page in found.items():
        yield from (f"{path.relative_to(site)}: loads {link}" for link in page.loads if outside(link) and not link.startswith("data:"))
        text = "".join(page.said)
        yield from (f"{path.relative_to(site)}: shows {mark!r}" for mark in MARKUP if mark in text)


def external(found: dict[Path, Page]) -> set[str]:
    """Addresses outside that pages link to; listed, never fetched."""
    return {link for page in found.values() for link in page.links if outside(link)}
