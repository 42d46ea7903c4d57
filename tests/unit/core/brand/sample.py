"""A small brand that passes every check, for tests to break in one place at a time."""

from collections.abc import Mapping
from textwrap import dedent
from typing import Final

_TEXTS: Final = {
    "brand.yaml": """
        brand: Fernbank
        currency: EUR
        time_zone: Europe/Vienna
        locales: [en, de]
        legal_entities:
          shop: {name: Fernbank Shop GmbH, address: "Gasse 1, Vienna", contact: hello@shop.example}
          bank: {name: Fernbank Bank AG, address: "Gasse 2, Vienna", contact: hello@bank.example}
        placements:
          till: {kind: inbound, shows: 1, asks: [first_name]}
          billing: {kind: gate}
          outbound: {kind: outbound}
        region: region
        locale: language
        zone: zone
        name: first_name
        """,
    "sources.yaml": """
        namespaces:
          email: {strength: strong, limit: 5, reveals: true, trait: email}
          user_id: {strength: strong, limit: 1, reveals: true}
          anonymous_id: {strength: weak, limit: 50}
          bill_id: {strength: weak, limit: 100, object: bill}
        sources:
          site:
            kind: browser
            events: [Page Viewed, Product Viewed, Offer Declined]
            identifiers: [anonymous_id]
            traits: [language]
            origins: ["https://fernbank.example"]
          billing:
            kind: server
            events: ["Bill *", Subscription Started, Order Completed]
            vouches: [user_id, email, bill_id]
            traits: [first_name, email, region, zone]
            pulls: [inbox]
            rhythm: {every: 1 hour, stale_after: 1 day}
          help_desk:
            kind: webhook
            events: [Case Opened, Case Resolved]
            vouches: [email]
            signature: {scheme: hmac_sha256, secret: "env:FERNBANK_DESK", header: X-Signature}
            mappings:
              - event: Case Opened
                when: {body.type: ticket.created}
                message_id: body.id
                occurred_at: body.created_at
                identifiers: {email: body.requester.email}
                properties: {case_id: body.ticket.id}
              - event: Case Resolved
                when: {body.type: ticket.solved}
                identifiers: {email: body.requester.email}
                properties: {case_id: body.ticket.id}
        """,
    "facts.yaml": """
        traits:
          first_name: {type: text, ask: {en: What may we call you?, de: Wie heissen Sie?}}
          email: {type: text}
          language: {type: text, personal: false}
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
          customer_since: {first: Subscription Started}
          orders_90d: {count: Order Completed, window: 90 days, grain: 1 day}
          spent_90d:
            {sum: Order Completed, of: total, type: money(EUR), window: 90 days, grain: 1 day}
          last_case_at: {last: [Case Opened, Case Resolved]}
          views_7d: {count: Product Viewed, window: 7 days, grain: 1 day}
        """,
    "cohorts.yaml": """
        cohorts:
          newcomer: {when: days_since(customer_since) < 90}
          loyal: {when: days_since(customer_since) >= 1825}
        otherwise: ordinary
        segments:
          browsing: {when: views_7d > 3}
        """,
    "consent.yaml": """
        purposes:
          marketing: {basis: consent, promotional: true, description: News and offers}
          service: {basis: contract, promotional: false, description: What a contract asks for}
        topics:
          renewal: {description: Renewals}
        wordings:
          news_1:
            purpose: marketing
            since: 2026-01-01
            text: {en: I would like news and offers., de: Ich will Neues und Angebote.}
        channels:
          email:
            adapter: smtp
            cost: 0.01 EUR
            address: email
            sender: {shop: shop@fernbank.example, bank: bank@fernbank.example}
            settings: {host: "env:FERNBANK_SMTP"}
            recipient: relay
          inbox: {adapter: inbox, cost: 0 EUR}
        recipients:
          relay:
            name: Fernbank Relay KG
            country: AT
            contact: relay@relay.example
            role: processor
            erasure: manual
        categories:
          Advertising: [shop, marketing]
        """,
    "contact.yaml": """
        holds:
          unhappy:
            while: exists(case, status <> 'resolved') OR days_since(last_case_at) < 7
            hushes: {purposes: [marketing]}
            because: "{{ orders_90d }} orders, and a matter is open"
        caps:
          promotions: {count: 2, window: 7 days, covers: {promotional: true}}
        quiet_hours:
          night: {start: "21:00", end: "08:00", covers: {}}
        pressure: money '0.05 EUR'
        """,
    "actions/missed_bill.yaml": """
        action: missed_bill
        kind: service
        entity: shop
        purpose: service
        about: bill
        when: NOT about.paid AND days_since(about.due_at) >= 1
        channels: [email, inbox]
        template: missed_bill
        expires: add_days(about.due_at, 30)
        sets: {grace_until: 'add_days(about.due_at, 10)'}
        """,
    "actions/breach_notice.yaml": """
        action: breach_notice
        kind: service
        notice_of: breach
        entity: shop
        purpose: service
        when: true
        channels: [email]
        template: breach_notice
        """,
    "actions/late_fee.yaml": """
        action: late_fee
        kind: measure
        entity: shop
        purpose: service
        about: bill
        when: NOT about.paid AND days_since(about.due_at) >= 30
        placements: [billing]
        legal_weight: true
        needs_approval: true
        """,
    "actions/small_loan.yaml": """
        action: small_loan
        kind: offer
        entity: bank
        purpose: marketing
        category: credit
        when: cohort = 'loyal' AND segment.browsing
        value: money '12.00 EUR'
        p_accept: 0.1
        customer_benefit: spent_90d
        channels: [email]
        placements: [till]
        template: small_loan
        terms:
          kind: credit
          currency: EUR
          rate_percent: 23
          rate_period: year
          compounding: monthly
          example_amount: 1000 EUR
          example_months: 12
        headline:
          en: "{{ terms.effective_rate | percent }} a year; it costs {{ terms.loan_cost | money }}"
          de: "{{ terms.effective_rate | percent }} im Jahr; Kosten {{ terms.loan_cost | money }}"
        """,
    "actions/phone_plan.yaml": """
        action: phone_plan
        kind: offer
        entity: shop
        purpose: marketing
        topic: renewal
        category: plan
        when: orders_90d >= 1
        value: spent_90d
        customer_benefit: money '1.00 EUR'
        placements: [till]
        terms_from: plan_s
        headline:
          en: "{{ terms.total_24_months | money }} over 24 months, then {{ terms.price | money }}"
          de: "{{ terms.total_24_months | money }} in 24 Monaten, dann {{ terms.price | money }}"
        """,
    "catalog/plan_s.yaml": """
        product: plan_s
        category: plan
        name: {en: Plan S, de: Tarif S}
        terms:
          kind: subscription
          currency: EUR
          price: 29.99 EUR
          intro_price: 9.99 EUR
          intro_months: 3
          renews: true
          min_months: 3
        """,
    "templates/breach_notice.en.liquid": """
        subject: Your data

        Since {{ breach.since | date }}: {{ breach.fields }}. {{ breach.what_we_did }}
        {{ breach.contact }}
        """,
    "templates/breach_notice.de.liquid": """
        subject: Ihre Daten

        Seit {{ breach.since | date }}: {{ breach.fields }}. {{ breach.what_we_did }}
        {{ breach.contact }}
        """,
    "templates/missed_bill.en.liquid": """
        Subject: Your bill of {{ about.due_at | date }}

        {{ trait.first_name }}, you have until {{ about.grace_until | date }} to pay.
        """,
    "templates/missed_bill.de.liquid": """
        Subject: Ihre Rechnung vom {{ about.due_at | date }}

        {{ trait.first_name }}, Sie haben bis {{ about.grace_until | date }} Zeit.
        """,
    "templates/small_loan.en.liquid": """
        Subject: A loan

        {{ terms.effective_rate | percent }} a year; it costs {{ terms.loan_cost | money }}.
        """,
    "templates/small_loan.de.liquid": """
        Subject: Ein Kredit

        {{ terms.effective_rate | percent }} im Jahr; er kostet {{ terms.loan_cost | money }}.
        """,
}

SAMPLE: Final[Mapping[str, str]] = {
    file: dedent(text).lstrip("\n") for file, text in _TEXTS.items()
}
"""Path -> content of a folder in which nothing is wrong."""


def sample_with(file: str, old: str, new: str) -> dict[str, str]:
    """Return the sample with one piece of text of one file exchanged for another."""
    assert SAMPLE[file].count(old) == 1, f"{old!r} stands {SAMPLE[file].count(old)} times in {file}"
    return {**SAMPLE, file: SAMPLE[file].replace(old, new)}


def line_of(file: str, piece: str) -> int:
    """Return the line of the sample's file on which a piece of text first stands."""
    return SAMPLE[file][: SAMPLE[file].index(piece)].count("\n") + 1
