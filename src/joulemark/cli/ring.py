"""`joulemark ring`: plan a ring test and evaluate it, offline."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from joulemark import document, foreign
from joulemark.cli import emit, json_option
from joulemark.cli.progress import one_by_one, progress
from joulemark.errors import FormatError, UsageError

if TYPE_CHECKING:
    from joulemark.calibration.rounds import Laboratory, Round

HASH: Final = re.compile(r"[0-9a-f]{64}")


@click.group()
def command() -> None:
    """Plan and evaluate a ring test: one artefact measured by several laboratories (CAL-8)."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--round", "name", required=True, help="Name of the round, for example 2026-1.")
@click.option(
    "--laboratory", "laboratories", multiple=True, required=True, metavar="NAME...", help="A laboratory, in the order of the journey."
)
@click.option("--begin", required=True, metavar="DATE", help="First day of the first laboratory.")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 366), help="Days that each laboratory has.")
@click.option("--workload-sha256", required=True, help="SHA-256 that pins the workload.")
@click.option("--repeats", default=5, show_default=True, help="Repetitions of each laboratory, at least 5.")
@click.option("--image-sha256", help="When no node can travel: SHA-256 of the image that every laboratory boots.")
@click.option("--gpu-clock-mhz", type=click.IntRange(1), help="With an image: the clock at which every laboratory pins its GPUs.")
@json_option
def plan(
    file: Path,
    name: str,
    laboratories: tuple[str, ...],
    begin: str,
    days: int,
    workload_sha256: str,
    repeats: int,
    image_sha256: str | None,
    gpu_clock_mhz: int | None,
    as_json: bool,
) -> None:
    """Write the description of a round to FILE (TOML, or JSON when its name ends so): artefact, workload, repeats and schedule.

    A node travels from laboratory to laboratory unless --image-sha256 says that none can; then only z' counts, not En.
    """
    from joulemark.calibration.rounds import Artefact, Laboratory, Round, planned, toml

    for option, value in (("--workload-sha256", workload_sha256), ("--image-sha256", image_sha256)):
        if value is not None and not HASH.fullmatch(value):
            raise UsageError(f"{option} {value!r} is no SHA-256", "give 64 hexadecimal digits in lower case, as sha256sum prints them")
    if (image_sha256 is None) != (gpu_clock_mhz is None):
        raise UsageError("--image-sha256 and --gpu-clock-mhz belong together", "an image compares only at pinned clocks")
    round_ = planned(
        Round(
            name,
            Artefact.TRAVELLING if image_sha256 is None else Artefact.IMAGE,
            workload_sha256,
            tuple(Laboratory(one) for one in laboratories),
            repeats=repeats,
            image_sha256=image_sha256 or "",
            gpu_clock_mhz=gpu_clock_mhz,
        ),
        begin=begin,
        days_each=days,
    )
    data = round_.to_json()
    write(file, json.dumps(data, indent=1, ensure_ascii=False) + "\n" if file.suffix == ".json" else toml(round_), new=True)
    emit({**data, "file": str(file)}, as_json=as_json, text=planned_text)


@command.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--date", help="Date of the round. Default: as the file says, else when its last laboratory ends.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write evaluation.json, report.html and a badge for each who passed."
)
@json_option
def evaluate(sources: tuple[Path, ...], date: str | None, out: Path | None, as_json: bool) -> None:
    """Evaluate a round: FILE is the description with the results of each laboratory; further ones are bundles of laboratories.

    A bundle gives the score of its card and is of the laboratory that its label `laboratory` names, else its folder. Bundles are taken
    as they are: validate them before.
    """
    from joulemark.calibration.ring_page import page
    from joulemark.calibration.rounds import Evaluation

    round_ = gathered(sources)
    found = Evaluation.of(round_ if date is None else replace(round_, date=date))
    result = found.to_json()
    if out is not None:
        files = {"evaluation.json": found.text, "report.html": page(found).encode()}
        passed = [name for name in found.scores if not found.refusals(name)]
        for place, name in enumerate(passed, 1):
            files[f"badges/{place:02d}-{plain_name(name)}/ring.json"] = (
                json.dumps(found.badge(name), indent=1, ensure_ascii=False) + "\n"
            ).encode()
        for path, data in files.items():
            write(out / path, data.decode(), new=False)
        result["files"] = [str(out / path) for path in files]
    emit(result, as_json=as_json, text=evaluated_text)


def gathered(sources: tuple[Path, ...]) -> Round:
    """The round of the one description among `sources`, with the results of the bundles. Raises UsageError without one description."""
    described = [path for path in sources if not path.is_dir()]
    if len(described) != 1:
        raise UsageError(f"{len(described)} descriptions of a round", "give the one file that joulemark ring plan wrote, then bundles")
    round_ = read(described[0])
    bundles = [path for path in sources if path.is_dir()]
    with progress("bundles read") as told_of:
        told = {one.name: one for path in one_by_one(bundles, told_of) for one in [of_bundle(path)]}
    if strangers := sorted(set(told) - {one.name for one in round_.laboratory}):
        raise UsageError(
            f"{', '.join(strangers)} takes no part in {round_.round}", "add it to the file, or correct the label laboratory of its run"
        )
    results = tuple(
        replace(one, value=told[one.name].value, u95=told[one.name].u95) if one.name in told else one for one in round_.laboratory
    )
    return replace(round_, laboratory=results)


def read(path: Path) -> Round:
    """The description of a round in `path`: JSON when its name ends so, else TOML. Raises FormatError."""
    from joulemark.calibration.rounds import Round

    content = foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES, errors="strict")
    if path.suffix == ".json":
        return Round.from_json(document.json_object(content, where=str(path)), where=str(path))
    try:
        return Round.from_json(tomllib.loads(content), where=str(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid TOML: {error}", "mend the line it names") from error


def of_bundle(folder: Path) -> Laboratory:
    """The laboratory and the score of the bundle in `folder`. Raises FormatError without card or score."""
    from joulemark.calibration.rounds import Laboratory

    card = document.load(folder / "energy" / "card.json")
    score, labels = card.get("score"), card.get("labels")
    figures = [score.get(key) if isinstance(score, dict) else None for key in ("joules_per_1k_output_tokens", "u95_j")]
    if not all(isinstance(figure, int | float) and not isinstance(figure, bool) for figure in figures):
        raise FormatError(
            f"{folder} has no score: {document.shown(card.get('score_reason'))}", "a ring test needs at least five repetitions"
        )
    name = labels.get("laboratory") if isinstance(labels, dict) else None
    return Laboratory(str(name or folder.resolve().name), value=float(figures[0] or 0.0), u95=float(figures[1] or 0.0))


def write(path: Path, content: str, *, new: bool) -> None:
    """Write a text file with its folders. Raises UsageError where it cannot be, or where it is there and has to be `new`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x" if new else "w", encoding="utf-8") as out:
            out.write(content)
    except FileExistsError as error:
        raise UsageError(f"{path} exists", "give another name: results may stand in it") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "give a place that is writable") from error


def plain_name(name: str) -> str:
    """The name of a laboratory as part of a path."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "laboratory"


def planned_text(planned: dict[str, Any]) -> str:
    """The schedule, and what comes next."""
    lines = [f"Ring test {planned['round']}: {planned['artefact']}, {planned['repeats']} repeats each, in {planned['file']}"]
    lines += [f"  {one['begin']} to {one['end']}  {one['name']}" for one in planned["laboratory"]]
    if len(planned["laboratory"]) < 6:
        lines.append("  fewer than six laboratories: only En will count, and nobody gets the badge")
    return "\n".join([*lines, "Add value and u95 to each laboratory, then: joulemark ring evaluate " + planned["file"]])


def evaluated_text(found: dict[str, Any]) -> str:
    """One line per laboratory, then what was written."""
    assigned = found["assigned"]
    head = "no assigned value: fewer than six laboratories, En alone counts"
    if assigned is not None:
        score = "z" if assigned["u_negligible"] else "z'"
        spread = f"s* {assigned['robust_sd']:.4g}, u {assigned['u']:.4g}, sigma_pt {assigned['sigma_pt']:.4g}"
        head = f"assigned {assigned['value']:.6g}, {spread}; {score} counts"
    lines = [f"Ring test {found['round']}, {found['date']}, {found['unit']}: {head}"]
    for one in found["laboratories"]:
        scores = "  ".join(f"{key} {one[key]:+.3f}" for key in ("z", "z_prime", "zeta", "en") if one[key] is not None)
        badge = "badge" if one["badge"] else f"no badge: {'; '.join(one['badge_refused_because'])}"
        lines.append(f"  {one['name']:<12} {one['value']:.6g} +- {one['u95']:.3g}  {scores}  {one['verdict']}, {badge}")
    lines += [f"  {name} has not reported" for name in found["not_reported"]]
    return "\n".join([*lines, *(f"wrote {path}" for path in found.get("files", []))])
