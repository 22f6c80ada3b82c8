"""What a check answers."""

from __future__ import annotations

from joulemark.cli.findings import Status, fail, ok, warn


def test_a_finding_says_what_to_do_unless_all_is_well() -> None:
    """Three kinds, as JSON with plain text; only a good one has nothing to mend."""
    found = [ok("a", "fine").to_json(), warn("a", "slow", "faster").to_json(), fail("a", "broken", "mend it").to_json()]
    assert [finding["status"] for finding in found] == ["ok", "warn", "fail"] == list(Status)
    assert [finding["mend"] for finding in found] == ["", "faster", "mend it"]
    assert found[2] == {"name": "a", "status": "fail", "detail": "broken", "mend": "mend it"}
