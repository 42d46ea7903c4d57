"""The operator's brake: stop an action, a channel, a purpose, a region, a cohort, or everything.

`region:algarve+purpose:marketing` stops what is within both, and lets the rest of that region go on.
A brake is in force for the next thing that the writer does, so nothing more leaves once the call
is answered. What is held by it is withdrawn when it would leave and decided again later; nothing
piles up behind a brake, so nothing bursts out when it is lifted.
"""

import re
from typing import Final

import msgspec

from kept.core.decision import Brake, parts_of
from kept.errors import InputError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator

SETTING: Final = "brakes"
COMBINED: Final = ("action", "purpose", "region", "cohort")
"""Scopes of which several may be combined; a channel is stopped for everything and everybody."""
SCOPES: Final = ("all", "channel", *COMBINED)
_JOINT: Final = re.compile(rf"\+(?=(?:{'|'.join(SCOPES)})(?::|$))")
"""A plus before a scope: names may hold others."""
_decode_brakes = msgspec.json.Decoder(tuple[Brake, ...]).decode


def parse_scopes(text: str) -> tuple[tuple[str, str], ...]:
    """Return the scopes with their names in a text such as `all` or `region:algarve+purpose:marketing`.

    Raises:
        InputError: the text is none, or joins what cannot be combined.
    """
    parts = []
    for part in _JOINT.split(text):
        scope, _, name = part.partition(":")
        if scope not in SCOPES or (scope == "all") is bool(name):
            message = (
                f"{text!r} is not something that can be paused; write all, or one of action:NAME, "
                "channel:NAME, purpose:NAME, region:NAME, cohort:NAME"
            )
            raise InputError(message)
        parts.append((scope, name))
    scopes = [scope for scope, _ in parts]
    if len(parts) > 1 and (len(set(scopes)) < len(parts) or not set(scopes) <= set(COMBINED)):
        message = f"{text!r} cannot be combined; join one each of {', '.join(COMBINED)} by a plus"
        raise InputError(message)
    return tuple(parts)


def brake_of(text: str, *, actor: str, because: str, now: int) -> Brake:
    """Return the brake that a text asks for."""
    (scope, name), *also = parse_scopes(text)
    return Brake(
        brake=text,
        scope=scope,
        name=name,
        also=tuple(also),
        since=now,
        actor=actor,
        because=because,
    )


def pause(engine: Engine, text: str, *, actor: str, because: str, now: int) -> Brake:
    """Put a brake on; pausing what is paused already changes nothing.

    Raises:
        InputError: the text is no scope, or joins what cannot be combined.
        NotFoundError: the brand has no such action, channel, purpose or cohort.
    """
    brake = brake_of(text, actor=actor, because=because, now=now)
    for scope, name in parts_of(brake):
        _check_known(engine, scope, name)
    for other in engine.controls.brakes:
        if set(parts_of(other)) == set(parts_of(brake)):
            return other
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
