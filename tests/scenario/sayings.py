"""What touchpoints may say of a person of the worlds, each drawn by chance."""

import random  # noqa: TID251 - every world is made of a given seed
from typing import Any, Final

from kept.core.values import DAY, SECOND, format_instant

ZONES: Final = ("Europe/Lisbon", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe")
CHANNELS: Final = ("email", "sms")


def _track(event: str, properties: dict[str, Any], **who: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties, **who}


def _who(draw: random.Random, number: int) -> dict[str, Any]:
    """Return one of the ways in which a server names a person."""
    by_email = {"externalIds": [{"id": f"e{number}@example.com", "type": "email"}]}
    return draw.choice(
        [
            {"user_id": f"u{number}"},
            {"context": by_email},
            {"user_id": f"u{number}", "context": by_email},
            {"user_id": f"u{number}", "anonymous_id": f"c{number}{draw.choice('ab')}"},
        ]
    )


def _identify(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    traits = {
        "first_name": draw.choice(["Ana", "Bo", None]),
        "zone": draw.choice([*ZONES, ZONES[0], ZONES[0], "Mars/Olympus"]),
        "email": f"e{number}@example.com",
        "phone": f"+35191000000{number}",
        "region": draw.choice(["north", "south"]),
    }
    return "shop", {"type": "identify", "traits": traits, "user_id": f"u{number}"}


def _browse(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    cookie = draw.choice([f"c{number}a", f"c{number}b", "tablet"])
    claim = draw.choice([{}, {}, {"user_id": f"u{number}"}])
    context = {"gpc": True} if draw.random() < 0.05 else {}
    return "web", {"type": "page", "anonymous_id": cookie, "context": context, **claim}


def _view(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    return "shop", {"type": "page", **_who(draw, number)}


def _order(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    return "shop", _track("Order Completed", {"total": draw.randrange(500)}, **_who(draw, number))


def _consent(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    event = draw.choice(["Consent Given"] * 6 + ["Consent Withdrawn", "Unsubscribed"])
    scope: dict[str, Any] = {"entity": draw.choice(["shop", "bank"]), "purpose": "marketing"}
    if draw.random() < 0.2:
        scope["channel"] = draw.choice(CHANNELS)
    return "shop", _track(event, scope, **_who(draw, number))


def _banner(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    consent = {"consent": {"categoryPreferences": {"Advertising": draw.random() < 0.5}}}
    return "web", _track(
        "Segment Consent Preference Updated", {}, anonymous_id=f"c{number}a", context=consent
    )


def _case(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    event = draw.choice(["Case Opened", "Case Resolved", "Case Resolved"])
    told = {"case_id": f"k{number}"}
    # Most people have nothing to complain of, or else nobody would ever be offered anything.
    return "shop", _track(event, told, user_id=f"u{number if number < 2 else 0}")


def _bill(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    told = {"bill_id": f"b{number}{draw.randrange(4)}"}
    if draw.random() < 0.4:
        return "billing", _track("Bill Paid", told, user_id=f"u{number}")
    due = format_instant((now + draw.randrange(-8, 3) * DAY) // SECOND * SECOND)
    return "billing", _track(
        "Bill Issued", told | {"amount": 40, "due_at": due}, user_id=f"u{number}"
    )


def _decline(draw: random.Random, number: int, now: int) -> tuple[str, dict[str, Any]]:
    action = draw.choice(["lamp_offer", "chair_offer"])
    return "web", _track("Offer Declined", {"action": action}, anonymous_id=f"c{number}a")


SAYINGS: Final = (
    (3, _identify), (2, _browse), (4, _view), (4, _order), (6, _consent), (1, _banner), (1, _case),
    (3, _bill), (1, _decline),
)  # fmt: skip
