"""A question shows its address without what is secret in it."""

from __future__ import annotations

from joulemark.pricing.question import Question


def test_secrets_are_neither_kept_nor_shown() -> None:
    """Headers and secret keys of the query are in no text of the question, and are blotted out where others repeat them."""
    asked = Question("GET", "https://a.com/p?zone=NL&key=abcd1234", {"Authorization": "Bearer wxyz9876"})
    assert asked.kept == asked.shown == "https://a.com/p?zone=NL"
    assert asked.masked("abcd1234 in NL, wxyz9876: Bearer") == "*** in NL, ***: ***"
    assert "abcd1234" not in repr(asked)
    assert "wxyz9876" not in repr(asked)


def test_a_long_address_is_cut_in_messages() -> None:
    """What is kept is whole, what is shown has 200 characters."""
    asked = Question("GET", "https://a.com/" + "p" * 300)
    assert (len(asked.kept), len(asked.shown), asked.shown[-3:]) == (314, 200, "...")


def test_a_secret_leaves_the_machine_only_in_cipher() -> None:
    """Over http a key goes to this machine alone; without a key, and over https, anything may be asked."""
    key = {"Authorization": "Bearer wxyz9876"}
    assert Question("GET", "http://a.com/p", key).exposed
    assert Question("GET", "http://a.com/p?token=abcd").exposed
    assert not Question("GET", "http://127.0.0.1:8080/p", key).exposed
    assert not Question("GET", "https://a.com/p?token=abcd", key).exposed
    assert not Question("GET", "http://a.com/p?zone=NL").exposed
