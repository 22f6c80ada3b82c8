"""Tokens: what is kept of them, who is let in, and that a change is seen at once."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from joulemark.collector.tokens import Scope, Tokens
from joulemark.errors import ConfigError, UsageError

NOW = 1_790_000_000_000_000_000


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "data")


def test_a_secret_is_nowhere_in_the_file(tokens: Tokens) -> None:
    """The file holds a hash and no part of the secret, and only its owner may read it."""
    secret = tokens.create("ci", Scope.WRITE, created_ns=NOW)
    text = tokens.path.read_text()
    assert all(secret[i : i + 12] not in text for i in range(len("joulemark_"), len(secret) - 12))
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert len(secret) >= len("joulemark_") + 43


def test_only_the_whole_secret_of_a_valid_token_is_let_in(tokens: Tokens) -> None:
    """The right secret names its holder; a prefix, another case, its hash, the empty text and one that expired name nobody."""
    secret = tokens.create("ci", Scope.WRITE, created_ns=NOW, expires_ns=NOW + 10)
    other = tokens.create("page", Scope.READ, created_ns=NOW)
    holder = tokens.holder(secret, NOW + 9)
    assert holder is not None
    assert (holder.name, holder.scope) == ("ci", Scope.WRITE)
    wrong = (secret[:-1], secret.upper(), holder.sha256, "", "\udcff", f"{secret}\n")
    assert [tokens.holder(text, NOW) for text in wrong] == [None] * len(wrong)
    assert tokens.holder(secret, NOW + 10) is None
    assert tokens.holder(other, NOW * 2) is not None


def test_another_process_change_is_seen(tokens: Tokens, tmp_path: Path) -> None:
    """A token that the command makes beside a running collector opens at once, and closes at once when it is revoked."""
    served = Tokens(tmp_path / "data")
    assert (served.configured, served.entries()) == (False, ())
    secret = tokens.create("ci", Scope.READ, created_ns=NOW)
    assert served.holder(secret, NOW) is not None
    tokens.revoke("ci")
    assert served.holder(secret, NOW) is None
    assert served.configured


def test_a_link_to_nowhere_is_no_open_door(tokens: Tokens) -> None:
    """Where tokens.json is a link whose target is away, tokens are asked for and nobody has one."""
    tokens.path.parent.mkdir()
    tokens.path.symlink_to("nowhere")
    assert (tokens.configured, tokens.entries()) == (True, ())


def test_names_are_one_each(tokens: Tokens) -> None:
    """A taken name, an unknown one and one that is no name are usage errors, and leave the file as it was."""
    tokens.create("ci", Scope.READ, created_ns=NOW)
    before = tokens.path.read_bytes()
    with pytest.raises(UsageError, match="joulemark token revoke ci"):
        tokens.create("ci", Scope.ADMIN, created_ns=NOW)
    with pytest.raises(UsageError, match="joulemark token list"):
        tokens.revoke("else")
    for name in ("", "a b", "../x", "x" * 65, "a\n", "-a"):
        with pytest.raises(UsageError):
            tokens.create(name, Scope.READ, created_ns=NOW)
    assert tokens.path.read_bytes() == before


def test_two_commands_at_once_lose_nothing(tokens: Tokens) -> None:
    """Twenty tokens made at the same time by as many writers are all there."""

    def make(number: int) -> str:
        return Tokens(tokens.path.parent).create(f"t{number}", Scope.READ, created_ns=NOW)

    with ThreadPoolExecutor(20) as pool:
        secrets = list(pool.map(make, range(20)))
    assert all(tokens.holder(secret, NOW) is not None for secret in secrets)


def test_a_command_of_root_touches_no_other_file(tokens: Tokens, tmp_path: Path) -> None:
    """Links that the owner of the folder laid where the command works lead it to no file outside, and it leaves nothing but the tokens."""
    other = tmp_path / "other"
    other.write_text("not ours")
    tokens.path.parent.mkdir()
    for name in ("tokens.lock", "tokens.new"):
        (tokens.path.parent / name).symlink_to(other)
    tokens.create("ci", Scope.READ, created_ns=NOW)
    assert other.read_text() == "not ours"
    assert not tokens.path.is_symlink()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "else/1", "tokens": []}', '{"schema": "joulemark.tokens/1", "tokens": [{}]}'])
def test_a_damaged_file_lets_nobody_in(tokens: Tokens, text: str) -> None:
    """A file that cannot be understood is an error that says so; it is neither an empty list nor an open door."""
    tokens.path.parent.mkdir()
    tokens.path.write_text(text)
    with pytest.raises(ConfigError, match=r"tokens\.json cannot be used"):
        tokens.holder("x", NOW)
    assert tokens.configured


def test_scopes_include_the_narrower_ones() -> None:
    """Admin covers write, write covers submit, submit covers read, and not the other way round."""
    order = ("read", "submit", "write", "admin")
    assert tuple(Scope) == order
    assert all(held.covers(needed) == (order.index(held) >= order.index(needed)) for needed in Scope for held in Scope)


def test_the_file_names_its_version(tokens: Tokens) -> None:
    """A later version can tell what it reads."""
    tokens.create("ci", Scope.READ, created_ns=NOW)
    assert json.loads(tokens.path.read_text())["schema"] == "joulemark.tokens/1"
