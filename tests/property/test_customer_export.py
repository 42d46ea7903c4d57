"""An export holds every value that was told of its customer, and none that was told of anybody else."""

import csv
import io
import json
import zipfile
from concurrent.futures import Future
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kept.core.customer_export import EXPORT_TYPE, ExportHead
from kept.core.data_map import map_data
from kept.core.event import Identifier
from kept.core.export_tables import neutralise
from kept.core.export_text import write_text
from kept.core.retention import limits_of
from kept.core.touchpoint_item import WireItem
from kept.core.values import SECOND
from kept.flows import export_customer
from kept.flows.export_customer import begin_export
from kept.flows.stage import Stage
from kept.runtime.export_archive import Archive
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

NOON = 1_772_452_800_000_000
PEOPLE = ("ana", "ben", "cleo")
TABLES = {
    "identifiers", "traits", "objects", "derived", "contacts", "claimed", "consents", "messages",
    "uses", "recipients", "events", "decisions",
}  # fmt: skip

telling = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from(["name", "phone", "bill", "case", "order", "consent", "page", "claim"]),
)


class World:
    """Some people of whom things were told, each thing with a value that stands nowhere else."""

    def __init__(self) -> None:
        """Let everybody be known by a user id and an address."""
        self.stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
        self.planted: dict[str, set[str]] = {who: set() for who in PEOPLE}
        for who in PEOPLE:
            value = self.plant(who)
            self.signal(who, traits={"email": f"{value}@example.com"})

    def plant(self, who: str) -> str:
        """Return a value that is told of somebody for the first time."""
        value = f"{who}planted{sum(map(len, self.planted.values())):03}end"
        self.planted[who].add(value)
        return value

    def signal(self, who: str | None, event: str = "", source: str = "shop", **told: Any) -> None:
        """Let a touchpoint say one thing."""
        stage = self.stage
        stage.now += SECOND
        traits = told.pop("traits", {})
        item = WireItem(
            type="identify" if traits else "track", event=event, user_id=who,
            anonymous_id=told.pop("anonymous_id", None), timestamp=stage.now / SECOND,
            traits=traits, properties=told,
        )  # fmt: skip
        stage.signal(item, source=source, body={})

    def tell(self, who: str, what: str) -> None:
        """Let one thing be told of somebody."""
        value = self.plant(who)
        match what:
            case "name":
                self.signal(who, traits={"first_name": value, "zone": "Europe/Lisbon"})
            case "phone":
                self.signal(who, traits={"phone": value})
            case "bill":
                self.signal(who, "Bill Issued", "billing", bill_id=value, amount=40)
            case "case":
                self.signal(who, "Case Opened", case_id=value)
            case "order":
                self.signal(who, "Order Completed", total=5, note=value)
            case "consent":
                self.signal(who, "Consent Given", entity="shop", purpose="marketing", wording=value)
            case "page":
                self.signal(who, "Page Viewed", url=value, anonymous_id=f"{value}-cookie")
            case _:
                self.signal(who, "Page Viewed", "web", url=value, anonymous_id=f"{value}-cookie")

    def export(self, who: str) -> bytes:
        """Return somebody's archive."""
        engine = self.stage.engine
        brand = engine.bundle.brand
        data = map_data_of_larkmead()
        with self.stage.store.transaction():
            export = begin_export(
                engine, data, Identifier("user_id", who), confirmed_by="a passport", locale="",
                actor="olga", now=self.stage.now,
            )  # fmt: skip

        def submit(job: Any) -> "Future[Any]":
            done: Future[Any] = Future()
            done.set_result(job(engine, self.stage.now))
            return done

        limits = limits_of(brand, data)
        archive = Archive(export, limits, submit=submit, bundle=engine.bundle)
        return b"".join(archive.write())


_MAP: list[Any] = []


def map_data_of_larkmead() -> Any:
    """Return the map of the small brand, worked out once."""
    if not _MAP:
        _MAP.append(map_data(compile_larkmead().brand))
    return _MAP[0]


def unpack(archive: bytes) -> dict[str, str]:
    """Return the files of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name).decode() for name in packed.namelist()}


@settings(max_examples=25, deadline=None)
@given(st.lists(telling, max_size=25))
def test_an_export_holds_all_of_one_and_nothing_of_another(told: list[tuple[str, str]]) -> None:
    """Whatever is told of whom, by which source, vouched for or claimed, in whatever order."""
    world = World()
    for who, what in told:
        world.tell(who, what)
    for who in PEOPLE:
        files = unpack(world.export(who))
        assert set(files) == {f"{name}.csv" for name in TABLES} | {"customer.json", "README.txt"}
        for other in PEOPLE:
            text = "".join(files.values())
            if other == who:
                for value in world.planted[who]:
                    assert value in files["customer.json"]
                    assert value in text.replace(files["customer.json"], "")
            else:
                assert f"{other}planted" not in text


@given(st.integers(min_value=1, max_value=4), st.integers(min_value=0, max_value=13))
@settings(max_examples=15, deadline=None)
def test_pages_leave_nothing_out_and_hold_nothing_twice(page: int, count: int) -> None:
    """However long the history is and however it is cut into pages."""
    world = World()
    for _ in range(count):
        world.tell("ana", "order")
    before = export_customer.EVENTS_A_PAGE, export_customer.DECISIONS_A_PAGE
    export_customer.EVENTS_A_PAGE = export_customer.DECISIONS_A_PAGE = page  # type: ignore[misc]
    try:
        files = unpack(world.export("ana"))
    finally:
        export_customer.EVENTS_A_PAGE, export_customer.DECISIONS_A_PAGE = before  # type: ignore[misc]
    document = json.loads(files["customer.json"])
    ana = world.stage.find(Identifier("user_id", "ana"))
    assert ana is not None
    stored = world.stage.store.load_part_events(sorted(ana.parts))
    assert [one["message_id"] for one in document["events"]] == [
        one.event.message_id for one in stored
    ]
    rows = world.stage.store.read_decisions(sorted(ana.parts), newest=999)
    assert [one["decision_id"] for one in document["decisions"]] == [
        row.decision_id for row in rows
    ]
    for name in ("events", "decisions"):
        table = list(csv.reader(io.StringIO(files[f"{name}.csv"])))
        assert len(table) == len(document[name]) + 1
        assert f"{len(document[name])}" in files["README.txt"]
    for one in document["decisions"][:page]:
        assert one["decided_at"] in files["README.txt"]
        assert one["reasons"][0] in files["README.txt"]


def test_what_was_claimed_and_never_proven_stands_apart() -> None:
    """A page that says it is Ana's tells nothing of Ana; it is handed over as a claim."""
    world = World()
    world.signal("ana", source="web", traits={"first_name": "Somebody"})
    document = json.loads(unpack(world.export("ana"))["customer.json"])
    assert document["type"] == EXPORT_TYPE
    assert [one["value"] for one in document["claimed"]] == ["Somebody"]
    assert all(one["value"] != "Somebody" for one in document["traits"])
    (event,) = [one for one in document["events"] if one["is_claimed"]]
    assert event["traits"] == {"first_name": "Somebody"}
    assert set(document) == {*ExportHead.__struct_fields__, "events", "decisions"}


def test_the_text_says_whence_for_what_to_whom_and_until_when_in_three_languages() -> None:
    """And it holds no word of another language's headings."""
    world = World()
    world.tell("ana", "consent")
    heads = {"en": "What we said to you", "de": "Was wir Ihnen gesagt", "pt": "O que lhe dissemos"}
    engine, data = world.stage.engine, map_data_of_larkmead()
    for locale, heading in heads.items():
        with world.stage.store.transaction():
            export = begin_export(
                engine, data, Identifier("user_id", "ana"), confirmed_by="x", locale=locale,
                actor="olga", now=world.stage.now,
            )  # fmt: skip
        text = write_text(export.head, event_count=2, decision_count=3)
        assert heading in text
        assert "shop 2026-03-02T12:00:0" in text
        assert "2036-02-28" in text
        assert "Mailer Ltd, PT" in text
        assert all(other not in text for key, other in heads.items() if key != locale)


def test_no_cell_is_a_formula() -> None:
    """A name that begins like a formula does so in no table; numbers stay numbers."""
    world = World()
    for value in ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\tx", "\rx"):
        world.signal("ana", "Order Completed", total=-5, note=value)
        world.signal("ana", traits={"first_name": value})
        assert neutralise(value) == f"'{value}"
        files = unpack(world.export("ana"))
        for name, text in files.items():
            if name.endswith(".csv"):
                cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
                assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t", "\r"))], (
                    name
                )
