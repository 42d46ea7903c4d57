"""A brand folder that changes under a running server: taken whole, refused whole, prepared first."""

import shutil
from pathlib import Path

from kept.clock import read_monotonic
from kept.core.values import SECOND
from tests.e2e.command import ok, run_kept
from tests.e2e.served import BRAND, Served


def regular(served: Served) -> str:
    """Return a customer who is offered something at the till."""
    user = served.introduce()
    served.make_regular(user)
    served.track("Consent Given", user, entity="shop", purpose="marketing")
    return user


def version(served: Served) -> str:
    """Return the version of the brand that is in force."""
    return str(served.ok(served.http.get("/status.json"))["version"])


def change(path: Path, old: str, new: str) -> None:
    """Replace a text in a file of the folder."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_valid_change_is_in_force_soon(own_server: Served) -> None:
    """Nobody restarts anything."""
    user = regular(own_server)
    assert own_server.ask("till", user)["shown"]
    before, began = version(own_server), read_monotonic()
    change(own_server.brand / "cohorts.yaml", "orders >= 3", "orders >= 4")

    own_server.wait_for(lambda: version(own_server) != before)

    # It is looked at three times a second and checked; the rest is room for a busy machine.
    assert (read_monotonic() - began) / SECOND < 3
    assert own_server.ask("till", user)["silence"]
    own_server.track("Order Completed", user, total=300)
    assert own_server.ask("till", user)["shown"]


def test_an_invalid_change_is_refused_as_a_whole_with_every_reason(own_server: Served) -> None:
    """The old brand stays in force until all of it is in order."""
    user = regular(own_server)
    before = version(own_server)
    change(own_server.brand / "cohorts.yaml", "orders >= 3", "ordres >= 3")
    change(own_server.brand / "actions" / "bill_note.yaml", "purpose: service", "purpose: servce")

    problems = own_server.wait_for(
        lambda: own_server.ok(own_server.http.get("/status.json"))["problems"]
    )

    told = str(problems)
    assert "ordres" in told
    assert "servce" in told
    assert version(own_server) == before
    assert own_server.ask("till", user)["shown"]
    checked = run_kept("check", own_server.brand)
    assert checked.code == 1
    assert "cohorts.yaml:2" in checked.out
    change(own_server.brand / "cohorts.yaml", "ordres", "orders")
    change(own_server.brand / "actions" / "bill_note.yaml", "servce", "service")
    own_server.wait_for(lambda: not own_server.ok(own_server.http.get("/status.json"))["problems"])
    ok("check", own_server.brand)


def test_a_new_feature_is_filled_from_what_was_stored(own_server: Served) -> None:
    """It counts what happened before anybody thought of counting it."""
    user = regular(own_server)
    before = version(own_server)
    facts = own_server.brand / "facts.yaml"
    change(
        facts,
        "  orders: {count: Order Completed}\n",
        "  orders: {count: Order Completed}\n  purchases: {count: Order Completed}\n",
    )
    change(own_server.brand / "cohorts.yaml", "orders >= 3", "purchases >= 3")

    own_server.wait_for(lambda: version(own_server) != before)

    assert own_server.ask("till", user)["shown"]
    other = own_server.introduce()
    own_server.track("Consent Given", other, entity="shop", purpose="marketing")
    assert own_server.ask("till", other)["silence"]


def test_a_folder_is_written_checked_tested_and_published(tmp_path: Path) -> None:
    """`kept init`, `check`, `test` and `schema`, one after the other, as a newcomer would."""
    brand = tmp_path / "mine"
    ok("init", brand)
    assert "is in order" in ok("check", brand)
    assert " 0 failed" in ok("test", brand)
    assert "brand" in ok("schema", tmp_path / "schemas")
    again = run_kept("init", brand)
    assert again.code == 1
    assert "not empty" in again.err
    shutil.rmtree(brand / "templates")
    assert run_kept("check", brand).code == 1


def test_a_file_that_nobody_would_read_is_named_with_everything_else(tmp_path: Path) -> None:
    """Another ending, in the brand and among its stories, and a story that is none beside an error."""
    brand = tmp_path / "mine"
    ok("init", brand)
    (brand / "actions" / "renewal.yml").write_text("action: renewal\n")
    (brand / "stories" / "late.yml").write_text("story: Late\n")
    (brand / "stories" / "bills").mkdir()
    (brand / "stories" / "bills" / "broken.yaml").write_text("stroy: Broken\n")

    checked = run_kept("check", brand)

    assert checked.code == 1
    assert "actions/renewal.yml: no file of this name belongs here; rename it" in checked.out
    assert "stories/late.yml: no story is read from it; rename it" in checked.out
    assert "stories/bills/broken.yaml:1" in checked.out


def test_a_story_in_a_folder_within_is_played(tmp_path: Path) -> None:
    """Like those beside it."""
    brand = tmp_path / "mine"
    ok("init", brand)
    stories = sorted((brand / "stories").glob("*.yaml"))
    (brand / "stories" / "bills").mkdir()
    shutil.copy(stories[0], brand / "stories" / "bills" / "late.yaml")
    assert f"{len(stories) + 1} story file(s)" in ok("check", brand)
    assert "ok    stories/bills/late.yaml" in ok("test", brand)


def test_a_server_refuses_to_start_on_a_brand_that_is_not_in_order(tmp_path: Path) -> None:
    """Every problem at once, and nothing is served."""
    brand = tmp_path / "brand"
    shutil.copytree(BRAND, brand)
    change(brand / "cohorts.yaml", "orders >= 3", "ordres >= 3")
    done = run_kept("serve", "--brand", brand, "--data", tmp_path / "data", "--port", "0")
    assert done.code == 1
    assert "ordres" in done.err
    missing = run_kept("serve", "--brand", BRAND, "--data", tmp_path / "data2", "--port", "0")
    assert missing.code == 1
    assert "HARBOUR_" in missing.err


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Any file of this machine could else be sent to customers as a text."""
    brand = tmp_path / "brand"
    shutil.copytree(BRAND, brand)
    (tmp_path / "secret").write_text("not for customers")
    (brand / "templates" / "welcome.de.liquid").symlink_to(tmp_path / "secret")
    done = run_kept("serve", "--brand", brand, "--data", tmp_path / "data", "--port", "0")
    assert done.code == 1
    assert "welcome.de.liquid: this is a link that leads out of the folder" in done.err
    assert "not for customers" not in done.err + done.out


def test_a_folder_that_names_the_servers_own_secret_is_not_served(tmp_path: Path) -> None:
    """Whoever edits it could have the operator's token sent to them as a password."""
    brand, data = tmp_path / "brand", tmp_path / "data"
    shutil.copytree(BRAND, brand)
    change(brand / "sources.yaml", "env:HARBOUR_SHOP_KEY", f"file:{data}/admin-token")
    done = run_kept("serve", "--brand", brand, "--data", data, "--port", "0")
    assert done.code == 1
    assert "names a secret of the server's own" in done.err
