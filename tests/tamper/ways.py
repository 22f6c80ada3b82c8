"""Ways to tamper with an attached bundle, each with the file and the kind of fault by which it has to be named.

Who can write can hash: most of them hash everything anew afterwards, the chain of the run included, and take the signatures away.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.pki import seal

MANIFEST: Final = "energy/manifest.json"
SIGNATURE: Final = "energy/signature.json"
CARD: Final = "energy/card.json"
RUN: Final = ("four_cards_one_log",)
RECORDED: Final = ("site_seed", "docs", "ob_tools")
COUNTED: Final = ("docs", "ob_tools")
NESTED: Final = ("docs", "ob_tools")
EVERY: Final = RUN + RECORDED

Named = tuple[str, str]
"""File and kind."""


@dataclass(frozen=True)
class Way:
    """`does` changes a folder and says by what it has to be named. `on`: layouts that it can be done to.

    `keyed`: told by the list of keys.
    """

    name: str
    does: Callable[[Path, random.Random], Named]
    on: tuple[str, ...] = EVERY
    keyed: bool = False


def digit(folder: Path, draw: random.Random) -> Named:
    """One digit of one reading."""
    path = readings(folder, draw)
    rows = path.read_text().split("\n")
    number = draw.randrange(1, len(rows) - 1)
    cells = rows[number].split(",")
    place = draw.randrange(len(cells[2]))
    cells[2] = cells[2][:place] + str((int(cells[2][place]) + draw.randrange(1, 10)) % 10) + cells[2][place + 1 :]
    rows[number] = ",".join(cells)
    path.write_text("\n".join(rows))
    return path.relative_to(folder).as_posix(), "changed"


def removed(folder: Path, draw: random.Random) -> Named:
    """A file of readings taken away."""
    path = readings(folder, draw)
    path.unlink()
    return path.relative_to(folder).as_posix(), "missing"


def edge(folder: Path, draw: random.Random) -> Named:
    """The end of a phase moved, hashed anew."""
    moved_ns = draw.choice((-1, 1)) * draw.randrange(10**6, 10**9)
    edit(folder / "energy/phases.json", lambda run: run["phases"][-1].update(end_ns=run["phases"][-1]["end_ns"] + moved_ns))
    rehash(folder)
    return "energy/phases.json", "phases"


def tokens(folder: Path, draw: random.Random) -> Named:
    """More tokens, hashed anew."""
    more = draw.randrange(1, 1000)
    edit(folder / "energy/phases.json", lambda run: run["phases"][0]["tokens"].update(output=run["phases"][0]["tokens"]["output"] + more))
    rehash(folder)
    return CARD, "recomputed"


def figure(folder: Path, draw: random.Random) -> Named:
    """A figure of the card made smaller, and of the summary's copy of it, hashed anew."""
    factor = draw.uniform(0.5, 0.999)
    edit(folder / CARD, lambda card: card["headline"].update(energy_j=card["headline"]["energy_j"] * factor))
    headline = json.loads((folder / CARD).read_text())["headline"]
    edit(folder / "energy_summary.json", lambda told: told["es"]["headline"].update(energy_j=headline["energy_j"]))
    rehash(folder)
    return CARD, "recomputed"


def price(folder: Path, draw: random.Random) -> Named:
    """Another price, hashed anew."""
    edit(folder / "energy/prices.json", lambda prices: prices["price"][0].update(amount=str(draw.randrange(1, 55))))
    rehash(folder)
    return CARD, "recomputed"


def gain(folder: Path, draw: random.Random) -> Named:
    """Another gain of the sensor, hashed anew."""
    factor = 1 - draw.uniform(0.01, 0.2)
    edit(folder / "energy/calibration.json", lambda told: told["alignments"][0].update(gain=told["alignments"][0]["gain"] * factor))
    rehash(folder)
    return CARD, "recomputed"


def original(folder: Path, draw: random.Random) -> Named:
    """The benchmark's own run card told otherwise."""
    path = folder / "run.json"
    data = path.read_bytes()
    place = draw.randrange(len(data) + 1)
    path.write_bytes(data[:place] + b" " + data[place:])
    return "run.json", "changed"


def extra(folder: Path, draw: random.Random) -> Named:
    """A file slipped in, among the cards or into the evidence."""
    name = draw.choice(("certificate.pdf", "energy/readings/more.csv", "energy/approved.json", "notes.txt"))
    (folder / name).write_text("approved\n")
    return name, "extra"


def flat_key(folder: Path, draw: random.Random) -> Named:
    """A flat key of the summary, as the site shows it, hashed anew."""
    key = draw.choice(("avg_power_w", "energy_per_request_j", "energy_per_token_j"))
    edit(folder / "energy_summary.json", lambda told: told.update({key: draw.uniform(0.1, 500.0)}))
    rehash(folder)
    return "energy_summary.json", "recomputed"


def other_key(folder: Path, draw: random.Random) -> Named:
    """Signed again by a key of a stranger's."""
    key = seal.key_of_seed(draw.randbytes(32))
    sha256 = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    edit(
        folder / SIGNATURE,
        lambda told: told.update(public_key=seal.public_text(key), manifest_sha256=sha256, signature=seal.signed(key, sha256)),
    )
    return SIGNATURE, "signature"


def site_line(folder: Path, draw: random.Random) -> Named:
    """A line of the log for the site, hashed anew."""
    path = folder / "system.log"
    lines = path.read_text().splitlines()
    number = draw.randrange(len(lines))
    lines[number] = re.sub(r'"power_watts": [0-9.]+', f'"power_watts": {draw.uniform(100, 900):.3f}', lines[number])
    path.write_text("\n".join(lines) + "\n")
    rehash(folder)
    return "system.log", "recomputed"


def site_card(folder: Path, draw: random.Random) -> Named:
    """Another name in the copy of a card for the site, hashed anew."""
    path = draw.choice(sorted((folder / "energy/site").glob("*.json")))
    edit(path, lambda told: told.update(model=f"another model {draw.randrange(1000)}"))
    rehash(folder)
    return path.relative_to(folder).as_posix(), "recomputed"


WAYS: Final = (
    Way("a digit of a reading", digit),
    Way("readings removed", removed),
    Way("an edge of a phase moved, hashed anew", edge, RECORDED),
    Way("tokens changed, hashed anew", tokens, COUNTED),
    Way("a figure of the card changed, hashed anew", figure),
    Way("a price changed, hashed anew", price, RUN),
    Way("a gain of the alignment changed, hashed anew", gain, RUN),
    Way("the benchmark's run.json changed", original),
    Way("a file slipped in", extra),
    Way("a flat key of the summary changed, hashed anew", flat_key),
    Way("signed by another key", other_key, EVERY, keyed=True),
    Way("a line of the site's log changed, hashed anew", site_line, ("four_cards_one_log", "docs", "ob_tools")),
    Way("a card's copy for the site changed, hashed anew", site_card, NESTED),
)


def readings(folder: Path, draw: random.Random) -> Path:
    """One file of readings."""
    return draw.choice(sorted((folder / "energy/readings").glob("*power*.csv")))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file, written as the product writes it."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def rehash(folder: Path) -> None:
    """Chain, card's hashes and manifest made anew for the files as they are; no signature is left that could tell."""
    hashes: dict[str, str] = {}
    chain_path = folder / "energy/chain.json"
    if chain_path.is_file():
        chain = json.loads(chain_path.read_text())
        last = chain["events"][-1]
        last["data"] = {path: sha256(folder / "energy" / path) for path in last["data"]}
        last["sha256"] = hashlib.sha256(canonical({key: value for key, value in last.items() if key != "sha256"})).hexdigest()
        chain["signatures"] = []
        chain_path.write_text(json.dumps(chain, indent=1, ensure_ascii=False) + "\n")
        hashes["root_sha256"] = last["sha256"]
    (folder / SIGNATURE).unlink(missing_ok=True)
    manifest = json.loads((folder / MANIFEST).read_text()) | hashes
    for entry in (entry for name in ("files", "originals", "site") for entry in manifest[name]):
        entry.update(bytes=(folder / entry["path"]).stat().st_size, sha256=sha256(folder / entry["path"]))
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def sha256(path: Path) -> str:
    """Of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def canonical(data: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and without spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
