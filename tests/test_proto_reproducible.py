"""The committed protobuf code is exactly what the pinned generator writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

GENERATED = Path("src/joulemark/proto/v1")


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A checkout of its own with the wire files and their script."""
    shutil.copytree(repository / GENERATED, tmp_path / GENERATED, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scripts").mkdir()
    shutil.copy2(repository / "scripts/proto", tmp_path / "scripts/proto")
    return tmp_path


def check(copy: Path, repository: Path) -> subprocess.CompletedProcess[str]:
    """`scripts/proto --check` in the copy, with the generator of this checkout."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "JOULEMARK_PROTO_ENV": str(repository / ".venv-proto")}
    return subprocess.run([copy / "scripts/proto", "--check"], env=env, capture_output=True, text=True, timeout=300, check=False)


def test_committed_code_is_reproducible(copy: Path, repository: Path) -> None:
    """Generating again gives the committed files byte for byte."""
    result = check(copy, repository)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["telemetry_pb2.py", "telemetry_pb2.pyi", "runs_pb2_grpc.py"])
def test_one_flipped_byte_fails_the_check(copy: Path, repository: Path, name: str) -> None:
    """A single changed byte in one generated file fails the check, which names the file and the mending step."""
    path = copy / GENERATED / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = check(copy, repository)
    assert result.returncode == 1
    assert name in result.stdout + result.stderr
    assert "run scripts/proto" in result.stderr


def test_a_changed_message_fails_the_check(copy: Path, repository: Path) -> None:
    """A field added to a .proto without generating again fails the check."""
    path = copy / GENERATED / "telemetry.proto"
    path.write_text(path.read_text().replace("int64 probe_id = 1;", "int64 probe_id = 1;\n  int64 added = 15;", 1))
    assert check(copy, repository).returncode == 1
