"""Whose keys count: the verifier's list, beside the published key of the kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.pki import seal
from joulemark.standard.trust import Trust
from tests.kit.lab import KIT_KEY


def test_the_key_of_the_kit_is_known_as_such() -> None:
    """Its private half is published: it is in every list, in the role of the kit and no other."""
    key = Trust.read().key(seal.public_text(KIT_KEY))
    assert key is not None
    assert key.role == "kit"


def test_a_stranger_is_nobody() -> None:
    """A key that stands in no list is not known."""
    assert Trust.read().key("AAAA") is None


def test_a_file_adds_keys(tmp_path: Path) -> None:
    """The keys of the file count beside the kit's."""
    path = tmp_path / "trust.toml"
    path.write_text('[[key]]\npublic_key = "k"\nrole = "agent"\nowner = "lab 7"\n')
    trust = Trust.read(path)
    assert len(trust.keys) == 2
    key = trust.key("k")
    assert key is not None
    assert key.owner == "lab 7"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[[key]", "not valid TOML"),
        ("key = 3", "no list of keys"),
        ("[other]\nx = 1", "no list of keys"),
        ('[[key]]\npublic_key = "k"', "role missing"),
        ('[[key]]\npublic_key = "k"\nrole = "boss"', "none of agent"),
        ('[[key]]\npublic_key = 3\nrole = "agent"', "public_key"),
    ],
)
def test_a_broken_list_is_refused(tmp_path: Path, content: str, words: str) -> None:
    """A list that cannot be understood trusts nobody: it is an error, never an empty list."""
    path = tmp_path / "trust.toml"
    path.write_text(content)
    with pytest.raises(FormatError, match=words):
        Trust.read(path)
