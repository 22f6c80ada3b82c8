"""What a forger does to a bundle on disk: change a file, and make again whatever he has no key for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from joulemark.chain import FILES, Chain
from joulemark.pki import seal

MANIFEST: Final = "energy/manifest.json"
CHAIN: Final = "energy/chain.json"
STRANGER: Final = seal.key_of_seed(hashlib.sha256(b"a stranger").digest())


def edited(folder: Path, path: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file in place, and list it anew in the manifest."""
    data = json.loads((folder / path).read_text())
    change(data)
    overwritten(folder, path, json.dumps(data).encode())


def overwritten(folder: Path, path: str, content: bytes) -> None:
    """Give a file other content, and list it anew in the manifest."""
    (folder / path).write_bytes(content)
    if path != MANIFEST:
        rehash(folder)


def without(path: str) -> Callable[[Path], None]:
    """Remove a file, and its entry in the manifest."""

    def remove(folder: Path) -> None:
        (folder / path).unlink()
        rehash(folder)

    return remove


def lowered(folder: Path) -> None:
    """Take a hundred of its smallest steps from each power in the readings, and change nothing else."""
    for path in sorted((folder / "energy" / "readings").iterdir()):
        head, *rows = path.read_text().splitlines()
        if "power_" in head and "factor" not in head:
            cells = [row.split(",", 3) for row in rows]
            path.write_text("\n".join([head, *(f"{t},{unc},{int(value) - 100},{more}" for t, unc, value, more in cells)]) + "\n")


def rehash(folder: Path, *, root: str | None = None) -> None:
    """Make the manifest again from what is there now; its root stays, unless another is given."""
    manifest = json.loads((folder / MANIFEST).read_text())
    there = sorted(p.relative_to(folder).as_posix() for p in (folder / "energy").rglob("*") if p.is_file())
    entries = []
    for path in sorted({*there, "energy_summary.json"} - {MANIFEST}):
        data = (folder / path).read_bytes()
        entries.append({"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    made = {**manifest, "root_sha256": root or manifest["root_sha256"], "files": entries}
    (folder / MANIFEST).write_text(json.dumps(made))


def rechain(folder: Path, chain: Chain) -> None:
    """Put `chain` into the bundle with the hashes of the files as they are now, and make the manifest again."""
    kept = Chain()
    for event in chain.events:
        if event.kind != FILES:
            kept = kept.appended(event.kind, event.data, t_ns=event.t_ns)
    last_ns = chain.events[-1].t_ns
    made = replace(kept.appended(FILES, hashes(folder), t_ns=last_ns), receipts=chain.receipts, signatures=chain.signatures)
    (folder / CHAIN).write_text(json.dumps(made.to_json()))
    rehash(folder, root=made.head_sha256)


def hashes(folder: Path) -> dict[str, str | int | None]:
    """Path below `energy/` -> hash, of the files that a chain holds."""
    left_out = {"card.json", "chain.json", "manifest.json"}
    files = {p.relative_to(folder / "energy").as_posix(): p for p in sorted((folder / "energy").rglob("*")) if p.is_file()}
    return {path: hashlib.sha256(file.read_bytes()).hexdigest() for path, file in files.items() if path not in left_out}


def chain_in(folder: Path) -> Chain:
    """The chain of the bundle."""
    return Chain.from_json(json.loads((folder / CHAIN).read_text()))


def signed_by_a_stranger(folder: Path) -> None:
    """Exchange the signature for that of a key nobody knows."""
    chain = chain_in(folder)
    signature = seal.signer(STRANGER, role="agent")(chain.head_sha256)
    overwritten(folder, CHAIN, json.dumps(replace(chain, signatures=(signature,)).to_json()).encode())
