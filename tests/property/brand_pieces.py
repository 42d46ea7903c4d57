"""What generated brands are made of: conditions and amounts to draw from, and what is always the same."""

from typing import Any, Final

ENTITIES: Final = ("shop", "bank")
PURPOSES: Final = ("marketing", "survey", "service", "legal")
TOPICS: Final = ("lamps", "chairs")
GENERAL: Final = (
    "orders >= 1",
    "orders > 1 AND spent > money '20.00 EUR'",
    "last_order_at IS NULL OR days_since(last_order_at) < 10",
    "trait.plan = 'gold'",
    "NOT (trait.plan IN ('gold', 'base'))",
    "starts_with(trait.plan, 'g')",
    "segment.keen",
    "cohort = 'buyer' OR segment.late",
    "exists(bill, NOT paid AND due_at < add_days(due_at, 3))",
    "count(case, status <> 'resolved') > 0",
    "sum(bill, amount) > money '30.00 EUR'",
    "local_hour() >= 9",
    "local_weekday() < 6 AND orders >= 0",
    "years_since(trait.born_on) >= 18",
    "big * big > 4",
    "TRUE",
    "FALSE",
    "NULL",
    "max(bill, due_at) IS NOT NULL",
    "days_since(last_order_at) BETWEEN 0 AND 20",
)
ABOUT: Final = {
    "bill": (
        "NOT about.paid",
        "NOT about.paid AND days_since(about.due_at) >= 1",
        "about.amount > money '10.00 EUR' AND orders >= 1",
        "exists(case, case.status = 'open') AND about.paid",
        "local_date(about.due_at) <= local_today()",
        "sum(bill, amount) > about.amount",
        "about.amount * big > money '0.00 EUR'",
        "about.key <> 'a'",
    ),
    "case": ("about.status = 'open'", "about.status <> 'resolved' OR orders = 0", "TRUE"),
}
MONEY: Final = (
    "money '1.00 EUR'",
    "money '5.00 EUR'",
    "money '0.00 EUR'",
    "money '-2.00 EUR'",
    "spent",
    "orders * money '0.37 EUR'",
    "CASE WHEN segment.keen THEN money '9.00 EUR' END",
    "spent * big",
)
CHANCES: Final = (
    "1.0",
    "0.3333",
    "0.000001",
    "ratio(orders, 7)",
    "CASE WHEN orders > 1 THEN 0.5 END",
)
INSTANTS: Final = ("add_days(last_order_at, 12)", "last_order_at", "add_hours(last_order_at, big)")


NOTICE: Final = {
    "action": "told",
    "kind": "service",
    "entity": "shop",
    "purpose": "legal",
    "notice_of": "breach",
    "when": "TRUE",
    "channels": ["email", "sms"],
}
FIXED: Final[dict[str, dict[str, Any]]] = {
    "brand.yaml": {
        "brand": "Drawn",
        "currency": "EUR",
        "time_zone": "Europe/Lisbon",
        "locales": ["en"],
        "legal_entities": {
            name: {"name": name, "address": "Lane 1", "contact": f"{name}@drawn.example"}
            for name in ENTITIES
        },
        "placements": {
            "web": {"kind": "inbound", "shows": 2, "channel": "push"},
            "desk": {"kind": "inbound", "shows": 3, "reveals": "proven"},
            "billing": {"kind": "gate"},
            "outbound": {"kind": "outbound"},
        },
        "region": "region",
        "zone": "zone",
    },
    "sources.yaml": {
        "namespaces": {"user_id": {"strength": "strong", "limit": 1}},
        "sources": {
            "shop": {"kind": "server", "events": ["*"], "vouches": ["user_id"], "traits": []}
        },
    },
    "facts.yaml": {
        "traits": {
            "plan": {"type": "text"},
            "born_on": {"type": "date"},
            "email": {"type": "text"},
            "phone": {"type": "text"},
            "region": {"type": "text"},
            "zone": {"type": "text"},
        },
        "objects": {
            "bill": {
                "key": "bill_id",
                "fields": {"amount": "money(EUR)", "due_at": "timestamp", "paid": "bool"},
                "events": {"Bill Issued": {"set": {"paid": "false"}}},
            },
            "case": {
                "key": "case_id",
                "fields": {"status": "text"},
                "events": {"Case Opened": {"set": {"status": "open"}}},
            },
        },
        "features": {
            "orders": {"count": "Order Completed"},
            "spent": {"sum": "Order Completed", "of": "total", "type": "money(EUR)"},
            "last_order_at": {"last": "Order Completed"},
            "big": {"max": "Order Completed", "of": "items", "type": "int"},
        },
    },
    "consent.yaml": {
        "topics": {topic: {"description": topic} for topic in TOPICS},
        "channels": {
            "email": {"adapter": "smtp", "cost": "0.01 EUR", "address": "email"},
            "sms": {"adapter": "webhook", "cost": "0.07 EUR", "address": "phone"},
            "push": {"adapter": "inbox", "cost": "0.01 EUR"},
        },
    },
}
