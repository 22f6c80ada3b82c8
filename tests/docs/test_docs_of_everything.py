"""The checker of the documentation: the tree is clean, and each kind of fault is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import __main__ as docs
from tests.docs import named, prose, site

PAGE = '<html><body><h1 id="top">A</h1><a href="b.html#here">b</a>{more}</body></html>'
OTHER = '<html><body><p id="here">**bold** is code in <code>**kw</code></p><a href="a.html">a</a></body></html>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site of two pages."""
    (tmp_path / "a.html").write_text(PAGE.format(more=""))
    (tmp_path / "b.html").write_text(OTHER.replace("**bold**", "bold"))
    return tmp_path.resolve()


@pytest.mark.parametrize("kind", named.KINDS)
def test_everything_of_a_kind_is_named(kind: str) -> None:
    """There are such things, each stands in the reference, and nothing else does."""
    assert named.KINDS[kind]()[0]
    assert named.astray(kind) == []


@pytest.mark.parametrize("mutation", ["key", "route"])
def test_a_missing_name_is_seen(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or a route that loses its row is told by name, and so is what stands there in its place."""
    page, spoilt = docs.spoil(mutation)
    whole = named.text
    monkeypatch.setattr(named, "text", lambda asked: spoilt if asked == page else whole(asked))
    (missing, surplus) = named.astray({"key": "[agent]", "route": "route"}[mutation])
    assert missing.endswith("is not in the reference")
    assert surplus.endswith("not in the code")


def test_a_whole_site_has_no_fault(folder: Path) -> None:
    """Links to pages and to anchors that are there are no fault, nor is markup inside code."""
    found = site.pages(folder)
    assert list(site.broken(folder, found)) == []
    assert list(site.faults(folder, found)) == []


@pytest.mark.parametrize(
    "more",
    [
        '<a href="c.html">c</a>',
        '<a href="b.html#there">b</a>',
        '<a href="#bottom">down</a>',
        '<a href="../a.html">up</a>',
        '<a href="/a.html">root</a>',
    ],
)
def test_a_broken_link_is_seen(folder: Path, more: str) -> None:
    """No such page, no such anchor on another page or on this one, and what leads out of the site by a path."""
    (folder / "a.html").write_text(PAGE.format(more=more))
    assert len(list(site.broken(folder, site.pages(folder)))) == 1


@pytest.mark.parametrize(
    "more",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/f.css">',
        '<img src="http://pictures.example/p.png">',
        "<p>| --- | was no table</p>",
        "<p>```sh</p>",
        "<p>[text](target.md)</p>",
    ],
)
def test_foreign_assets_and_raw_markup_are_seen(folder: Path, more: str) -> None:
    """What a page loads from elsewhere, and markup that a reader would see as such."""
    (folder / "a.html").write_text(PAGE.format(more=more))
    assert len(list(site.faults(folder, site.pages(folder)))) == 1


def test_links_outside_are_listed(folder: Path) -> None:
    """They are no fault and are not followed."""
    (folder / "a.html").write_text(PAGE.format(more='<a href="https://example.org/x">x</a>'))
    found = site.pages(folder)
    assert site.external(found) == {"https://example.org/x"}
    assert list(site.broken(folder, found)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see `src/joulemark/nowhere.py`", "src/joulemark/nowhere.py does not exist"),
        ("`joulemark compuet --json`", "joulemark has no command compuet"),
        ("```sh\njoulemark price improt x\n```\n", "joulemark price has no command improt"),
        ("1. do\n\n   ```sh\n   joulemark validate b \\\n     --jsn\n   ```\n", "joulemark validate has no option --jsn"),
        ("`joulemark run --labels a=b -- sleep 1`", "joulemark run has no option --labels"),
    ],
)
def test_a_false_word_is_seen(text: str, fault: str) -> None:
    """A path that is not there, a command that does not exist, an option that it does not have, in prose and in blocks."""
    (found,) = prose.astray(text)
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "`docs/reference/meters/KIND.md` and [tests](../tests/kit), `src/joulemark/*.py`",
        "```sh\njoulemark run --label a=b -- tool --unknown   # joulemark nothing --here\n```\n",
        "`joulemark cost BUNDLE --json`, `joulemark completion bash`, `.venv/bin/joulemark doctor`",
    ],
)
def test_true_words_pass(text: str) -> None:
    """Capitals stand for a name, options of a measured command are its own, comments are not looked at."""
    assert prose.astray(text) == []
