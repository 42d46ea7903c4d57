"""The brand folder that Kept is measured with: a case's conditions as holds, its actions as offers.

Beside them stand two messages that the mix of events never causes: a receipt, which is a service
message, and a reminder to renew, which the event that renews must stop.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.case import (
    AMOUNTS,
    Action,
    AtLeast,
    Case,
    Exists,
    Is,
    Joined,
    Not,
    Since,
    Test,
    Value,
)

SOURCE = "shop"
ARCHIVE = "archive"
"""An import: its events are folded, and nothing is decided because of them."""

PLACEMENT = "desk"
CHANNEL_URL_VARIABLE = "BENCH_PROVIDER_URL"
CHANNEL_SECRET_VARIABLE = "BENCH_PROVIDER_SECRET"
TRAITS = ("plan", "locale", "region")


def write_sql(test: Test) -> str:
    """Return a condition as a brand writes it."""
    match test:
        case AtLeast(fact, limit) if fact in AMOUNTS:
            return f"{fact} >= {_money(limit)}"
        case AtLeast(fact, limit):
            return f"{fact} >= {limit}"
        case Since(fact, days):
            return f"days_since({fact}) < {days}"
        case Is(fact, values):
            return f"{_named(fact)} IN ({', '.join(map(repr, values))})"
        case Exists(kind, status, days):
            return f"exists({kind}, status = '{status}' AND days_since(begun_at) < {days})"
        case Not(operand):
            return f"NOT ({write_sql(operand)})"
        case Joined(word, operands):
            return f"({f' {word.upper()} '.join(write_sql(operand) for operand in operands)})"


def make_brand(case: Case) -> dict[str, str]:
    """Return the texts of the folder: path -> content."""
    files: dict[str, Mapping[str, Any]] = {
        "brand.yaml": _brand(),
        "sources.yaml": _sources(),
        "facts.yaml": _facts(),
        "cohorts.yaml": {"cohorts": {}, "segments": {}},
        "consent.yaml": _consent(case),
        "contact.yaml": _contact(case),
        "actions/receipt.yaml": _receipt(),
        "actions/renewal.yaml": _renewal(),
    }
    for action in case.actions:
        files[f"actions/{action.name}.yaml"] = _offer(action)
    # JSON is YAML too.
    texts = {name: msgspec.json.encode(content).decode() for name, content in files.items()}
    for name in ("offer", "receipt", "renewal"):
        texts[f"templates/{name}.en.liquid"] = f"Subject: Your {name}\n\nHello {{{{ name }}}}.\n"
    return texts


def write_brand(case: Case, folder: Path) -> None:
    """Write the folder to the disk."""
    for name, text in make_brand(case).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _named(fact: str) -> str:
    return f"trait.{fact}" if fact in TRAITS else fact


def _money(minor: int) -> str:
    return f"money '{minor // 100}.{minor % 100:02d} EUR'"


def _value(value: Value) -> str:
    return f"{_money(value.fixed)} + {value.fact} * {_money(value.each)}"


def _brand() -> dict[str, Any]:
    return {
        "brand": "Bench",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "locales": ["en"],
        "locale": "locale",
        "zone": "zone",
        "region": "region",
        "name": "first_name",
        "legal_entities": {
            "shop": {
                "name": "Bench GmbH",
                "address": "Messweg 1, 10115 Berlin, Germany",
                "contact": "hello@bench.example",
                "lawful_basis_notice": "https://bench.example/your-data",
            }
        },
        "placements": {
            PLACEMENT: {"kind": "inbound", "shows": 3},
            "outbound": {"kind": "outbound"},
        },
    }


def _sources() -> dict[str, Any]:
    source = {
        "events": ["*"],
        "vouches": ["user_id", "anonymous_id", "email"],
        "traits": ["first_name", "email", "zone", *TRAITS],
    }
    return {
        "namespaces": {
            "user_id": {"strength": "strong", "limit": 1, "reveals": True},
            "anonymous_id": {"strength": "weak", "limit": 50},
            "email": {"strength": "medium", "limit": 5, "trait": "email"},
        },
        "sources": {
            SOURCE: {"kind": "server", "key": "env:BENCH_KEY", **source},
            ARCHIVE: {"kind": "import", **source},
        },
    }


def _facts() -> dict[str, Any]:
    personal = {"first_name", "email"}
    names = ("first_name", "email", "zone", *TRAITS)
    return {
        "traits": {name: {"type": "text", "personal": name in personal} for name in names},
        "objects": {
            "bill": _object("bill_id", {"Bill Issued": "open", "Bill Paid": "paid"}),
            "case": _object("case_id", {"Case Opened": "open", "Case Resolved": "resolved"}),
            "order": _object("order_id", {"Order Completed": "placed", "Order Shipped": "shipped"}),
            "receipt": _object("receipt_id", {"Receipt Wanted": "wanted"}),
            "subscription": _object(
                "subscription_id",
                {"Subscription Ending": "ending", "Subscription Renewed": "renewed"},
            ),
        },
        "features": _features(),
    }


def _object(key: str, events: Mapping[str, str]) -> dict[str, Any]:
    """Return a kind of object whose events set its status; the first also when it began."""
    first = next(iter(events))
    return {
        "key": key,
        "fields": {"status": "text", "begun_at": "timestamp"},
        "events": {
            event: {
                "set": {"status": status} | ({"begun_at": "occurred_at"} if event == first else {})
            }
            for event, status in events.items()
        },
    }


def _features() -> dict[str, Any]:
    return {
        "page_views_7d": _count("Page Viewed", 7),
        "page_views_30d": _count("Page Viewed", 30),
        "product_views_7d": _count("Product Viewed", 7),
        "product_views_30d": _count("Product Viewed", 30),
        "adds_30d": _count("Product Added", 30),
        "orders_90d": _count("Order Completed", 90),
        "orders_ever": {"count": "Order Completed"},
        "sign_ins_7d": _count("Signed In", 7),
        "sign_ins_30d": _count("Signed In", 30),
        "bills_365d": _count("Bill Issued", 365),
        "cases_30d": _count("Case Opened", 30),
        "cases_365d": _count("Case Opened", 365),
        "spent_90d": _sum("Order Completed", "total", 90),
        "spent_365d": _sum("Order Completed", "total", 365),
        "billed_365d": _sum("Bill Issued", "amount", 365),
        "last_seen_at": {"last": ["Page Viewed", "Product Viewed", "Signed In"]},
        "last_order_at": {"last": "Order Completed"},
        "last_case_at": {"last": "Case Opened"},
        "last_added_at": {"last": "Product Added"},
        "last_bill_at": {"last": "Bill Issued"},
        "top_category": {
            "top": "Product Viewed",
            "of": "category",
            "type": "text",
            "window": "30 days",
        },
    }


def _count(event: str, days: int) -> dict[str, Any]:
    return {"count": event, "window": f"{days} days"}


def _sum(event: str, of: str, days: int) -> dict[str, Any]:
    return {"sum": event, "of": of, "type": "money(EUR)", "window": f"{days} days"}


def _topic(index: int) -> str:
    return f"topic_{index:04d}"


def _consent(case: Case) -> dict[str, Any]:
    topics = {_topic(index): {"description": "Offers"} for index in range(len(case.conditions))}
    return {
        "purposes": {
            "marketing": {
                "basis": "consent",
                "promotional": True,
                "description": "Offers.",
            },
            "contract": {
                "basis": "contract",
                "promotional": False,
                "description": "What the contract needs.",
            },
        },
        "topics": topics | {"receipts": {"description": "Receipts"}},
        "channels": {
            "email": {
                "adapter": "files",
                "cost": "0.01 EUR",
                "address": "email",
                "sender": {"shop": "Bench <hello@bench.example>"},
            },
            "provider": {
                "adapter": "webhook",
                "cost": "0.05 EUR",
                "address": "email",
                "settings": {
                    "url": f"env:{CHANNEL_URL_VARIABLE}",
                    "secret": f"env:{CHANNEL_SECRET_VARIABLE}",
                },
            },
        },
        "categories": {"marketing": ["shop", "marketing"]},
    }


def _contact(case: Case) -> dict[str, Any]:
    return {
        "holds": {
            f"hold_{index:04d}": {
                "while": write_sql(condition),
                "hushes": {"topics": [_topic(index)]},
                "because": "Measured.",
            }
            for index, condition in enumerate(case.conditions)
        },
        "caps": {
            "promotions_a_week": {
                "count": 2,
                "window": "7 days",
                "covers": {"promotional": True},
            }
        },
        "choice_limit": 3,
    }


def _offer(action: Action) -> dict[str, Any]:
    return {
        "action": action.name,
        "kind": "offer",
        "entity": "shop",
        "purpose": "marketing",
        "topic": _topic(action.hushed_by),
        "category": action.name,
        "when": write_sql(action.when),
        "value": _value(action.value),
        "customer_benefit": "money '1.00 EUR'",
        "terms": {"kind": "price", "price": "9.99 EUR", "renews": False},
        "channels": ["email"],
        "placements": [PLACEMENT],
        "template": "offer",
        "headline": {"en": "An offer"},
        "repeat": "30 days",
    }


def _receipt() -> dict[str, Any]:
    return {
        "action": "receipt",
        "kind": "service",
        "entity": "shop",
        "purpose": "contract",
        "topic": "receipts",
        "about": "receipt",
        "when": "about.status = 'wanted' AND hours_since(about.begun_at) < 24",
        "channels": ["provider"],
        "template": "receipt",
    }


def _renewal() -> dict[str, Any]:
    return {
        "action": "renewal",
        "kind": "offer",
        "entity": "shop",
        "purpose": "marketing",
        "topic": _topic(0),
        "category": "renewal",
        "about": "subscription",
        # Worth more than any other offer, so that it is always the one.
        "value": "money '9000.00 EUR'",
        "when": "about.status = 'ending'",
        "customer_benefit": "money '1.00 EUR'",
        "terms": {"kind": "price", "price": "9.99 EUR", "renews": False},
        "channels": ["provider"],
        "template": "renewal",
        "repeat": "30 days",
    }
