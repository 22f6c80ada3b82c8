"""The digest of the source that runs."""

from __future__ import annotations

from pathlib import Path

from joulemark import build


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    """A changed, renamed or added source file changes it; what is no source does not."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "sub/b.toml").write_text("2")
    seen = [build.digest(tmp_path)]
    (tmp_path / "a.pyc").write_text("3")
    assert build.digest(tmp_path) == seen[0]
    (tmp_path / "a.py").write_text("2")
    seen.append(build.digest(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    seen.append(build.digest(tmp_path))
    (tmp_path / "sub/d.py").write_text("")
    seen.append(build.digest(tmp_path))
    assert len(set(seen)) == 4


def test_the_package_has_one() -> None:
    """64 hexadecimal digits, the same each time."""
    assert build.source_sha256() == build.source_sha256() == build.digest(build.PACKAGE)
    assert len(bytes.fromhex(build.source_sha256())) == 32
