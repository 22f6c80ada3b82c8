"""The newcomer: reads a page as it stands, goes on from block to block, and is not content with less than all of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.newcomer import __main__ as newcomer
from tests.newcomer.ground import Ground, folder
from tests.newcomer.tutorial import blocks, reading_s, words
from tests.newcomer.walk import Walk

PAGE = """# Title

Four words of prose, [and a link](elsewhere.md).

```sh
mkdir sub && cd sub
# said by nobody
echo \\
  "Energy card of run 1"
```

```text
shown
```

<!-- runs until: ready -->
```sh
echo ready; sleep 60
```

```sh
test "$(basename "$PWD")" = sub
```
"""


HOOK = """#!/bin/sh
test -e .venv || ln -s "{venv}" .venv
"""


class Furnished(Ground):
    """A place where each clone finds the environment of this checkout, and nothing can be installed into it."""

    def environment(self) -> dict[str, str]:
        """With the Python that made the environment."""
        return {**super().environment(), "PYTHON": sys.executable, "PIP_NO_INDEX": "1"}


@pytest.fixture
def furnished(repository: Path) -> Iterator[Ground]:
    """The commits of this checkout and a home where git links the environment into what it clones; its path is as short as anybody's, for a
    socket's path has at most 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="jm-") as place:
        yield linked(repository, Path(place))


def linked(repository: Path, place: Path) -> Ground:
    """That ground in a folder."""
    plain = folder(repository, place)
    hook = plain.seen_from_here / "template" / "hooks" / "post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(HOOK.format(venv=repository / ".venv"), encoding="utf-8")
    hook.chmod(0o755)
    (plain.seen_from_here / ".gitconfig").write_text(f'[init]\n\ttemplateDir = "{hook.parents[1]}"\n', encoding="utf-8")
    return Furnished(plain.name, plain.command, plain.home, plain.seen_from_here, plain.repository)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """An empty folder beside a repository of one commit."""
    made = tmp_path / "made"
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", "-C", str(made)]
    subprocess.run(["git", "init", "--quiet", made], check=True)
    subprocess.run([*command, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True)
    return folder(made, tmp_path)


def test_blocks_commands_and_words_are_counted() -> None:
    """Comments are no commands, a continued line is one, links count by their text, and comments of the page are not read."""
    first, second, third = blocks(PAGE)
    assert (first.commands, second.commands, third.commands) == (2, 1, 1)
    assert (first.until, second.until) == ("", "ready")
    assert words("four words [and a](b/c.md) link <!-- not this -->") == 5
    assert words(PAGE[: PAGE.index("```sh")]) == 8
    assert reading_s(400) == 120


def test_the_tutorial_is_found_whole(repository: Path) -> None:
    """No block of the tutorial escapes the newcomer by another fence, and the last one is ended by Ctrl-C."""
    page = (repository / newcomer.PAGE).read_text(encoding="utf-8")
    found = list(blocks(page))
    assert len(found) == page.count("```sh") == page.count("```") // 2 - page.count("```text")
    assert [bool(block.until) for block in found] == [False] * (len(found) - 1) + [True]


def test_every_block_is_walked(ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blocks run in order, each in the folder the last one left; one that does not end gets Ctrl-C; commands are those until the card."""
    monkeypatch.setattr(newcomer, "TRANSCRIPT", tmp_path / "newcomer.md")
    assert newcomer.judged(PAGE, ground)
    line = json.loads(capsys.readouterr().out)
    assert line["commands"] == 2
    assert 0 <= line["first_card_s"] - reading_s(words(PAGE[: PAGE.index("```text")])) < 5
    assert "$ echo ready; sleep 60" in (tmp_path / "newcomer.md").read_text()


@pytest.mark.slow
def test_every_block_of_the_tutorial_runs(
    repository: Path, furnished: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the installation, which `make newcomer` does: clone, card, the card computed again, a stronger source, a server."""
    monkeypatch.setattr(newcomer, "TRANSCRIPT", tmp_path / "newcomer.md")
    page = (repository / newcomer.PAGE).read_text(encoding="utf-8")
    assert newcomer.judged(page, furnished), capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["commands"] == 2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mkdir sub", "mkdir no/sub"),
        ("Energy card", "Other card"),
        ("= sub", "= other"),
        ("echo ready; sleep 60", "echo idle"),
        ("Four words", "Four " + 500 * "words "),
    ],
)
def test_less_is_red(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, right: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block that fails, no card, a server that never says it is ready, and a page too long to read each turn it red."""
    monkeypatch.setattr(newcomer, "TRANSCRIPT", tmp_path / "newcomer.md")
    assert not newcomer.judged(PAGE.replace(right, wrong), ground)
    assert capsys.readouterr().err


def test_ctrl_c_ends_a_block_also_in_the_background(ground: Ground) -> None:
    """Where Ctrl-C is ignored, as it is for what a shell starts in the background, a block that waits for it ends by it all the same."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        (block,) = blocks("<!-- runs until: ready -->\n```sh\necho ready; exec sleep 20\n```\n")
        step = Walk(ground).take(block)
    finally:
        signal.signal(signal.SIGINT, before)
    assert step.status == 0
    assert step.end_s - step.begin_s < 15


def test_a_block_sees_nothing_of_this_environment(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of this machine do not reach a block; the repository does, and can be cloned."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    (block,) = blocks('```sh\necho "${PYTHONPATH:-none}" && git clone -q "$REPOSITORY" c && git -C c log --oneline\n```\n')
    step = Walk(ground).take(block)
    assert step.status == 0
    assert step.said[0][1] == "none"
