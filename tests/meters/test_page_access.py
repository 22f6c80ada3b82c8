"""Access to a page: which keys are refused, what is shown, and what a refusal means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from joulemark.errors import ConfigError
from joulemark.meters import page_access
from joulemark.meters.http import Answer


@dataclass(frozen=True)
class Keys:
    url: str = "http://127.0.0.1:8000/metrics"
    insecure: bool = False
    user: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    fingerprint: str = ""


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (Keys(url="ftp://host/metrics"), "no address of a page"),
        (Keys(url="http:///metrics"), "no address of a page"),
        (Keys(url="http://[half"), "no address of a page"),
        (Keys(url="http://user:hush@host/metrics"), "no address of a page"),
        (Keys(password_file=Path("x")), "go together"),
        (Keys(url="https://host/metrics", ca_file=Path("x"), fingerprint="00" * 32), "both set"),
        (Keys(fingerprint="zz"), "no SHA-256"),
        (Keys(url="http://host/metrics", token_file=Path("x")), "as text"),
    ],
)
def test_keys_that_are_refused(keys: Keys, words: str) -> None:
    """Each is refused under the name of its kind, and no password of an address is repeated."""
    with pytest.raises(ConfigError, match=words) as caught:
        page_access.check("mine", keys)
    assert "hush" not in str(caught.value)


def test_keys_that_are_taken(tmp_path: Path) -> None:
    """A token may go over http on this machine, and to another one where that is allowed or over https."""
    secret = tmp_path / "token"
    for keys in (
        Keys(token_file=secret),
        Keys(url="http://host/metrics", token_file=secret, insecure=True),
        Keys(url="https://host/metrics", token_file=secret),
    ):
        page_access.check("mine", keys)


def test_what_is_shown(tmp_path: Path) -> None:
    """A token goes as bearer, an account as basic, nothing without either; a secret that is not there is named by its file."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    assert page_access.credentials("mine", Keys()) == {}
    assert page_access.credentials("mine", Keys(token_file=secret)) == {"Authorization": "Bearer s3cret"}
    assert page_access.credentials("mine", Keys(user="a", password_file=secret)) == {"Authorization": "Basic YTpzM2NyZXQ="}
    with pytest.raises(ConfigError, match="mine token_file"):
        page_access.credentials("mine", Keys(token_file=tmp_path / "none"))


def test_what_a_refusal_means(tmp_path: Path) -> None:
    """401 asks for credentials, or for their correction by the file they are in; any other status is told as it is."""
    asked = page_access.refusal(Keys(), Answer(401, {}, b""))
    assert "who shows none" in asked.what
    assert "token_file" in asked.next_step
    wrong = page_access.refusal(Keys(token_file=tmp_path / "t"), Answer(403, {}, b""))
    assert str(tmp_path / "t") in wrong.next_step
    assert page_access.refusal(Keys(), Answer(503, {}, b"")).what.endswith("status 503")
