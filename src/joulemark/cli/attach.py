"""`joulemark attach`: an energy card and its evidence given to a benchmark's own files, and the proof that all still holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from joulemark.cli import emit, json_option
from joulemark.cli.progress import progress
from joulemark.errors import NotCompliant, UsageError

if TYPE_CHECKING:
    from joulemark.cards.attached import Attached, Place
    from joulemark.cli.measured_by import Measurement

ATTACHED_SCHEMA: Final = "joulemark.attached/1"
PROOF_SCHEMA: Final = "joulemark.attachment-proof/1"
SHOWN: Final = 3


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.argument("more", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")
@click.option("--run", "run", metavar="ID", help="The run of the collector that measured it, or a bundle of that run on disk.")
@click.option("--url", metavar="URL", help="Collector's pages, for --run. Default: $JOULEMARK_URL, else client.url.")
@click.option("--power", type=click.Path(path_type=Path), multiple=True, metavar="FILE...", help="Recorded power logs, instead of a run.")
@click.option("--tz", metavar="ZONE", help="Zone of recorded times that carry none, such as UTC or America/Los_Angeles.")
@click.option("--accuracy", metavar="SPEC", help="With recorded power: limit of error of the meter, 0.1%rdg+0.05%rng@6000W+2W.")
@click.option("--boundary", metavar="WORD", help="With recorded power: where a log was measured that does not say it.")
@click.option("--price", type=click.Path(path_type=Path), metavar="FILE", help="With recorded power: a price file for the cost.")
@click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help="With recorded power: a label, such as region=us-east-1.")
@click.option("--site-compat", is_flag=True, help="Also write what the OpenAIPerf site reads, from the card's power.")
@click.option("--sign", type=click.Path(path_type=Path), metavar="KEY", help="Sign the manifest with the Ed25519 key in this PEM file.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="For an archive: write the new one here.")
@click.option("--verify", is_flag=True, help="Attach nothing; prove what is attached.")
@click.option("--trust", type=click.Path(path_type=Path), metavar="FILE", help="With --verify: TOML list of keys; one has to sign.")
@json_option
def command(
    bundle: Path,
    more: tuple[Path, ...],
    site_compat: bool,
    sign: Path | None,
    output: Path | None,
    verify: bool,
    trust: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Attach an energy card and its evidence to BUNDLE, the folder or archive (.tgz, .zip) that a benchmark wrote.

    No byte of the benchmark's own files changes; what is attached twice is the same. An OpenAIPerf bundle gets energy/ and
    energy_summary.json, the files of any other tool get a folder beside them, BUNDLE.energy. The power is that of --run, else of
    --power, else of the logs in the bundle; in the last two cases the phases are those that the benchmark's own log tells. Exit 4, and
    nothing written, where the power does not cover them. --verify: exit 3 with a list of all that does not hold.
    """
    from joulemark.cli.measured_by import Measurement

    source = Measurement(**{**given, "power": (*given["power"], *more)})
    if verify:
        if source != Measurement() or sign or output or site_compat:
            raise UsageError("--verify takes no other option but --trust and --json", "attach first, then verify")
        verified(bundle, trust, as_json=as_json)
    elif trust is not None:
        raise UsageError("--trust is for --verify", "to sign what is attached, give --sign KEY")
    elif more and not given["power"]:
        raise UsageError(f"{more[0]} is given beside {bundle}", "attach to one bundle at a time; power logs follow --power")
    else:
        result = written(bundle, source, site_compat=site_compat, sign=sign, output=output)
        emit(result, as_json=as_json, text=written_text)


@dataclass(frozen=True)
class Work:
    """A bundle while it is worked on. `archive`: where it is packed; `unpacked`: the folder that it was unpacked to."""

    at: Place
    archive: Path | None = None
    unpacked: Path | None = None


@contextmanager
def opened(bundle: Path) -> Iterator[Work]:
    """The folder, or the archive as a folder for as long as it lasts. Raises FormatError and UsageError."""
    from joulemark.cards.attached import Place
    from joulemark.cards.bundle import FOLDER
    from joulemark.unpacked import unpacked

    if not bundle.is_file():
        yield Work(Place.of(bundle))
        return
    with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
        folder = Path(place).resolve()
        yield Work(Place.of(unpacked(bundle, folder, own=FOLDER), packed=bundle), bundle, folder)


def written(bundle: Path, source: Measurement, *, site_compat: bool, sign: Path | None, output: Path | None) -> dict[str, Any]:
    """Attach, and say what was done: schema `joulemark.attached/1`."""
    from joulemark.cards import attached
    from joulemark.pki import seal
    from joulemark.standard.attachment import ROLE

    key = None if sign is None else seal.read_key(sign)
    with opened(bundle) as work:
        if output is not None and (work.archive is None or work.at.beside):
            raise UsageError("--output is for an archive of an OpenAIPerf bundle", "leave it out: a folder is written to where it lies")
        if site_compat and work.at.beside:
            raise UsageError("--site-compat is for OpenAIPerf bundles", "leave it out")
        own = attached.originals(work.at)
        with progress("energy from the readings"):
            found = source.found(work.at, own)
        site, notes = found.for_site(work.at, own) if site_compat else ({}, [])
        signer = None if key is None else lambda sha256: seal.over_manifest(key, sha256, role=ROLE)
        before = members(work, own) if work.archive is not None and not work.at.beside else {}
        with progress("files written and hashed"):
            made = attached.attach(work.at, own, found.files, site=site, read=found.read, sign=signer)
        if work.archive is not None and work.unpacked is not None and not work.at.beside:
            packed(work.archive, output or work.archive, work.unpacked, made, before)
    head = found.card["headline"]
    return {
        "schema": ATTACHED_SCHEMA,
        "bundle": str(output or bundle),
        "into": str(work.at.into) if work.archive is None or work.at.beside else str(output or bundle),
        "benchmark": found.benchmark,
        "energy_j": head["energy_j"],
        "u95_j": head["u95_j"],
        "boundary": head["boundary"],
        "phases": head["phases"],
        "coverage": head["coverage"],
        "files": sorted(made.files),
        "originals": len(own),
        "kept_as": dict(made.aside),
        "signed_by": None if key is None else seal.public_text(key),
        "notes": [*found.notes, *notes],
    }


def members(work: Work, own: Mapping[str, Any]) -> dict[str, str | None]:
    """Path of each of our members of an archive, and of each original, below the folder it was unpacked to; an original with its name."""
    from joulemark import foreign
    from joulemark.cards.attached import lists, manifest_in
    from joulemark.cards.bundle import FOLDER, MANIFEST, SIGNATURE

    assert work.unpacked is not None
    manifest = manifest_in(work.at.into)
    listed = [] if manifest is None else [entry["path"] for name in ("files", "site") for entry in lists(manifest)[name]]
    inside = foreign.entries(work.at.root / FOLDER) if (work.at.root / FOLDER).is_dir() else ()
    ours = {*listed, MANIFEST, SIGNATURE, *(path.relative_to(work.at.root).as_posix() for path in inside)}
    found: dict[str, str | None] = {(work.at.root / path).relative_to(work.unpacked).as_posix(): None for path in ours}
    return found | {one.path.relative_to(work.unpacked).as_posix(): one.name for one in own.values()}


def packed(archive: Path, to: Path, unpacked: Path, made: Attached, before: Mapping[str, str | None]) -> None:
    """Write the archive anew with what was attached."""
    from joulemark.cards.repacked import repacked

    below = made.place.root.relative_to(unpacked)
    names = {path: None if name is None else (below / made.aside.get(name, name)).as_posix() for path, name in before.items()}
    repacked(archive, to, folder=unpacked, names=names, ours=[(below / path).as_posix() for path in sorted(made.files)])


def written_text(result: Mapping[str, Any]) -> str:
    """What was attached, for people."""
    u95 = "" if result["u95_j"] is None else f" +- {result['u95_j']:.4g} J"
    lines = [
        f"attached to {result['bundle']} ({result['benchmark']}), {result['originals']} files of its own untouched",
        f"  energy   {result['energy_j']:.8g} J{u95} at {result['boundary']}, {', '.join(result['phases'])}",
        f"  written  {len(result['files'])} files into {result['into']}",
    ]
    lines += [f"  kept     the benchmark's own {name} as {to}" for name, to in result["kept_as"].items()]
    lines += [f"  signed   by {result['signed_by']}"] if result["signed_by"] else []
    return "\n".join([*lines, *(f"note: {note}" for note in result["notes"]), f"next: joulemark attach --verify {result['bundle']}"])


def verified(bundle: Path, trust: Path | None, *, as_json: bool) -> None:
    """Print the proof. Raises NotCompliant with what does not hold."""
    from joulemark.standard.attachment import proof
    from joulemark.standard.trust import Trust

    with opened(bundle) as work:
        known = None if trust is None else Trust.read(trust)
        with progress("files held against hashes"):
            found = proof(work.at, trust=known)
    result = {
        "schema": PROOF_SCHEMA,
        "bundle": str(bundle),
        "holds": not found.faults,
        "signed_by": found.signed_by,
        "owner": found.owner,
        "faults": [fault.to_json() for fault in found.faults],
    }
    emit(result, as_json=as_json, text=verified_text)
    if found.faults:
        named = ", ".join(dict.fromkeys(fault.file for fault in found.faults[:SHOWN]))
        raise NotCompliant(f"{bundle} does not hold: {len(found.faults)} faults, in {named}", "copy it again from where it was attached")


def verified_text(result: Mapping[str, Any]) -> str:
    """The proof for people."""
    signer = result["owner"] or result["signed_by"]
    who = f"signed by {signer}" if signer else "the manifest is not signed: who changes a file can hash it anew"
    if result["holds"]:
        return f"{result['bundle']} holds; {who}"
    return "\n".join(f"{fault['file']}: {fault['kind']} ({fault['rule']}): {fault['what']}" for fault in result["faults"])
