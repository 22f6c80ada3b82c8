"""The checker of the documentation: the tree is clean, and each kind of fault is seen."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.docs import __main__ as docs
from tests.docs import configured, named, prose, site

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
        ("`joulemark compuet --json`", "no command 'compuet'"),
        ("```sh\njoulemark price improt x\n```\n", "joulemark price: No such command 'improt'"),
        ("1. do\n\n   ```sh\n   joulemark validate b \\\n     --jsn\n   ```\n", "joulemark validate: No such option '--jsn'"),
        ("`joulemark run --labels a=b -- sleep 1`", "joulemark run exec: No such option '--labels'"),
        ("```sh\njoulemark run phase decode --begin -q\n```\n", "joulemark run phase: No such option '-q'"),
        ("```sh\njoulemark validate --json\n```\n", "joulemark validate: BUNDLE is missing"),
        ("```sh\njoulemark explain SMP-3 SMP-4\n```\n", "joulemark explain: SMP-4 is one word too many"),
        ("```sh\nid=$(joulemark token create ci --scope wirte --out t) && echo\n```\n", "--scope: 'wirte' is not one of"),
        ("```sh\nsystemd-run --user joulemark collector verify b --att x\n```\n", "joulemark collector verify: No such option '--att'"),
        ("```\njoulemark doctor\n```\n", "a block without a language"),
        ("do\n\n    joulemark doctor\n", "a block without a fence"),
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


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ("[agent]\ninterval_s = 1", "unknown key 'interval_s'"),
        ('[[meter]]\nkind = "nvlm"', "no meter kind 'nvlm'"),
        ('[[meter]]\nkind = "ipmi"\nhots = "10.0.0.21"', "unknown key 'hots'"),
        ('[[feed]]\nkind = "azure_retail"\nregion = "eastus"', "unknown key 'region'"),
        ('schema = "joulemark.onprem/1"\ncapex = "1"', "missing"),
        ('[[key]]\npublic_key = "x"\nrole = "king"\nowner = "y"', "role"),
        ("[agent", "Expected"),
        ("[agnet]\ncords = []", "no program reads agnet"),
    ],
)
def test_a_false_block_of_configuration_is_seen(block: str, fault: str) -> None:
    """No TOML, a key or a kind that does not exist, and what no program would read; indented in a list as at the margin."""
    shown = textwrap.indent(f"```toml\n{block}\n```\n", "   ")
    for page in (f"```toml\n{block}\n```\n", f"1. write\n\n{shown}"):
        (found,) = configured.faults(page)
        assert fault in found


def test_every_page_shows_what_works() -> None:
    """Every command line that a page shows is taken by click's parser, and every block of TOML by what reads such a file."""
    shown = {page: page.read_text(encoding="utf-8") for page in prose.pages()}
    typed = [call for text in shown.values() for _, block in prose.FENCE.findall(text) for call in map(prose.called, prose.joined(block))]
    assert len([words for call in typed for words in call]) > 100
    assert len([block for text in shown.values() for block in configured.blocks(text)]) > 30
    assert [f"{page.name}: {fault}" for page, text in shown.items() for fault in prose.astray(text)] == []
