"""Spark says what DuckDB and Python say, on a cluster of a master and two workers, and keeps nothing."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from random import Random  # noqa: TID251 - seeds are shown
from typing import Any, TypeVar

import msgspec
import pytest
from httpx import Timeout
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from kept.analytics.spark_base import SparkBase
from kept.analytics.spark_session import open_session
from kept.clock import random_bytes
from kept.core.bundle import Bundle
from kept.core.decide import decide
from kept.core.decision import OUTBOUND, Controls, Facts, OpenMessage, Request
from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import compile_expression
from kept.core.policy.tree import Expression
from kept.core.policy.where import Where
from kept.core.policy_sql.answers import Told, read_told, told_of
from kept.core.policy_sql.lookups import drawn_table, zones_table
from kept.core.policy_sql.query import write_query
from kept.core.policy_sql.rows import RowWriter
from kept.core.policy_sql.schema import schema_of
from kept.errors import SettingsError, StoreError
from tests import example_base
from tests.conftest import require_tool
from tests.e2e.served import Served, serve
from tests.golden.policy_corpus import read_corpus, read_outcome
from tests.golden.policy_judge import SCOPE
from tests.golden.test_policy_corpus import checked
from tests.history import World
from tests.property import policies
from tests.property.policy_language import expressions, rows_for
from tests.property.test_decision import NOW, brakes, facts, placements
from tests.property.test_policy_sql import ask as ask_duckdb
from tests.scenario.larkmead import compile_larkmead
from tests.spark_cluster import SparkJudge, find_spark, run_cluster
from tests.suites.test_history_how_to import block, expected, run_python, world

T = TypeVar("T")
pytestmark = [
    # One cluster for all, in one process of pytest.
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
_WHERE = Where(file="generated")
EverybodyOf = Sequence[tuple[Facts, tuple[OpenMessage, ...]]]
__all__ = ["world"]


class Cluster:
    """A running cluster: a session on it, where all of its files lie, and where it was started."""

    def __init__(self, folder: Path, session: Any) -> None:
        """Take both."""
        self.folder = folder
        self.session = session
        self.started = folder / "started"
        self.shared = folder / "shared"
        self.shared.mkdir()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master, two workers, and a session on them that Kept opened."""
    home = require_tool(find_spark(), name="pyspark with Java (`make suites SUITE=spark`)")
    folder = tmp_path_factory.mktemp("spark")
    with run_cluster(home, folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder / "conf"))
        patch.setenv("SPARK_LOCAL_DIRS", str(folder / "local"))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("TMPDIR", str(folder / "temporary"))
        (folder / "started").mkdir()
        with pytest.MonkeyPatch.context() as elsewhere:
            elsewhere.chdir(folder / "started")
            session = open_session(address)
        yield Cluster(folder, session)
        session.stop()


def draw(strategy: st.SearchStrategy[T], *, count: int) -> list[T]:
    """Return so many examples: one job asks of all of them, where a law would start a job for each."""
    number = int.from_bytes(random_bytes(4))
    print(f"drawn with seed {number}")
    drawn: list[T] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(one: T) -> None:
        drawn.append(one)

    take()
    return drawn


def ask(
    cluster: Cluster,
    bundle: Bundle,
    everybody: EverybodyOf,
    *,
    request: Request,
    controls: Controls,
    now: int,
) -> list[Told]:
    """Return what the query says of each customer on the cluster."""
    writer = RowWriter(bundle)
    rows = [
        writer.write(number, known, messages)
        for number, (known, messages) in enumerate(everybody, start=1)
    ]
    claimed = [
        row
        for number, (known, _) in enumerate(everybody, start=1)
        if (row := writer.write_claimed(number, known)) is not None
    ]
    base = SparkBase(cluster.session, cluster.shared)
    base.begin(schema_of(bundle))
    base.add("customers", rows)
    base.add("claimed", claimed)
    zones = {known.zone for known, _ in everybody if known.zone is not None}
    for lookup in (zones_table(bundle.policy, zones, now), drawn_table(bundle.policy)):
        base.look_up(lookup)
    query = write_query(
        bundle,
        now=now,
        request=request,
        controls=controls,
        has_claims=bool(claimed),
        dialect=base.dialect,
    )
    found = base.ask(query.text)
    base.clear()
    assert not list(cluster.shared.iterdir())
    return [
        read_told(query, bundle.policy, row)
        for row in sorted(found, key=lambda row: row["customer"])
    ]


def check(
    cluster: Cluster,
    bundle: Bundle,
    everybody: EverybodyOf,
    *,
    request: Request,
    controls: Controls,
    now: int,
) -> None:
    """Assert that the cluster, DuckDB and the engine say the same of everybody, reasons included."""
    found = ask(cluster, bundle, everybody, request=request, controls=controls, now=now)
    beside = ask_duckdb(bundle, everybody, request=request, controls=controls, now=now)
    for number, ((known, messages), here, there) in enumerate(
        zip(everybody, found, beside, strict=True), start=1
    ):
        decision = decide(
            known,
            msgspec.structs.replace(request, open_messages=messages),
            bundle.policy,
            controls,
            customer_id=number,
            now=now,
            decision_id=1,
        )
        assert here == there == told_of(decision), (number, request, known)


def test_the_whole_corpus_of_conditions(cluster: Cluster) -> None:
    """Every case has the value that it should, NULL and unknown included."""
    judge, cases = SparkJudge(cluster.session), read_corpus()
    # More of them in one question are more code than Java takes at once.
    for start in range(0, len(cases), 130):
        some = cases[start : start + 130]
        judge.load([case.row for case in some])
        answers = judge.ask(*(checked(case) for case in some))
        for place, case in enumerate(some):
            expected = read_outcome(case.expected, checked(case).type)
            found = answers[place][place]
            assert (found, type(found)) == (expected, type(expected)), case


def test_generated_conditions(cluster: Cluster) -> None:
    """NULL, unknown, numbers at their limits, odd texts, old dates: the same answer as in Python."""
    judge = SparkJudge(cluster.session)
    checked_ones = expressions(depth=4).map(
        lambda text: check_expression(text, scope=SCOPE, expects=None, where=_WHERE)
    )
    of_each = checked_ones.flatmap(
        lambda one: (
            st.tuples(st.just(one), rows_for(one)) if isinstance(one, Expression) else st.nothing()
        )
    )
    drawn = draw(of_each, count=80)
    assert len(drawn) > 30
    some, rows = [one for one, _ in drawn], [row for _, row in drawn]
    judge.load(rows)
    for row, found in zip(rows, judge.ask(*some), strict=True):
        for one, outcome in zip(some, found, strict=True):
            assert outcome == compile_expression(one)(row), (one.text, row)


@pytest.mark.parametrize("place", range(2))
def test_the_brand_of_the_scenarios(cluster: Cluster, place: int) -> None:
    """Whatever its customers may be, and whatever is asked."""
    # What is drawn first is always the simplest.
    asked, on = draw(st.tuples(placements, brakes), count=5)[-1] if place else (OUTBOUND, ())
    check(
        cluster,
        compile_larkmead(),
        [(known, ()) for known in draw(facts(), count=200)],
        request=Request(placement=asked),
        controls=Controls(brakes=on),
        now=NOW,
    )


def test_the_example_brand(cluster: Cluster) -> None:
    """Everybody of its stories, and hundreds who are mixed from them."""
    number = int.from_bytes(random_bytes(4))
    print(f"mixed with seed {number}")
    bundle = example_base.compile_example()
    people = example_base.read_people(bundle)
    check(
        cluster,
        bundle,
        people + example_base.mix(people, Random(number), count=400),
        request=Request(),
        controls=Controls(),
        now=example_base.NOW,
    )


@pytest.mark.parametrize("place", range(2))
def test_brands_made_by_chance(cluster: Cluster, place: int) -> None:
    """Every layer and every limit, in any combination."""
    number = int.from_bytes(random_bytes(4))
    print(f"Maker({number}) of row {place}")
    maker = policies.Maker(number)
    bundle = maker.brand()
    check(
        cluster,
        bundle,
        [(maker.facts(bundle), maker.open_messages(bundle)) for _ in range(100)],
        request=maker.request(bundle),
        controls=maker.controls(bundle),
        now=policies.NOW,
    )


def test_nothing_that_is_told_stays_on_a_disk(cluster: Cluster) -> None:
    """Neither while a base is asked nor afterwards does any file hold a value of a person, or the key."""
    maker = policies.Maker(1)
    bundle = maker.brand()
    planted = [f"Planted-Region-{maker.chance.getrandbits(64):016x}" for _ in range(3_000)]
    writer, one = RowWriter(bundle), maker.facts(bundle)
    base = SparkBase(cluster.session, cluster.shared)
    base.begin(schema_of(bundle))
    for number, region in enumerate(planted, start=1):
        known = msgspec.structs.replace(one, region=region)
        base.add("customers", [writer.write(number, known, ())])
    # A sort and a join of everything: both go over the disks of the workers.
    regions = base.ask(
        'SELECT a.":region" AS region FROM customers AS a LEFT JOIN customers AS b '
        'ON a.":region" = b.":region" ORDER BY b.":region"'
    )
    assert [row["region"] for row in regions] == sorted(planted)
    secrets = [text.encode() for text in ("Planted-Region", planted[0][-16:])]
    secrets += [base.key, base.key.hex().encode(), base.key.hex().upper().encode()]
    search(cluster.folder, secrets)
    left = next(iter(cluster.shared.iterdir()))
    assert list(left.rglob("*.parquet"))
    base.clear()
    assert not left.exists()
    search(cluster.folder, secrets)
    assert not list((cluster.folder / "events").iterdir())
    assert not list(cluster.started.iterdir())
    assert not logging.getLogger("py4j.clientserver").isEnabledFor(logging.INFO)


def test_a_question_that_goes_on_and_on_is_broken_off(cluster: Cluster) -> None:
    """The jobs of the cluster end, whoever asked is told, and the base can be asked again."""
    maker = policies.Maker(1)
    bundle = maker.brand()
    writer, one = RowWriter(bundle), maker.facts(bundle)
    base = SparkBase(cluster.session, cluster.shared)
    base.begin(schema_of(bundle))
    base.add("customers", [writer.write(number, one, ()) for number in range(1, 9_001)])
    count = "SELECT COUNT(*) AS n FROM customers AS a"
    more = [f'LEFT JOIN customers AS {x} ON {x}.":customer" <> a.":customer"' for x in ("b", "c")]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(base.ask, f"{count} {' '.join(more)}")
        begun = time.monotonic()  # noqa: TID251 - a test of a running cluster
        while not wait([asked], 0.1).done:
            assert time.monotonic() - begun < 120  # noqa: TID251 - likewise
            base.interrupt()
        with pytest.raises(StoreError, match="the cluster could not be asked"):
            asked.result()
    assert base.ask(count) == [{"n": 9_000}]
    base.clear()


def search(folder: Path, secrets: list[bytes]) -> None:
    """Assert that no file below a folder holds any of some texts."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        for secret in secrets:
            assert secret not in content, (path, secret[:8])


def test_a_server_asks_the_cluster_as_it_asks_duckdb(cluster: Cluster, tmp_path: Path) -> None:
    """The same counts from both engines, and each base was proven against the engine of decisions."""
    address: str = cluster.session.sparkContext.master
    # In shadow, or those who are told something would be fewer with each question.
    options = ("--spark-master", address, "--spark-folder", str(cluster.shared), "--shadow")
    with serve(tmp_path, *options) as served:
        for number in range(12):
            user = served.introduce()
            if number % 2:
                served.make_regular(user)
                served.track("Consent Given", user, entity="shop", purpose="marketing")
        told = {engine: counts_of(served, engine) for engine in ("duckdb", "spark")}
        assert told["spark"] == told["duckdb"]
        assert told["spark"][0]["customers"] == 12
        assert told["spark"][2]["would_wake"] > 0
        assert list(cluster.shared.iterdir())
        served.ok(served.admin("DELETE", "/base"))
        assert not list(cluster.shared.iterdir())


def counts_of(served: Served, engine: str) -> list[dict[str, Any]]:
    """Return what a server counts for everybody by one engine, but for when."""
    served.http.timeout = Timeout(600)
    view = served.ok(served.admin("POST", "/base", {"engine": engine}))
    while view["state"] == "filling":
        time.sleep(0.2)
        view = served.ok(served.admin("GET", "/base"))
    assert (view["state"], view["engine"]) == ("ready", engine), view
    asked = {"where": "orders >= 2"}
    reach = served.ok(served.admin("POST", "/base/reach", {"by_cohort": True}))
    audience = served.ok(served.admin("POST", "/base/audience", asked))
    action = max(reach["actions"], key=lambda one: int(one["chosen"]))["action"]
    wanted = {"action": action, "pace": 60, "dry_run": True}
    campaign = served.ok(served.admin("POST", "/campaign", wanted))
    return [one | {"instant": ""} for one in (reach, audience, campaign)]


def test_history_is_read_as_the_how_to_shows(
    cluster: Cluster, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of the page, run as it stands, gives the answer of `kept sql`."""
    monkeypatch.chdir(world.folder.parent)
    code = block("Spark", "python").replace("history/", f"{world.folder}/")
    answer = run_python(code, spark=cluster.session)
    assert sorted(tuple(row) for row in answer.collect()) == expected(world)


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And starts nothing."""
    require_tool(find_spark(), name="pyspark with Java (`make suites SUITE=spark`)")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SettingsError, match="needs Java 17 or newer"):
        open_session("local[1]")


@pytest.mark.parametrize("address", ["spark://127.0.0.1:1", "spark://nowhere", "spark://[::1:9"])
def test_where_no_master_is_it_says_so_at_once(address: str) -> None:
    """Spark would try for a minute, and then say less."""
    require_tool(find_spark(), name="pyspark with Java (`make suites SUITE=spark`)")
    with pytest.raises(SettingsError, match="no Spark master answers at"):
        open_session(address)
