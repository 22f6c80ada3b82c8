"""Seals: what a signature proves, and that nothing else passes for one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError
from joulemark.pki import seal

KEY, OTHER = seal.key_of_seed(b"\1" * 32), seal.key_of_seed(b"\2" * 32)
SHA256 = "ab" * 32


def test_a_signature_holds_for_its_key_and_hash_alone() -> None:
    """Another key or another hash makes it false."""
    word = seal.signed(KEY, SHA256)
    assert seal.holds(seal.public_text(KEY), SHA256, word)
    assert not seal.holds(seal.public_text(OTHER), SHA256, word)
    assert not seal.holds(seal.public_text(KEY), "ac" * 32, word)


@given(key=st.text(max_size=60), sha256=st.text(max_size=70), word=st.text(max_size=100))
def test_what_is_no_signature_does_not_hold(key: str, sha256: str, word: str) -> None:
    """Any text in any place is answered with False."""
    assert not seal.holds(key, sha256, word)
    assert not seal.holds(seal.public_text(KEY), SHA256, word)


def test_a_signer_names_role_key_and_head() -> None:
    """The signature of a head says who made it, and holds."""
    made = seal.signer(KEY, role="agent")(SHA256)
    assert (made.role, made.public_key, made.head_sha256) == ("agent", seal.public_text(KEY), SHA256)
    assert seal.holds(made.public_key, made.head_sha256, made.signature)


def test_a_key_is_kept_for_its_owner(tmp_path: Path) -> None:
    """A written key comes back, is readable by nobody else, and is never written over."""
    path = tmp_path / "agent.pem"
    key = seal.new_key()
    seal.write_key(path, key)
    assert seal.public_text(seal.read_key(path)) == seal.public_text(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        seal.write_key(path, key)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """The error names the file and how to make one."""
    path = tmp_path / "agent.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="openssl genpkey"):
        seal.read_key(path)
