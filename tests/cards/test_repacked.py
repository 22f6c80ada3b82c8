"""An archive written anew: members in their order with their bytes, ours behind them, the old file whole until the new one is."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from joulemark.cards.repacked import repacked
from joulemark.errors import FormatError, UsageError
from joulemark.unpacked import unpacked

MEMBERS = {"b/run.json": b"{}", "b/zz.log": b"z" * 70_000, "b/aa.log": b"a", "b/" + "long" * 40: b"l"}


def packed(path: Path, *, prefix: str = "") -> Path:
    """An archive whose members are in no order of names, with a folder, modes and times of their own."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("b/"), b"")
            for name, data in MEMBERS.items():
                info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
                info.external_attr = 0o100600 << 16
                archive.writestr(info, data)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, content in {f"{prefix}b": None, **{f"{prefix}{name}": data for name, data in MEMBERS.items()}}.items():
            info = tarfile.TarInfo(name)
            info.mtime, info.mode, info.uid = 1_700_000_000.5, 0o640, 1000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def members(path: Path) -> list[tuple[str, bytes, object]]:
    """(name, bytes, what the header says besides) of each file, in order."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return [(i.filename, archive.read(i), (i.date_time, i.external_attr)) for i in archive.infolist() if not i.is_dir()]
    with tarfile.open(path) as tar:
        return [(i.name, tar.extractfile(i).read(), (i.mtime, i.mode, i.uid)) for i in tar if i.isreg()]  # type: ignore[union-attr]  # plain files


@pytest.mark.parametrize("archive", ["x.zip", "x.tgz"])
def test_own_members_first_and_as_they_were(tmp_path: Path, archive: str) -> None:
    """The archive's own members keep order, bytes, times and modes; one is renamed, one left out, ours come last; equal twice."""
    path = packed(tmp_path / archive)
    before = members(path)
    folder = unpacked(path, made(tmp_path / "out")).parent
    (folder / "b/aa.orig.log").write_bytes(b"a")
    (folder / "b/new.json").write_bytes(b"n")
    names = {"b/aa.log": "b/aa.orig.log", "b/zz.log": None}
    for to in (tmp_path / f"1{archive}", tmp_path / f"2{archive}"):
        repacked(path, to, folder=folder, names=names, ours=["b/new.json"])
    after = members(tmp_path / f"1{archive}")
    renamed = [(names.get(name, name), data, head) for name, data, head in before]
    assert after[:-1] == [one for one in renamed if one[0] is not None]
    assert after[-1][:2] == ("b/new.json", b"n")
    assert (tmp_path / f"1{archive}").read_bytes() == (tmp_path / f"2{archive}").read_bytes()
    assert not list(tmp_path.glob(".*.part"))


def made(path: Path) -> Path:
    path.mkdir()
    return path


def test_members_that_begin_with_a_dot(tmp_path: Path) -> None:
    """Names as `tar -C folder .` writes them stay as they are."""
    path = packed(tmp_path / "x.tgz", prefix="./")
    unpacked(path, made(tmp_path / "out"))
    repacked(path, tmp_path / "y.tgz", folder=tmp_path / "out", names={}, ours=[])
    assert members(tmp_path / "y.tgz") == members(path)


def test_in_place_and_where_nothing_can_be_written(tmp_path: Path) -> None:
    """An archive takes the place of the old one at once; where that cannot be, the old one is as it was."""
    path = packed(tmp_path / "x.zip")
    folder = made(tmp_path / "out")
    unpacked(path, folder)
    with pytest.raises(UsageError, match="--output"):
        repacked(path, tmp_path / "none" / "x.zip", folder=folder, names={}, ours=[])
    before = members(path)
    repacked(path, path, folder=folder, names={}, ours=[])
    assert members(path) == before


def test_a_damaged_archive(tmp_path: Path) -> None:
    """Half an archive is refused, and nothing takes its place."""
    path = packed(tmp_path / "x.tgz")
    unpacked(path, made(tmp_path / "out"))
    data = path.read_bytes()[:-60]
    path.write_bytes(data)
    with pytest.raises(FormatError, match="damaged"):
        repacked(path, path, folder=tmp_path / "out", names={}, ours=[])
    assert path.read_bytes() == data
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("archive", ["x.zip", "x.tgz"])
def test_who_may_read_the_archive(tmp_path: Path, archive: str) -> None:
    """An archive that only its owner may read is not opened to others by being written anew."""
    path = packed(tmp_path / archive)
    path.chmod(0o600)
    folder = unpacked(path, made(tmp_path / "out")).parent
    repacked(path, tmp_path / f"1{archive}", folder=folder, names={}, ours=[])
    assert (tmp_path / f"1{archive}").stat().st_mode & 0o777 == 0o600
