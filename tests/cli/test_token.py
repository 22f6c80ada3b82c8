"""`joulemark token`, as an operator uses it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from joulemark.cli import group
from joulemark.collector.tokens import Scope, Tokens
from joulemark.errors import JoulemarkError, UsageError
from joulemark.timebase import SystemClock

NOW = SystemClock().utc_ns()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "joulemark.toml"
    path.write_text(f'[collector]\ndata_dir = "{tmp_path}/data"\n')
    return path


def token(config: Path, *args: str) -> Result:
    """The command to its end; its deliberate error is raised."""
    result = CliRunner().invoke(group, ["token", *args, "--config", str(config)])
    if isinstance(result.exception, JoulemarkError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_token_is_printed_once_and_works(config: Path, tmp_path: Path) -> None:
    """What stands on stdout is the token and nothing else; the list shows name and scope, never the token."""
    secret = token(config, "create", "ci", "--scope", "write").stdout.strip()
    holder = Tokens(tmp_path / "data").holder(secret, NOW)
    assert holder is not None
    assert (holder.name, holder.scope, holder.expires_ns) == ("ci", Scope.WRITE, None)
    shown = token(config, "list").output
    assert "ci" in shown
    assert "write" in shown
    assert secret not in shown


def test_a_token_into_a_file_is_printed_nowhere(config: Path, tmp_path: Path) -> None:
    """--out makes a file of mode 600 with the token; an existing file is left alone and no token is made."""
    out = tmp_path / "ci.token"
    result = token(config, "create", "ci", "--scope", "read", "--days", "2", "--out", str(out), "--json")
    secret = out.read_text().strip()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert secret not in result.output
    answer = json.loads(result.stdout)
    assert (answer["file"], answer["scope"]) == (str(out), "read")
    assert 1 < (answer["expires_ns"] - NOW) / 86_400e9 < 2.1
    with pytest.raises(UsageError, match="cannot create"):
        token(config, "create", "other", "--scope", "read", "--out", str(out))
    with pytest.raises(UsageError, match="token revoke ci"):
        token(config, "create", "ci", "--scope", "read", "--out", str(tmp_path / "second"))
    assert not (tmp_path / "second").exists()
    assert [row["name"] for row in json.loads(token(config, "list", "--json").stdout)] == ["ci"]


def test_a_revoked_token_is_gone(config: Path, tmp_path: Path) -> None:
    """After revoke the token opens nothing; revoking it again is a usage error that names the list."""
    secret = token(config, "create", "ci", "--scope", "admin", "--json").stdout
    token(config, "revoke", "ci")
    assert Tokens(tmp_path / "data").holder(json.loads(secret)["token"], NOW) is None
    with pytest.raises(UsageError, match="joulemark token list"):
        token(config, "revoke", "ci")
    assert "joulemark token create" in token(config, "list").output


def test_the_list_says_what_expired(config: Path, tmp_path: Path) -> None:
    """A token past its time is still listed, as expired."""
    Tokens(tmp_path / "data").create("old", Scope.READ, created_ns=1, expires_ns=2)
    assert json.loads(token(config, "list", "--json").stdout)[0]["expired"] is True
    assert "expired" in token(config, "list").output


def test_an_empty_list_says_who_is_let_in(config: Path) -> None:
    """Before the first token this machine may do everything; after the last one was revoked nobody may."""
    assert "this machine may do everything" in token(config, "list").stdout
    token(config, "create", "ci", "--scope", "read")
    token(config, "revoke", "ci")
    assert "nobody is let in" in token(config, "list").stdout
