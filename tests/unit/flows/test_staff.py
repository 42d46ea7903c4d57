"""Accounts of an identity provider: found by issuer and subject alone, and what the provider says they are."""

import pytest

from kept.core.access import Role
from kept.core.oidc import Person
from kept.core.staff import Staff
from kept.errors import NotAllowedError
from kept.flows.staff import ADMIN_SETTING, add_staff, set_enabled, sign_in, take_person
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON

ISSUER = "https://id.example"
NAME = "ana@harbour.example"


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage on which the first token administers."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    with stage.store.transaction():
        stage.store.save_setting(ADMIN_SETTING, b"a hash")
    return stage


def come(
    stage: Stage, subject: str, *roles: Role, issuer: str = ISSUER, name: str = NAME
) -> Staff | None:
    """Let somebody come back from the provider."""
    person = Person(subject=subject, name=name)
    with stage.store.transaction():
        return take_person(stage.engine, person, roles, issuer=issuer, now=NOON)


def enter(stage: Stage, staff: Staff | None) -> None:
    """Begin a session for somebody."""
    assert staff is not None
    with stage.store.transaction():
        sign_in(
            stage.engine, staff.staff_id, cookie=f"c{staff.staff_id}", way="oidc", browser="",
            before="", now=NOON,
        )  # fmt: skip


def test_nothing_is_linked_by_a_name(stage: Stage) -> None:
    """An address may be given to somebody else: who has it gets neither account nor roles of before."""
    with stage.store.transaction():
        local = add_staff(stage.engine, NAME, ["admin"], invitation="x", actor="a", now=NOON)
    first = come(stage, "user-7", "agent")
    again = come(stage, "user-7", "agent", name="renamed@harbour.example")
    other = come(stage, "user-8", "viewer")
    elsewhere = come(stage, "user-7", "viewer", issuer="https://id.example.evil")
    ids = [local.staff_id, *(each.staff_id for each in (first, other, elsewhere) if each)]
    assert len(set(ids)) == 4
    assert first is not None
    assert again is not None
    assert again.staff_id == first.staff_id
    assert (again.name, again.roles) == ("renamed@harbour.example", ("agent",))


def test_who_loses_their_roles_there_loses_their_sessions_here(stage: Stage) -> None:
    """With other roles one signs in anew; with none there is no access at all."""
    staff = come(stage, "user-7", "supervisor")
    enter(stage, staff)
    come(stage, "user-7", "supervisor")
    assert len(stage.store.load_sessions()) == 1
    come(stage, "user-7", "viewer")
    assert stage.store.load_sessions() == []
    enter(stage, staff)
    assert come(stage, "user-7") is None
    assert stage.store.load_sessions() == []
    assert come(stage, "user-9") is None
    assert [each.roles for each in stage.store.load_staff()] == [()]


def test_who_is_disabled_here_stays_out(stage: Stage) -> None:
    """Whatever the provider says."""
    staff = come(stage, "user-7", "admin")
    assert staff is not None
    with stage.store.transaction():
        set_enabled(stage.engine, staff.staff_id, is_enabled=False, actor="a", now=NOON)
    with pytest.raises(NotAllowedError, match="disabled"):
        come(stage, "user-7", "admin")
    with pytest.raises(NotAllowedError):
        enter(stage, staff)
