"""Archives: what is unpacked, and everything that refuses the whole of it."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark import unpacked as module
from joulemark.errors import FormatError
from joulemark.unpacked import Bounded, in_tar, unpacked
from tests.mutations import mutated


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


def opened(data: bytes, folder: Path) -> Path:
    (folder / "archive").write_bytes(data)
    into = folder / "into"
    into.mkdir()
    return unpacked(folder / "archive", into, own="energy")


@pytest.mark.parametrize(
    "data", [zip_of(("run/energy/a.json", b"{}")), tar_of((tar_entry("run/energy/a.json"), b"{}"))], ids=["zip", "tgz"]
)
def test_the_only_folder_is_the_bundle(data: bytes, tmp_path: Path) -> None:
    """An archive made from outside of a folder gives that folder."""
    place = opened(data, tmp_path)
    assert place.name == "run"
    assert (place / "energy" / "a.json").read_bytes() == b"{}"


def test_a_part_of_a_bundle_is_never_the_whole(tmp_path: Path) -> None:
    """The only folder of an archive is not entered where its name says that it is part of the bundle."""
    place = opened(zip_of(("energy/a.json", b"{}")), tmp_path)
    assert (place / "energy" / "a.json").read_bytes() == b"{}"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "tar above": lambda: tar_of((tar_entry("../x"), b"1")),
    "tar absolute": lambda: tar_of((tar_entry("/x"), b"1")),
    "tar link": lambda: tar_of((tar_entry("energy", tarfile.SYMTYPE, "/etc"), b"")),
    "tar hard link": lambda: tar_of((tar_entry("x", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "tar device": lambda: tar_of((tar_entry("x", tarfile.CHRTYPE), b"")),
    "tar pipe": lambda: tar_of((tar_entry("x", tarfile.FIFOTYPE), b"")),
    "tar twice": lambda: tar_of((tar_entry("x"), b"1"), (tar_entry("x"), b"2")),
    "tar file below a file": lambda: tar_of((tar_entry("x"), b"1"), (tar_entry("x/y"), b"2")),
    "tar cut": lambda: tar_of((tar_entry("x"), b"1" * 9000))[:60],
    "zip above": lambda: zip_of(("a/../../x", b"1")),
    "zip drive": lambda: zip_of(("C:x", b"1")),
    "zip link": lambda: zip_of((zip_link("x"), b"/etc/passwd")),
    "zip packed otherwise": lambda: zip_of(("x", b"1"), how=zipfile.ZIP_BZIP2),
    "zip escape sequence": lambda: zip_of(("\x1b[2J", b"1")),
    "zip long name": lambda: zip_of(("n" * 300, b"1")),
    "neither": lambda: b"hello",
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(name: str, tmp_path: Path) -> None:
    """Links, devices, names that leave the folder or stand twice, and damage: FormatError, and no file outside."""
    with pytest.raises(FormatError):
        opened(HOSTILE[name](), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "into"}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("data", [zip_of(("x", bytes(200_000))), tar_of((tar_entry("x"), bytes(200_000)))], ids=["zip", "tgz"])
def test_a_bomb_ends_at_the_bound(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to more than the bound is refused when the bound is reached, whatever its headers say."""
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    with pytest.raises(FormatError, match="more than 100000 bytes"):
        opened(data, tmp_path)


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are counted too."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    with pytest.raises(FormatError, match="more than 3 entries"):
        opened(zip_of(*((f"f{n}", b"") for n in range(4))), tmp_path)


def tar_stream(*blocks: bytes) -> bytes:
    return gzip.compress(b"".join(blocks) + bytes(1024), 1)


def sparse_map(blocks: int) -> bytes:
    """A sparse file of the old kind: its map goes on for so many blocks, before anything of its data."""
    head = bytearray(tar_entry("x", tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return tar_stream(bytes(head), ((b"%011o " % 1) * 42 + b"\1" + bytes(7)) * blocks)


def sparse_list(count: int) -> bytes:
    """A sparse file of the new kind: its map stands where the data would."""
    head = tar_entry("x")
    head.pax_headers, head.size = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"}, 2 * count
    return tar_stream(head.tobuf(tarfile.PAX_FORMAT), b"%d\n" % count, b"1\n" * count)


def long_header(kind: bytes, size: int) -> bytes:
    head = tar_entry("x", kind)
    head.size = size
    return tar_stream(head.tobuf(tarfile.GNU_FORMAT), b"a" * size)


HEADERS: dict[str, Callable[[], bytes]] = {
    "sparse map": lambda: sparse_map(400),
    "sparse list": lambda: sparse_list(100_000),
    "long name": lambda: long_header(tarfile.GNUTYPE_LONGNAME, 200_000),
    "extended header": lambda: long_header(tarfile.XHDTYPE, 200_000),
    "global header": lambda: long_header(tarfile.XGLTYPE, 200_000),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_bounded_too(name: str, tmp_path: Path) -> None:
    """What a tar says of one entry is held in memory, so that it ends long before the archive does."""
    with pytest.raises(FormatError, match="more than 65536 bytes of headers"):
        opened(HEADERS[name](), tmp_path)


def test_global_headers_do_not_add_up(tmp_path: Path) -> None:
    """Headers for all that follows are forgotten with each entry, which would else hold a copy of all of them."""
    said: list[bytes] = []
    for number in range(20):
        head, records = tar_entry("g", tarfile.XGLTYPE), b"".join(b"15 k%02d%05d=v\n" % (number, key) for key in range(100))
        head.size = len(records)
        said += [head.tobuf(tarfile.GNU_FORMAT), records, bytes(-len(records) % 512), tar_entry(f"f{number}").tobuf(tarfile.GNU_FORMAT)]
    stream = Bounded(gzip.GzipFile(fileobj=io.BytesIO(tar_stream(*said))))
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        held = [len(tar.pax_headers) for _ in in_tar(tar, stream)]
    assert held == [0] * 20


def test_the_directory_of_a_zip_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are refused by the size of their directory, before any of them is held in memory."""
    monkeypatch.setattr(module, "MAX_DIRECTORY", 10_000)
    with pytest.raises(FormatError, match="more than 10000 bytes"):
        opened(zip_of(*((f"f{n}", b"") for n in range(300))), tmp_path)


VALID = (zip_of(("energy/a.json", b'{"x": 1}')), tar_of((tar_entry("energy/a.json"), b'{"x": 1}')))


@settings(max_examples=120)
@given(data=st.sampled_from(VALID).flatmap(mutated))
def test_a_damaged_archive_is_opened_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the bytes, the answer is a folder or a FormatError."""
    with contextlib.suppress(FormatError):
        opened(data, tmp_path_factory.mktemp("a"))
