"""The harness on itself: doors that are broken on purpose are seen; then every named bad input, and some mutations, for real."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.bad_input import __main__ as harness
from tests.bad_input import table
from tests.bad_input.doors import command_line
from tests.bad_input.judge import Answer, Verdict, Wanted, judged
from tests.bad_input.mutations import harmless, mutations

SEED = 20261121
WANTED = Wanted(("exit 2",), "x.csv")
GOOD = "joulemark: x.csv:3: not a row. check it.\n"


def broken_door(code: str, folder: Path, *, limit_s: float = 20.0) -> Answer:
    """What a command line that runs `code` in the product's place answers."""
    return command_line(["compute"], folder, program=[sys.executable, "-c", f"import sys, os, time\n{code}"], limit_s=limit_s)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (f"sys.stderr.write({GOOD!r}); sys.exit(2)", Verdict.CLEAR),
        ("print('{}')", Verdict.ACCEPTED),
        (f"open('left', 'w'); sys.stderr.write({GOOD!r}); sys.exit(2)", Verdict.ACCEPTED),
        (f"print('an energy'); sys.stderr.write({GOOD!r}); sys.exit(2)", Verdict.ACCEPTED),
        ("raise ValueError('x.csv')", Verdict.CRASHED),
        ("sys.stderr.write('Traceback (most recent call last):\\n'); sys.exit(2)", Verdict.CRASHED),
        ("os.kill(os.getpid(), 11)", Verdict.CRASHED),
        ("os.kill(os.getpid(), 9)", Verdict.CRASHED),
        ("x = bytearray(8 << 30)", Verdict.CRASHED),
        (f"sys.stderr.write({GOOD!r}); sys.exit(4)", Verdict.UNCLEAR),
        ("sys.stderr.write('joulemark: not a row. check it.\\n'); sys.exit(2)", Verdict.UNCLEAR),
        ("sys.stderr.write('joulemark: x.csv is wrong.\\n'); sys.exit(2)", Verdict.UNCLEAR),
        (f"sys.stderr.write({GOOD!r} * 2); sys.exit(2)", Verdict.UNCLEAR),
        (f"sys.stderr.write({GOOD.replace('not', chr(27) + '[31m not')!r}); sys.exit(2)", Verdict.UNCLEAR),
    ],
)
def test_a_broken_command_line_is_seen(tmp_path: Path, code: str, verdict: Verdict) -> None:
    """A door that accepts, writes, prints a figure, crashes, eats memory, or says too little, is told apart from one that refuses well."""
    assert judged(broken_door(code, tmp_path), WANTED)[0] is verdict


def test_a_door_that_hangs_is_seen(tmp_path: Path) -> None:
    """A command that does not end counts as crashed, and is ended."""
    assert judged(broken_door("time.sleep(60)", tmp_path, limit_s=1.0), WANTED)[0] is Verdict.CRASHED


PROBLEM = '{"title": "t", "status": 422, "detail": "x.csv is wrong", "next_step": "mend it"}'


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer("rest", "422", PROBLEM), Verdict.CLEAR),
        (Answer("rest", "422", PROBLEM, "the store was changed"), Verdict.ACCEPTED),
        (Answer("rest", "201", "{}"), Verdict.ACCEPTED),
        (Answer("rest", "500", PROBLEM), Verdict.CRASHED),
        (Answer("rest", "no answer", ""), Verdict.CRASHED),
        (Answer("rest", "404", PROBLEM), Verdict.UNCLEAR),
        (Answer("rest", "422", "x.csv"), Verdict.UNCLEAR),
        (Answer("rest", "422", PROBLEM.replace("mend it", "")), Verdict.UNCLEAR),
        (Answer("grpc", "422", "the batch x.csv is wrong"), Verdict.CLEAR),
        (Answer("grpc", "OK", ""), Verdict.ACCEPTED),
        (Answer("grpc", "UNKNOWN", "x.csv"), Verdict.CRASHED),
        (Answer("grpc", "UNAVAILABLE", "x.csv"), Verdict.CRASHED),
        (Answer("grpc", "DEADLINE_EXCEEDED", "x.csv"), Verdict.CRASHED),
        (Answer("grpc", "422", "x.csv"), Verdict.UNCLEAR),
    ],
)
def test_a_broken_server_is_seen(answer: Answer, verdict: Verdict) -> None:
    """A server that accepts, falls over, changes its store or answers without detail and next step does not pass for one that refuses."""
    assert judged(answer, Wanted(("422",), r"x\.csv"))[0] is verdict


def test_counts_follow_the_verdicts() -> None:
    """The printed line counts each verdict once, and an unclear error is in none of the good ones."""
    case = harness.named()[0]
    results = [harness.Result(case, Answer("cli", "", ""), verdict, "because") for verdict in Verdict]
    assert harness.line(results) == {"tried": 4, "clear_error": 1, "accepted": 1, "crashed": 1}
    assert len(harness.complaints(results)) == 3


def test_a_seed_is_a_sequence() -> None:
    """The same seed gives the same mutations, another seed others; harmless ones too."""
    first, again, other = ([(c.group, c.name) for c in islice(mutations(seed), 60)] for seed in (7, 7, 8))
    assert first == again != other
    assert len({group for group, _ in first}) >= 5
    assert list(harmless(7, 5)) == list(harmless(7, 5)) != list(harmless(8, 5))


def test_names_are_told_apart() -> None:
    """No two rows of the table have one name, and there are at least two hundred."""
    names = [(case.group, case.name) for case in harness.named()]
    assert len(set(names)) == len(names) >= 200


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_bad_input_gets_a_clear_error(tmp_path: Path) -> None:
    """Nothing bad is accepted, nothing crashes, each error says what and what next, as the reference shows; `make bad-input` tries all."""
    found, mutated, shut = harness.execute(tmp_path, SEED, count=10, harmless=3, commands=25)
    assert shut == []
    assert harness.complaints([*found, *mutated]) == []
    page = table.page([(r.case.group, r.case.name, r.answer) for r in found])
    assert set(table.verdicts(page)) <= set(table.verdicts(harness.PAGE.read_text(encoding="utf-8")))


def test_the_reference_has_a_row_for_each_case() -> None:
    """The page names every case, in order, and nothing else."""
    rows = [row.removeprefix("| ").partition(" | ")[0] for row in table.verdicts(harness.PAGE.read_text(encoding="utf-8"))]
    assert [name for name in rows if name != "input"] == [case.name for case in harness.in_order(harness.named())]
