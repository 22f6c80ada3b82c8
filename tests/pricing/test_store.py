"""prices.db: nothing in it changes, a price is there once however often it is listed, and what does not fit its hash is refused."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import EnvironmentFailed, FormatError
from joulemark.pricing.carbon import Carbon
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Outcome, Rejected
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.store import MAX_REJECTED, Added, PriceStore, Totals
from tests.pricing.records import CUT, DAY, fetch, price, tariff

P5 = {"provider": "aws", "region": "us-east-1", "instance_type": "p5.48xlarge"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PriceStore]:
    with PriceStore(tmp_path / "prices.db") as opened:
        yield opened


def changed(path: Path, *statements: str) -> None:
    """Change the file as a stranger with SQLite would who first removes the triggers."""
    with closing(sqlite3.connect(path)) as db, db:
        for (name,) in list(db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows)


def test_every_kind_of_record_comes_back(store: PriceStore) -> None:
    """Prices, a tariff below zero with an end, a rate and an intensity come back as they were given, after the file was opened anew."""
    night = tariff(amount="-0.00412", effective_to="2025-01-01T01:00:00Z")
    rate = Rate("EUR", "USD", Decimal("1.0823"), DAY, DAY, "https://example.com/rates")
    carbon = Carbon.from_json(
        {
            "zone": "FR",
            "g_per_kwh": "75",
            "kind": "average",
            "effective_from": "2023-03-20",
            "fetched_at": "2023-03-20",
            "source_url": "https://example.com/carbon",
        }
    )
    whole = Snapshot((price(), price(**CUT)), (night,), (rate,), (carbon,))
    assert store.take(fetch(), whole.records()) == Added(5, 5)
    with PriceStore(store.path) as again:
        assert again.snapshot() == whole
        assert again.fetches() == [fetch()]


def test_amounts_are_text_to_the_last_digit(store: PriceStore) -> None:
    """98.3200000000001234567890, which a REAL column cuts to 17 digits, is TEXT in the column and in the record."""
    store.take(fetch(), [price(amount="98.3200000000001234567890")])
    (known,) = store.snapshot().prices
    assert known.amount == Decimal("98.320000000000123456789")
    with closing(sqlite3.connect(store.path)) as db:
        assert list(db.execute("SELECT amount, typeof(amount) FROM price_point")) == [("98.320000000000123456789", "text")]


@pytest.mark.parametrize("table", ["price_fetch", "price_rejected", "price_point", "price_observation", "tariff_point", "fx_observation"])
def test_raw_sql_changes_nothing(store: PriceStore, table: str) -> None:
    """UPDATE and DELETE of another program are refused, and INSERT OR REPLACE, which fires no trigger of DELETE, replaces nothing."""
    rate = Rate("EUR", "USD", Decimal("1.08"), DAY, DAY, "https://example.com/rates")
    store.take(fetch(), [price(), tariff(), rate], [Rejected("row 7", "zero")])
    with closing(sqlite3.connect(store.path)) as db:
        before = db.execute(f"SELECT rowid, * FROM {table}").fetchall()
        assert len(before) == 1
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        for statement in (f"UPDATE {table} SET {columns[-1]} = 'x'", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed and never removed"):
                db.execute(statement)
        kept = ", ".join(columns[:-1])
        other = ", ".join(columns[1:])
        db.execute(f"INSERT OR REPLACE INTO {table} (rowid, {', '.join(columns)}) SELECT rowid, {kept}, 'x' FROM {table}")
        db.execute(f"INSERT OR REPLACE INTO {table} (rowid, {', '.join(columns)}) SELECT rowid, 'x', {other} FROM {table}")
        assert db.execute(f"SELECT rowid, * FROM {table}").fetchall() == before


def test_a_list_published_again_unchanged_adds_no_point(store: PriceStore) -> None:
    """Ten lists with one price, each with another month stamp, are one point and ten observations."""
    for month in range(1, 11):
        seen = {"effective_from": f"2025-{month:02}-01", "published_at": f"2025-{month:02}-28", "fetched_at": "2026-08-01"}
        added = store.take(fetch(requested_at_ns=DAY + month), [price(**seen)])
        assert added == Added(1 if month == 1 else 0, 1)
    assert (count(store.path, "price_point"), count(store.path, "price_observation")) == (1, 10)
    assert len({p.point_id for p in store.snapshot().prices}) == 1


def test_what_is_there_is_not_added_again(store: PriceStore) -> None:
    """The same fetch twice, and another fetch with the very same records, add nothing but the attempt."""
    assert store.take(fetch(), [price(), tariff()]) == Added(2, 2)
    assert store.take(fetch(), [price(**CUT)]) == Added()
    assert store.take(fetch(requested_at_ns=DAY + 5), [price(), tariff()]) == Added()
    assert len(store.fetches()) == 2
    assert len(store.snapshot().records()) == 2


def test_two_sightings_of_one_beginning_are_both_kept(store: PriceStore) -> None:
    """A price file that holds one price as read on two days keeps both days: the second is when it was still so."""
    assert store.take(fetch(), [price(), price(fetched_at="2024-03-01")]) == Added(1, 2)
    assert len(store.snapshot().prices) == 2


def test_known_then(store: PriceStore) -> None:
    """Asked with an earlier known time, what was read or published later is not there; a list counts from its publication."""
    store.take(fetch(), [price(), price(**CUT), price(published_at="2025-05-29", fetched_at="2026-08-01", amount="98.33")])
    assert [p.amount for p in store.snapshot(known_at_ns=moment_ns("2024-06-01", "t")).prices] == [Decimal("98.32")]
    assert {p.amount for p in store.snapshot(known_at_ns=moment_ns("2025-06-01", "t")).prices} == {Decimal("98.32"), Decimal("98.33")}
    assert store.snapshot(known_at_ns=0) == Snapshot()


def test_found_unchanged_is_seen_again(store: PriceStore) -> None:
    """HTTP 304 a day later: no row of the price is new, and the price is seen at both times, at the second only by who asks later."""
    first = fetch()
    store.take(first, [price(fetched_at="2026-08-01")])
    next_day = DAY + 86_400 * 10**9
    again = fetch(requested_at_ns=next_day, fetched_at_ns=next_day, outcome=Outcome.NOT_MODIFIED, repeats=first.fetch_id)
    assert store.take(again) == Added()
    assert count(store.path, "price_observation") == 1
    assert [p.fetched_at_ns for p in store.snapshot().prices] == [DAY, next_day]
    assert [p.fetched_at_ns for p in store.snapshot(known_at_ns=next_day - 1).prices] == [DAY]
    assert store.snapshot().snapshot_id == store.snapshot(known_at_ns=DAY).snapshot_id


def test_a_narrow_question(store: PriceStore) -> None:
    """Names narrow the prices whatever their case, and leave tariffs as they are; of a fetch, only what it was first to see is told."""
    store.take(fetch(), [price(), price(region="eu-west-1"), tariff()])
    later = fetch(requested_at_ns=DAY + 1)
    store.take(later, [price(instance_type="p4d.24xlarge")])
    narrow = store.snapshot(provider="AWS", region="US-East-1", instance_type="P5.48xlarge")
    assert (narrow.prices, narrow.tariffs) == ((price(),), (tariff(),))
    assert store.snapshot(fetch_id=later.fetch_id) == Snapshot((price(instance_type="p4d.24xlarge"),))


def test_the_standing_of_a_feed(store: PriceStore) -> None:
    """After a failure and a held list the last good fetch is still the one that brought prices; a 304 is good too; newest come first."""
    good = fetch(scope="eastus")
    store.take(good, [price()])
    unchanged = fetch(scope="eastus", requested_at_ns=DAY + 1, outcome=Outcome.NOT_MODIFIED, repeats=good.fetch_id)
    held = fetch(scope="eastus", requested_at_ns=DAY + 2, outcome=Outcome.HELD)
    failed = fetch(scope="eastus", requested_at_ns=DAY + 3, outcome=Outcome.FAILED, fetched_at_ns=None)
    other = fetch(scope="westus", requested_at_ns=DAY + 4, outcome=Outcome.FAILED, fetched_at_ns=None)
    for attempt in (unchanged, held, failed, other):
        store.take(attempt)
    assert store.last_good("azure_retail", "eastus") == good
    assert store.last_good("azure_retail", "westus") is store.last_good("vast", "eastus") is None
    assert store.fetches("azure_retail", scope="eastus") == [failed, held, unchanged, good]
    assert store.fetches(limit=2) == [other, failed]
    assert [(c.last, c.good) for c in store.checks()] == [(failed, unchanged), (other, None)]


def test_rejected_rows_keep_their_reasons(store: PriceStore) -> None:
    """The rows that became no price are there with why; of very many only the first."""
    rows = [Rejected(f"row {i}", "capacity_block_unpriced") for i in range(MAX_REJECTED + 5)]
    one = fetch(rows_rejected=len(rows))
    store.take(one, [price()], rows)
    assert store.rejected(one) == rows[:MAX_REJECTED]
    assert store.rejected(fetch(scope="other")) == []


def test_the_bytes_that_were_taken(store: PriceStore) -> None:
    """Whether the very same bytes were taken before is known by their hash, of the same feed, and only when they were taken."""
    taken = fetch(raw_sha256="aa" * 32)
    store.take(taken, [price()])
    store.take(fetch(raw_sha256="bb" * 32, outcome=Outcome.HELD))
    assert store.holding("azure_retail", "", "aa" * 32) == taken
    for feed, scope, digest in (("vast", "", "aa"), ("azure_retail", "eastus", "aa"), ("azure_retail", "", "bb")):
        assert store.holding(feed, scope, digest * 32) is None


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE price_point SET body = replace(body, '98.32', '9.832')", "price_point is damaged: .* sha256 does not match"),
        ("UPDATE price_point SET body = '{'", "price_point is damaged"),
        ("UPDATE price_point SET body = '[]'", "price_point is damaged"),
        ("UPDATE price_observation SET body = replace(body, '2024-02', '2023-02')", "price_observation does not fit its hash"),
    ],
)
def test_a_row_that_does_not_fit_its_hash_is_refused(store: PriceStore, statement: str, message: str) -> None:
    """An amount or a date that was edited past the triggers is told with the file and what to do, never used."""
    store.take(fetch(), [price()])
    changed(store.path, statement)
    with PriceStore(store.path) as again, pytest.raises(FormatError, match=message) as caught:
        again.snapshot()
    assert str(store.path) in caught.value.what
    assert "restore a copy" in caught.value.next_step


def test_an_attempt_that_was_edited_is_refused(store: PriceStore) -> None:
    """A failure rewritten as a success does not fit its id."""
    store.take(fetch(outcome=Outcome.FAILED, error="HTTP 503"))
    changed(store.path, "UPDATE price_fetch SET body = replace(body, 'failed', 'ok')")
    with pytest.raises(FormatError, match="price_fetch does not fit its hash"):
        store.fetches()
    changed(store.path, "UPDATE price_fetch SET body = '{}'")
    with pytest.raises(FormatError, match="price_fetch is damaged"):
        store.fetches()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of something else, a folder and a path below a file are refused at opening with what to do, and stay as they are."""
    text = tmp_path / "prices.db"
    text.write_text("provider,region\n" * 100, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for path in (text, tmp_path / "folder", text / "prices.db"):
        with pytest.raises(EnvironmentFailed, match="cannot open") as caught:
            PriceStore(path)
        assert "prices.db it is named after" in caught.value.next_step
    assert text.read_text(encoding="utf-8").startswith("provider,region")


def test_a_damaged_page_is_told(store: PriceStore) -> None:
    """Pages overwritten in the middle of the file are an error with its name, not an empty list."""
    store.take(fetch(), [price(amount=str(n), fetched_at="2024-02-05") for n in range(1, 200)])
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises((EnvironmentFailed, FormatError), match=r"prices\.db"), PriceStore(store.path) as again:
        again.snapshot()


def test_a_newer_version_is_left_alone(store: PriceStore) -> None:
    """A file that a later joulemark has extended is not opened, and the message names the version."""
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('joulemark.prices', 'hereafter', '')")
    with pytest.raises(EnvironmentFailed, match=r"newer joulemark \(hereafter\)"):
        PriceStore(store.path)


WRITER = """
import sys
from pathlib import Path
from joulemark.pricing.store import PriceStore
from tests.pricing.records import DAY, fetch, price
mine = int(sys.argv[2])
with PriceStore(Path(sys.argv[1])) as store:
    for n in range(20):
        store.take(fetch(requested_at_ns=DAY + 1000 * mine + n), [price(), price(amount=str(1000 * mine + n + 1))])
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    """Two processes that make the file and write to it at one time lose nothing, and what both bring is there once."""
    path = tmp_path / "prices.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)], stderr=subprocess.PIPE) for n in (1, 2)]
    told = [writer.communicate(timeout=60)[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], told
    assert (count(path, "price_fetch"), count(path, "price_point"), count(path, "price_observation")) == (40, 41, 41)


def test_many_make_the_file_at_once(tmp_path: Path) -> None:
    """Eight that open the file at the moment when nobody has made it yet all find its tables."""
    start = threading.Barrier(8)

    def begin() -> int:
        start.wait()
        with PriceStore(tmp_path / "prices.db") as store:
            return len(store.fetches())

    with ThreadPoolExecutor(8) as pool:
        assert [future.result() for future in [pool.submit(begin) for _ in range(8)]] == [0] * 8


def test_a_fetch_is_taken_whole_or_not_at_all(store: PriceStore) -> None:
    """A record that cannot be stored takes the attempt and all before it back."""
    with pytest.raises(StopIteration):
        store.take(fetch(), [price(), "no record"])  # type: ignore[list-item]  # what no record is
    assert (store.fetches(), store.snapshot()) == ([], Snapshot())


def test_prices_are_listed_in_parts(store: PriceStore) -> None:
    """Each price once, as it was known last, by provider, region and machine; the parts together are the whole, whatever the case asked."""
    prices = [price(instance_type=f"m{number}", sku_id=f"s{number}") for number in range(5)]
    store.take(fetch(), prices)
    store.take(fetch(requested_at_ns=DAY + 1), [price(instance_type="m0", sku_id="s0", fetched_at="2026-08-02")])
    store.take(fetch(requested_at_ns=DAY + 2), [price(provider="azure")])
    parts = [store.listed(limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [one.instance_type for part in parts for one in part] == ["m0", "m1", "m2", "m3", "m4", "p5.48xlarge"]
    assert parts[0][0].fetched_at_ns == moment_ns("2026-08-02", "seen again")
    assert [one.instance_type for one in store.listed(limit=9, provider="AWS", instance_type="M3")] == ["m3"]


def test_attempts_are_counted_by_outcome(store: PriceStore) -> None:
    """The counts of each scope of each feed, failures too; a scope that was never asked has none."""
    assert store.counts() == {}
    store.take(fetch(scope="a"))
    for number in (1, 2):
        store.take(fetch(scope="a", requested_at_ns=DAY + number, outcome=Outcome.FAILED))
    store.take(fetch(scope="b", requested_at_ns=DAY + 3))
    feed = fetch().feed
    assert store.counts() == {(feed, "a"): {"ok": 1, "failed": 2}, (feed, "b"): {"ok": 1}}


def test_how_much_is_known(store: PriceStore) -> None:
    """The totals are those of the snapshot of all, without reading it: its id, its sightings, and when something was known last."""
    assert store.totals() == Totals(Snapshot().snapshot_id, 0, 0, None)
    first = fetch()
    store.take(first, [price(), price(**CUT), tariff()])
    assert store.totals() == Totals(store.snapshot().snapshot_id, 2, 1, price(**CUT).known_ns)
    store.take(fetch(requested_at_ns=DAY + 1, fetched_at_ns=DAY + 1, outcome=Outcome.NOT_MODIFIED, repeats=first.fetch_id))
    assert store.totals() == Totals(store.snapshot().snapshot_id, 2, 1, DAY + 1)


def test_only_the_last_check(store: PriceStore) -> None:
    """Where a list was found unchanged on many days, the sighting itself and the last of those days can be had alone."""
    first = fetch()
    store.take(first, [price(fetched_at="2026-08-01")])
    for n in range(1, 5):
        store.take(fetch(requested_at_ns=DAY + n, fetched_at_ns=DAY + n, outcome=Outcome.NOT_MODIFIED, repeats=first.fetch_id))
    assert len(store.snapshot().prices) == 5
    assert {p.fetched_at_ns for p in store.snapshot(last_check=True).prices} == {DAY, DAY + 4}
    assert {p.fetched_at_ns for p in store.snapshot(last_check=True, known_at_ns=DAY + 2).prices} == {DAY, DAY + 2}


def test_several_questions_are_answered_as_of_one_moment(store: PriceStore) -> None:
    """What another process stores between two questions of one block is in neither answer; after the block it is there."""
    store.take(fetch())
    with store.at_once():
        before = store.counts()
        with PriceStore(store.path) as other:
            other.take(fetch(requested_at_ns=DAY + 1))
        assert store.counts() == before
    assert sum(store.counts()[fetch().feed, ""].values()) == 2
