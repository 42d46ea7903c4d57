"""A small brand for scenarios: two promotions, a message said once, a bill, a welcome, and every limit there is."""

from functools import cache
from textwrap import dedent
from typing import Final

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.check import check_folder, errors_of
from kept.core.compile import compile_brand

_TEXTS: Final = {
    "brand.yaml": """
        brand: Larkmead
        currency: EUR
        time_zone: Europe/Lisbon
        locales: [en]
        legal_entities:
          shop: {name: Larkmead Shop, address: "Mill Lane 1", contact: hello@larkmead.example}
          bank: {name: Larkmead Bank, address: "Mill Lane 2", contact: bank@larkmead.example}
        placements:
          web: {kind: inbound, shows: 3, asks: [first_name, birthday]}
          desk: {kind: inbound, shows: 3, asks: [first_name]}
          billing: {kind: gate}
          outbound: {kind: outbound}
        region: region
        locale: locale
        zone: zone
        name: first_name
        history: 3650 days
        legal_holds:
          invoices:
            law: Commercial Code, article 40
            events: [Bill Issued]
            fields: [trait.first_name]
            keep: 3650 days
            told: {en: We must keep your bills for ten years.}
        """,
    "sources.yaml": """
        namespaces:
          user_id: {strength: strong, limit: 1, reveals: true}
          email: {strength: medium, limit: 3, trait: email}
          anonymous_id: {strength: weak, limit: 5}
        sources:
          web:
            kind: browser
            events: [Identified, Page Viewed, Offer Declined, Segment Consent Preference Updated]
            identifiers: [anonymous_id, user_id, email]
            traits: [first_name, zone]
            origins: ["https://larkmead.example"]
          shop:
            kind: server
            events:
              - Identified
              - Aliased
              - Page Viewed
              - Order Completed
              - Consent Given
              - Consent Withdrawn
              - Unsubscribed
              - Case Opened
              - Case Resolved
            vouches: [user_id, email, anonymous_id]
            traits: [first_name, zone, region, phone, email, birthday]
          billing:
            kind: server
            events: [Heartbeat, Bill Issued, Bill Paid]
            vouches: [user_id, email]
            traits: []
            rhythm: {every: 1 day, stale_after: 3 days}
          history: {kind: import, events: ["*"], vouches: [user_id, email]}
        """,
    "facts.yaml": """
        traits:
          first_name: {type: text, ask: {en: What may we call you?}}
          birthday: {type: date, ask: {en: When is your birthday?}}
          email: {type: text}
          phone: {type: text}
          locale: {type: text, personal: false}
          region: {type: text, personal: false}
          zone: {type: text, personal: false}
        objects:
          bill:
            key: bill_id
            fields: {amount: money(EUR), due_at: timestamp, paid: bool, grace_until: timestamp}
            events:
              Bill Issued:
                set: {amount: properties.amount, due_at: properties.due_at, paid: false}
              Bill Paid: {set: {paid: true}}
          case:
            key: case_id
            fields: {status: text}
            events:
              Case Opened: {set: {status: open}}
              Case Resolved: {set: {status: resolved}}
        features:
          orders: {count: Order Completed, window: 90 days, grain: 1 day}
          spent: {sum: Order Completed, of: total, type: money(EUR), window: 90 days, grain: 1 day}
          last_case_at: {last: [Case Opened, Case Resolved]}
          views: {count: Page Viewed, window: 3 days, grain: 1 hour}
        """,
    "cohorts.yaml": """
        cohorts:
          buyer: {when: orders >= 2}
        otherwise: ordinary
        segments:
          browsing: {when: views >= 2}
        """,
    "consent.yaml": """
        purposes:
          marketing: {basis: consent, promotional: true, sale_or_sharing: true, description: Offers}
          service: {basis: contract, promotional: false, description: What a contract asks for}
        topics:
          lamps: {description: Lamps}
          chairs: {description: Chairs}
        channels:
          email:
            adapter: smtp
            cost: 0.01 EUR
            address: email
            recipient: mailer
            sender: {shop: shop@larkmead.example, bank: bank@larkmead.example}
            settings: {host: "env:LARKMEAD_SMTP"}
          sms:
            adapter: webhook
            cost: 0.07 EUR
            address: phone
            settings: {url: "env:LARKMEAD_SMS", secret: "env:LARKMEAD_SMS_SECRET"}
        recipients:
          mailer:
            name: Mailer Ltd
            country: PT
            contact: privacy@mailer.example
            role: processor
            erasure: {url: "env:LARKMEAD_ERASE", secret: "env:LARKMEAD_ERASE_SECRET"}
        categories:
          Advertising: [shop, marketing]
        """,
    "contact.yaml": """
        holds:
          unhappy:
            while: exists(case, status <> 'resolved') OR days_since(last_case_at) < 2
            hushes: {purposes: [marketing]}
            because: A matter is open.
          grace:
            about: bill
            while: days_until(about.grace_until) >= 0 AND NOT about.paid
            until: about.grace_until
            hushes: {actions: [bill_reminder]}
            because: The customer has been given time.
          owes_us:
            while: exists(bill, NOT paid AND days_since(due_at) >= 1)
            hushes: {topics: [chairs]}
            because: A bill is overdue.
        caps:
          promotions_a_week: {count: 2, window: 7 days, covers: {promotional: true}}
          texts_a_day: {count: 1, window: 1 day, covers: {channels: [sms]}}
          service_a_day: {count: 3, window: 1 day, covers: {kinds: [service]}}
        quiet_hours:
          night: {start: "22:00", end: "07:30", covers: {}}
        choice_limit: 2
        pressure: money '0.05 EUR'
        decline_rest: 20 days
        answer_stable: 1 day
        resume_over: 10 minutes
        """,
    "actions/lamp_offer.yaml": """
        action: lamp_offer
        kind: greeting
        entity: shop
        purpose: marketing
        topic: lamps
        when: views >= 1
        value: money '1.00 EUR'
        channels: [email, sms]
        placements: [web, desk]
        repeat: 2 days
        valid_for: 2 days
        headline: {en: A lamp}
        """,
    "actions/chair_offer.yaml": """
        action: chair_offer
        kind: greeting
        entity: bank
        purpose: marketing
        topic: chairs
        when: orders >= 1 AND segment.browsing
        value: money '5.00 EUR'
        channels: [sms, email]
        placements: [web, desk]
        repeat: 1 day
        valid_for: 2 days
        headline: {en: A chair}
        """,
    "actions/first_order_thanks.yaml": """
        action: first_order_thanks
        kind: greeting
        entity: shop
        purpose: marketing
        when: orders >= 1
        value: CASE WHEN cohort = 'buyer' THEN money '9.00 EUR' ELSE money '9.00 EUR' END
        channels: [email]
        placements: [desk]
        headline: {en: Thank you}
        """,
    "actions/bill_due.yaml": """
        action: bill_due
        kind: service
        entity: shop
        purpose: service
        about: bill
        when: NOT about.paid AND days_since(about.due_at) >= 1
        channels: [email, sms]
        expires: add_days(about.due_at, 20)
        sets: {grace_until: 'add_days(about.due_at, 6)'}
        """,
    "actions/bill_reminder.yaml": """
        action: bill_reminder
        kind: service
        entity: shop
        purpose: service
        about: bill
        when: NOT about.paid AND days_since(about.due_at) >= 4
        channels: [email, sms]
        expires: add_days(about.due_at, 25)
        """,
    "actions/late_fee.yaml": """
        action: late_fee
        kind: measure
        entity: shop
        purpose: service
        about: bill
        when: NOT about.paid AND days_since(about.due_at) >= 10
        placements: [billing]
        """,
    **{
        f"templates/{name}.en.liquid": f"""
        Subject: {name}

        Hello {{{{ trait.first_name | default: "you" }}}}, this is {name}. {{{{ unsubscribe_url }}}}
        """
        for name in ("lamp_offer", "chair_offer", "first_order_thanks")
    },
    **{
        f"templates/{name}.en.liquid": f"""
        Subject: {name}

        Bill {{{{ about.key }}}} was due on {{{{ about.due_at | date }}}}.
        """
        for name in ("bill_due", "bill_reminder")
    },
}

LARKMEAD: Final = {file: dedent(text).lstrip("\n") for file, text in _TEXTS.items()}
"""Path -> content of the brand's folder."""


@cache
def compile_larkmead() -> Bundle:
    """Return the brand, checked and compiled."""
    assert errors_of(check_folder(LARKMEAD)) == []
    return compile_brand(load_brand(LARKMEAD))
