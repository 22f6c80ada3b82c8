"""The Debian package of the agent, from its wheel: `deb_package.py WHEEL FOLDER` prints the path of the package.

Its libraries are the wheels of requirements/agent.lock, as their makers built them for Python 3.11 on x86-64. They lie in
/usr/lib/joulemark, where no other program finds them. What is in it besides stands in deploy/debian and deploy/systemd.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEBIAN, SYSTEMD = ROOT / "deploy" / "debian", ROOT / "deploy" / "systemd"
LIBRARIES = "usr/lib/joulemark"
PYTHON, PLATFORMS = "3.11", ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
CONFIG = "etc/joulemark/agent.toml"
SHELLS = {
    "bash-completion/completions/joulemark": "usr/share/bash-completion/completions/joulemark",
    "zsh/site-functions/_joulemark": "usr/share/zsh/vendor-completions/_joulemark",
    "fish/vendor_completions.d/joulemark.fish": "usr/share/fish/vendor_completions.d/joulemark.fish",
}
UNITS = {
    "joulemark-agent.service": "lib/systemd/system/joulemark-agent.service",
    "joulemark.sysusers": "usr/lib/sysusers.d/joulemark.conf",
    "joulemark.tmpfiles": "usr/lib/tmpfiles.d/joulemark.conf",
    "70-joulemark.rules": "lib/udev/rules.d/70-joulemark.rules",
}
LICENSES = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: joulemark

Files: *
Copyright: 2026 the Joulemark authors
License: Apache-2.0
 On Debian systems the Apache License, version 2.0, is in /usr/share/common-licenses/Apache-2.0.
"""


def libraries(wheel: Path, tree: Path) -> list[str]:
    """Unpack the wheel and what it asks for; name and version of each."""
    where = tree / LIBRARIES
    only = ["--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:"]
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile", "--target", where]
    for what in (["--require-hashes", "--requirement", ROOT / "requirements/agent.lock"], [wheel]):
        subprocess.run([*command, "--no-deps", *only, *platforms, *what], check=True)
    for unneeded in ("bin", "share"):
        shutil.rmtree(where / unneeded, ignore_errors=True)
    for record in (*where.glob("*.dist-info/RECORD"), *where.glob("*.dist-info/direct_url.json"), *where.glob("*.dist-info/REQUESTED")):
        record.unlink()  # dpkg knows what is installed, and a package names no place of its making
    return sorted(info.name.removesuffix(".dist-info") for info in where.glob("*.dist-info"))


def written(tree: Path, place: str, text: str, mode: int = 0o644) -> None:
    path = tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def compressed(tree: Path, place: str, text: str) -> None:
    path = tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def copyright_of(tree: Path, names: list[str]) -> str:
    """Ours, and for each library where its own licence lies."""
    parts = [LICENSES]
    for name in names:
        if name.startswith("joulemark-"):
            continue
        metadata = (tree / LIBRARIES / f"{name}.dist-info" / "METADATA").read_text(encoding="utf-8", errors="replace")
        said = re.search(r"^License(?:-Expression)?: (.+)$", metadata, re.MULTILINE)
        author = re.search(r"^Author(?:-email)?: (.+)$", metadata, re.MULTILINE)
        folder = f"/{LIBRARIES}/{name}.dist-info"
        library = name.rpartition("-")[0]
        parts.append(
            f"Files: {LIBRARIES}/*{library}*\nCopyright: {author[1] if author else f'the authors of {library}'}\n"
            f"License: {(said[1] if said else 'as-stated').split()[0].strip()}\n The whole text lies in {folder}.\n"
        )
    return "\n".join(parts)


def build(wheel: Path, folder: Path) -> Path:
    """The package in `folder`."""
    sys.path.insert(0, str(ROOT / "src"))
    from joulemark.cli.installation import AGENT, PROGRAM

    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory(prefix="deb") as scratch:
        tree = Path(scratch)
        tree.chmod(0o755)
        names = libraries(wheel, tree)
        for name, place in UNITS.items():
            written(tree, place, (SYSTEMD / name).read_text(encoding="utf-8").replace(PROGRAM, "/usr/bin/joulemark"))
        written(tree, CONFIG, AGENT.first_config)
        written(tree, "usr/bin/joulemark", (DEBIAN / "joulemark").read_text(encoding="utf-8"), 0o755)
        share = ROOT / "deploy" / "share"
        compressed(tree, "usr/share/man/man1/joulemark.1.gz", (share / "man/man1/joulemark.1").read_text(encoding="utf-8"))
        for name, place in SHELLS.items():
            written(tree, place, (share / name).read_text(encoding="utf-8"))
        written(tree, "usr/share/doc/joulemark-agent/copyright", copyright_of(tree, names))
        compressed(tree, "usr/share/doc/joulemark-agent/changelog.gz", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        written(tree, "usr/share/lintian/overrides/joulemark-agent", (DEBIAN / "lintian-overrides").read_text(encoding="utf-8"))
        kib = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
        control = (DEBIAN / "control").read_text(encoding="utf-8").replace("@VERSION@", version).replace("@KIB@", str(kib))
        written(tree, "DEBIAN/control", control)
        written(tree, "DEBIAN/conffiles", f"/{CONFIG}\n")
        for name in ("postinst", "prerm", "postrm"):
            written(tree, f"DEBIAN/{name}", (DEBIAN / name).read_text(encoding="utf-8"), 0o755)
        for path in tree.rglob("*"):
            if path.is_dir() or LIBRARIES in path.as_posix():
                path.chmod(0o755 if path.is_dir() else 0o644)  # some wheels call every file a program
        package = folder / f"joulemark-agent_{version}_amd64.deb"
        env = {"SOURCE_DATE_EPOCH": "1577836800", **os.environ}
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, package], check=True, stdout=sys.stderr, env=env)
    return package


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2])))
