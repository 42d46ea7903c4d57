"""The operator's brake: stop an action, a channel, a purpose, a region, a cohort, or everything.

A brake is in force for the next thing that the writer does, so nothing more leaves once the call
is answered. What is held by it is withdrawn when it would leave and decided again later; nothing
piles up behind a brake, so nothing bursts out when it is lifted.
"""

from typing import Final

import msgspec

from kept.core.decision import Brake
from kept.errors import InputError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator

SETTING: Final = "brakes"
SCOPES: Final = ("all", "action", "channel", "purpose", "region", "cohort")
_decode_brakes = msgspec.json.Decoder(tuple[Brake, ...]).decode


def parse_scope(text: str) -> tuple[str, str]:
    """Return the scope and name in a text such as `all` or `action:renewal_offer`."""
    scope, _, name = text.partition(":")
    if scope not in SCOPES or (scope == "all") is bool(name):
        message = (
            f"{text!r} is not something that can be paused; write all, or one of action:NAME, "
            "channel:NAME, purpose:NAME, region:NAME, cohort:NAME"
        )
        raise InputError(message)
    return scope, name


def pause(engine: Engine, text: str, *, actor: str, because: str, now: int) -> Brake:
    """Put a brake on; pausing what is paused already changes nothing.

    Raises:
        InputError: the text is no scope.
        NotFoundError: the brand has no such action, channel, purpose or cohort.
    """
    scope, name = parse_scope(text)
    _check_known(engine, scope, name)
    for brake in engine.controls.brakes:
        if (brake.scope, brake.name) == (scope, name):
            return brake
    brake = Brake(brake=text, scope=scope, name=name, since=now, actor=actor, because=because)
    _put(engine, (*engine.controls.brakes, brake))
    detail = {"scope": text, "because": because}
    note_operator(engine.store, "approval", actor=actor, verb="pause", detail=detail, now=now)
    engine.tell("paused", scope=text)
    return brake


def resume(engine: Engine, text: str, *, actor: str, now: int) -> Brake:
    """Lift a brake.

    Raises:
        NotFoundError: nothing of this name is paused.
    """
    for brake in engine.controls.brakes:
        if brake.brake == text:
            _put(engine, tuple(other for other in engine.controls.brakes if other != brake))
            detail = {"scope": text}
            note_operator(
                engine.store, "approval", actor=actor, verb="resume", detail=detail, now=now
            )
            engine.tell("resumed", scope=text)
            return brake
    paused = ", ".join(brake.brake for brake in engine.controls.brakes) or "nothing"
    message = f"{text!r} is not paused; paused is {paused}"
    raise NotFoundError(message)


def _check_known(engine: Engine, scope: str, name: str) -> None:
    policy = engine.bundle.policy
    known = {
        "action": policy.by_name.keys(),
        "channel": policy.channels.keys(),
        "purpose": policy.purposes.keys(),
        "cohort": policy.cohorts,
    }.get(scope)
    if known is not None and name not in known:
        message = f"the brand has no {scope} {name!r}; it has {', '.join(sorted(known))}"
        raise NotFoundError(message)


def _put(engine: Engine, brakes: tuple[Brake, ...]) -> None:
    engine.store.change_control()
    engine.controls = msgspec.structs.replace(engine.controls, brakes=brakes)
    engine.store.save_setting(SETTING, msgspec.json.encode(brakes))
    engine.customers.forget_standing()


def load_brakes(engine: Engine) -> None:
    """Put the brakes on that were on when the process ended."""
    stored = engine.store.load_setting(SETTING)
    brakes = _decode_brakes(stored) if stored else ()
    engine.controls = msgspec.structs.replace(engine.controls, brakes=brakes)
