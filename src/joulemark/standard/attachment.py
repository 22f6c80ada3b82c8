"""An attached card put to the proof: every hash, the signature, and every figure computed again from what lies in the bundle.

Hashes alone prove little, since who changes a file can hash it anew. So the card is made again from the readings, the summary from the
card, the site's log from the readings, and the phases from the benchmark's own log; whatever was changed alone is named. Who makes all of
it anew, consistently, is only caught by a signature, or by the chain and its receipts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from joulemark import benchmarks, document, foreign
from joulemark.cards import site
from joulemark.cards.attached import SIGNATURE_SCHEMA, SYSTEM_LOG, Place, covers, findings, manifest_in
from joulemark.cards.bundle import FOLDER, MANIFEST, SIGNATURE, SUMMARY, summary
from joulemark.cards.contents import contents
from joulemark.chain import FILES
from joulemark.errors import FormatError, InsufficientData, JoulemarkError
from joulemark.pki import seal
from joulemark.runs import ClockKind, Run
from joulemark.standard import read
from joulemark.standard.case import Case
from joulemark.standard.checks import checks
from joulemark.standard.checks.integrity import parted
from joulemark.standard.edition import edition
from joulemark.standard.recompute import differences
from joulemark.standard.trust import Trust
from joulemark.standard.verdict import GRADES, Verdict
from joulemark.timebase import zone

CARD: Final = f"{FOLDER}/card.json"
PHASES: Final = f"{FOLDER}/phases.json"
CHAIN: Final = f"{FOLDER}/chain.json"
ROLE: Final = "submitter"
"""Of a key that signs what it attached."""

MOST: Final = 5
"""At most so many differences are told of one file."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: in which `file`, of what `kind`, `what` it is, and the `rule` of the standard that is broken, or what else is.

    Kinds: missing, changed, extra, unsafe and unreadable of hashes; `recomputed` of figures that do not come out, `phases`, `chain`,
    `schema`, `signature`.
    """

    file: str
    kind: str
    what: str
    rule: str

    def to_json(self) -> dict[str, str]:
        """Plain dictionary."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found: `faults`, empty when all holds; `signed_by`: the key whose signature holds; `owner`: whose it is, if trusted."""

    faults: tuple[Fault, ...]
    signed_by: str | None = None
    owner: str | None = None


def proof(at: Place, *, trust: Trust | None = None) -> Proof:
    """Everything that can be proved of a card attached at `at`. `trust`: whose keys count; with it a signature is wanted.

    Raises FormatError for a folder beyond the limits of `foreign.files`.
    """
    case = read.bundle(at.into, trust=trust)
    try:
        extra = findings(at)
    except FormatError as error:
        return Proof((Fault(MANIFEST, "unreadable", error.what, "INT-1"),))
    hashes = [Fault(one.path, one.kind, one.detail, "INT-1") for one in (*case.findings, *extra)]
    signed, signed_by, owner = signature(at, trust)
    more = [*figures(case), *strangers(case), *chain(case), *schema(case), *phases(at, case), *for_site(at, case)]
    return Proof(tuple(dict.fromkeys([*hashes, *signed, *more])), signed_by, owner)


def figures(case: Case) -> Iterator[Fault]:
    """Every number of the card out of the readings, every one of the summary out of the card, and no more than these."""
    if case.card is None:
        yield Fault(CARD, "unreadable", case.faults.get(CARD, "there is no card"), "INT-2")
        return
    told = case.documents.get(SUMMARY)
    if told is None:
        yield Fault(SUMMARY, "unreadable", case.faults.get(SUMMARY, "there is no summary"), "INT-2")
    else:
        yield from unequal(told, summary(case.card), SUMMARY)
    if case.rebuilt is None:
        yield Fault(CARD, "recomputed", f"the card cannot be made again: {case.unbuildable}", "INT-2")
        return
    most = edition().rule("INT-2").limit(GRADES[0], "rel")
    wrong = [one.text for one in differences(case.card, case.rebuilt, name="card") if one.beyond(most)]
    yield from (Fault(CARD, "recomputed", what, "INT-2") for what in wrong[:MOST])


def strangers(case: Case) -> Iterator[Fault]:
    """Files that the manifest lists and that nothing in a bundle is: listed or not, they were slipped in."""
    entries = (case.manifest or {}).get("files")
    if case.evidence is None or case.rebuilt is None or not isinstance(entries, list):
        return
    known = {CARD, CHAIN, SUMMARY, *(f"{FOLDER}/{path}" for path in contents(case.evidence))}
    paths = [str(entry.get("path")) for entry in entries if isinstance(entry, Mapping)]
    yield from (Fault(path, "extra", "listed in the manifest, and no file of a bundle", "INT-1") for path in paths if path not in known)


def unequal(told: Mapping[str, Any], right: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """The keys of the summary that are not what follows from the card."""
    for key in (key for key in {**told, **right} if told.get(key) != right.get(key)):
        if key == "es":
            yield Fault(path, "recomputed", "es is not the card without its nulls", "INT-2")
        else:
            yield Fault(path, "recomputed", f"{key}: {document.shown(told.get(key))} is told, {right.get(key)} is the card's", "INT-2")


def chain(case: Case) -> Iterator[Fault]:
    """What contradicts the chain of the run: a file with another hash, a root that is not its head, a broken link, a false signature."""
    if case.evidence is None or not case.evidence.chain.events or case.manifest is None:
        return
    held = case.evidence.chain
    if case.manifest.get("root_sha256") != held.head_sha256:
        yield Fault(MANIFEST, "chain", "root_sha256 is not the head of the chain", "INT-1")
    rehashed, unbound = parted(case.manifest, held.events[-1].data) if held.events[-1].kind == FILES else ([], [])
    yield from (Fault(path, "changed", "not the file that the chain of the run holds", "INT-1") for path in rehashed)
    yield from (Fault(path, "extra", "not in the chain of the run", "INT-1") for path in unbound)
    outcome = checks()["INT-7"](case, edition().rule("INT-7"), GRADES[0])
    if outcome.contradiction:
        yield Fault(CHAIN, "chain", outcome.detail, "INT-7")


def schema(case: Case) -> Iterator[Fault]:
    """The documents that are of no known schema, or could not be read."""
    outcome = checks()["INT-4"](case, edition().rule("INT-4"), GRADES[0])
    if outcome.verdict is Verdict.FAIL:
        path, _, why = outcome.detail.partition(": ")
        yield Fault(path, "schema", why, "INT-4")


def phases(at: Place, case: Case) -> Iterator[Fault]:
    """Where the phases were read from the benchmark's own log, that log says the same; where they were marked, it does not contradict."""
    run = None if case.evidence is None else case.evidence.run
    told = case.manifest or {}
    if run is None:
        yield Fault(PHASES, "unreadable", case.faults.get(PHASES, "there is no run, or no reading"), "INT-2")
        return
    by = told.get("read")
    try:
        own = own_run(at, by if isinstance(by, Mapping) else {})
        if not isinstance(by, Mapping):
            covers(run, own)
        elif ClockKind.MTIME not in (own.clock, run.clock) and counts(own) != counts(run):
            yield Fault(PHASES, "phases", f"the benchmark's own log says {counts(own)}"[:400], "PHA-7")
    except InsufficientData as error:
        yield Fault(PHASES, "phases", error.what, "PHA-7")
    except JoulemarkError as error:
        if isinstance(by, Mapping):
            yield Fault(PHASES, "phases", f"the benchmark's own log cannot be read again: {error}", "PHA-7")


def own_run(at: Place, by: Mapping[str, Any]) -> Run:
    """The run as the benchmark's own files tell it. Raises what the readers do."""
    tz, tool = by.get("tz"), by.get("tool")
    where = zone(tz) if isinstance(tz, str) else None
    return benchmarks.read(at.root, tz=where, tool=tool if isinstance(tool, str) else None if at.beside else "openaiperf")


def counts(run: Run) -> list[tuple[Any, ...]]:
    """What is compared of the phases of two runs."""
    return [(w.name, w.begin_ns, w.end_ns, w.tokens.input, w.tokens.output, w.requests) for w in run.windows]


def for_site(at: Place, case: Case) -> Iterator[Fault]:
    """The log for the site follows from the readings, each copy of a card from that card and ours; and nothing else is listed for it."""
    entries = (case.manifest or {}).get("site")
    listed = [str(entry.get("path")) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    if SYSTEM_LOG in listed:
        yield from power_log(at, case)
    if not (names := [path for path in listed if path != SYSTEM_LOG]):
        return
    try:
        copies = {} if case.card is None else site.cards(at.root, summary(case.card))
    except FormatError as error:
        yield from (Fault(path, "recomputed", f"the copy cannot be made again: {error.what}", "INT-2") for path in names)
        return
    for path in names:
        if path not in copies:
            yield Fault(path, "extra", "listed in the manifest for the site, and no file that it gets", "INT-1")
        elif foreign.inside(at.root, at.root / path) and foreign.content(at.root / path) != copies[path]:
            yield Fault(path, "recomputed", "the copy does not follow from the benchmark's card and ours", "INT-2")


def power_log(at: Place, case: Case) -> Iterator[Fault]:
    """The log for the site follows from the readings."""
    if case.evidence is None or case.rebuilt is None or not foreign.inside(at.root, at.root / SYSTEM_LOG):
        yield Fault(SYSTEM_LOG, "recomputed", "the log cannot be made again", "INT-2")
        return
    try:
        right = site.system_log(case.evidence, case.rebuilt).decode()
        told = foreign.text(at.root / SYSTEM_LOG)
    except JoulemarkError as error:
        yield Fault(SYSTEM_LOG, "recomputed", error.what, "INT-2")
        return
    if told != right:
        pairs = zip(told.split("\n"), right.split("\n"), strict=False)
        number = next((number for number, (one, other) in enumerate(pairs, 1) if one != other), None)
        where = f"line {number}" if number is not None else "its length"
        yield Fault(SYSTEM_LOG, "recomputed", f"{where} does not follow from the readings", "INT-2")


def signature(at: Place, trust: Trust | None) -> tuple[list[Fault], str | None, str | None]:
    """(what is wrong with the signature of the manifest, the key that made it, whose key that is)."""
    path = at.into / SIGNATURE
    if not foreign.inside(at.into, path):
        return ([] if trust is None else [Fault(SIGNATURE, "signature", "nobody signed the manifest", "INT-7")]), None, None
    try:
        told = document.load(path)
    except FormatError as error:
        return [Fault(SIGNATURE, "signature", error.what, "INT-7")], None, None
    key, over, sealed = (told.get(name) for name in ("public_key", "manifest_sha256", "signature"))
    if told.get("schema") != SIGNATURE_SCHEMA or not (isinstance(key, str) and isinstance(over, str) and isinstance(sealed, str)):
        return [Fault(SIGNATURE, "signature", f"no signature of schema {SIGNATURE_SCHEMA}", "INT-7")], None, None
    manifest = foreign.content(at.into / MANIFEST) if manifest_in(at.into) is not None else b""
    if over != hashlib.sha256(manifest).hexdigest() or not seal.holds(key, over, sealed):
        return [Fault(SIGNATURE, "signature", f"the signature by {key[:44]} is not over this manifest", "INT-7")], None, None
    known = None if trust is None else trust.key(key)
    if trust is not None and (known is None or known.role != ROLE):
        why = "is not in the list of trusted keys" if known is None else f"is trusted as {known.role}, not as {ROLE}"
        return [Fault(SIGNATURE, "signature", f"the key {key[:44]} {why}", "INT-7")], key, None
    return [], key, None if known is None else known.owner or known.role
