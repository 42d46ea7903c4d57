"""A store with something of everything in it, and everything that a store says of itself."""

from typing import Any, get_args

from kept.core.dossier import Dossier
from kept.core.event import Identifier
from kept.core.identity import Link
from kept.core.merkle import hash_leaf
from kept.core.message import MessageState
from kept.core.staff import Failures
from kept.log_port import CheckpointRow
from kept.ports import BrandRow, HeldRecord, StateRow, Store
from tests.contract.test_store_access import make_key, make_session, make_staff, make_token
from tests.contract.values import NOW, ODD_TEXTS, make_event, make_message, make_request

PEOPLE = 6
EVENTS = 24
ALL = 999
STATES: tuple[MessageState, ...] = get_args(MessageState)
GUARDS = (b"\x92\xc4\x01#\x01", b"\x92\xc4\x01#\x02")


def fill_everything(store: Store) -> None:
    """Fill an empty store: people, one merged, one forgotten; and all that surrounds them."""
    _fill_people(store)
    _fill_house(store)
    _forget_one(store)


def _fill_people(store: Store) -> None:
    with store.transaction():
        for number in range(1, PEOPLE + 1):
            for claimed in (False, True):
                identifier = Identifier("user_id", f"person {number}")
                owner = None if not claimed else 2 * number - 1
                store.add_part(identifier, claimed=claimed, customer_id=owner)
        store.save_link(Link(1, 3, "vouched", NOW))
        store.save_link(Link(3, 12, "claimed", NOW + 5))
        store.move_parts([3, 4], customer_id=1)
        for key in range(EVENTS):
            store.claim(key, hour=7)
            part_id = key % (2 * PEOPLE) + 1
            sequence = store.append_event(part_id, make_event(key))
            trace = b"trace %d" % key
            number = store.next_decision_id()
            store.append_decision(
                part_id=part_id,
                decided_at=NOW + key,
                placement=ODD_TEXTS[key % len(ODD_TEXTS)],
                trace=trace,
                decision_id=number,
            )
            row = StateRow(part_id=part_id, applied_sequence=sequence, state=b"state %d" % key)
            store.save_states([row], mark=sequence)
        store.save_wakes([(1, NOW), (5, NOW + 1), (7, NOW + 2)])
        for place, state in enumerate(STATES):
            if state != "leaving":
                sent = make_message(
                    f"m\\{place}", part_id=place + 1, state=state, provider_id="p\0"
                )
                store.save_messages([sent])
        for part_id in (1, 2, 5):
            store.append_notice(part_id, noted_at=NOW, scopes=["c|sms", "c|*"])


def _fill_house(store: Store) -> None:
    with store.transaction():
        for place, text in enumerate(ODD_TEXTS):
            store.quarantine(
                source=text, received_at=NOW, code="c\\", detail=text, payload=text.encode()
            )
            entry = store.append_audit(actor=text, verb="see", detail={"of": text}, at=NOW + place)
            store.append_access(entry, 1)
            store.save_setting(f"setting {place}", text.encode())
            store.save_staff(make_staff(place + 1, text))
        store.set_quarantine_state(2, "dropped")
        store.save_brand(BrandRow(version="v1", in_force_at=NOW, texts={"brand.yaml": "a: 1"}))
        store.save_brand(BrandRow(version="v2", in_force_at=NOW + 1, texts={"brand.yaml": "a: 2"}))
        for guard in GUARDS:
            store.append_guard(guard)
        store.save_session(make_session("one"))
        store.save_token(make_token("two"))
        store.save_key(make_key("three"))
        store.save_failures("four", Failures(count=2, last_at=NOW + 1))
        for number in (1, 2):
            store.save_request(make_request(number))
        store.save_request(make_request(2, state="closed", next_at=0))
        held = [HeldRecord(hold="tax", until=NOW + 9, body=b"invoice %d" % n) for n in (1, 2)]
        store.hold_records(1, held)
        for number in (1, 2, 3):
            store.next_dossier_number("finding")
            for part_id in (0, 5, 9):
                body = b"found %d" % part_id
                one = Dossier(
                    kind="finding", number=number, part_id=part_id, state="due", at=NOW, body=body
                )
                store.save_dossier(one)
        for place in range(5):
            data = b"consent %d" % place
            store.append_leaf(2 * place + 1, leaf_hash=hash_leaf(data), data=data)
        store.save_log_hash(1, 0, b"h" * 32)
        note = "kept.example\n5\nroot\n\n- kept.example sig\n"
        store.save_checkpoint(CheckpointRow(size=5, signed_at=NOW, note=note))


def _forget_one(store: Store) -> None:
    """Forget the person of the parts 9 and 10."""
    with store.transaction():
        key = store.lookup_key(Identifier("user_id", "person 5"), claimed=False)
        store.save_tombstone(key, until=NOW + 7, is_suppressed=True)
        store.erase_parts([9, 10])


def tell_everything(store: Store) -> dict[str, Any]:
    """Return all that a store says."""
    everybody = list(range(1, 2 * PEOPLE + 1))
    forgotten = Identifier("user_id", "person 5")
    return {
        "parts": store.load_parts(everybody),
        "customers": store.load_customers(everybody),
        "found": store.find_parts(
            [(Identifier("user_id", f"person {n}"), n % 2 > 0) for n in range(PEOPLE + 1)]
        ),
        "links": store.load_links(everybody),
        "events": store.load_events(after=0, limit=ALL),
        "states": store.load_states(everybody),
        "mark": store.load_mark(),
        "wakes": store.load_due_wakes(now=NOW + 9, limit=ALL),
        "messages": store.load_part_messages(everybody),
        "decisions": store.read_decisions(everybody, newest=ALL),
        "notices": store.load_notices(after=0, limit=ALL),
        "quarantine": store.read_quarantine(after=0, limit=ALL),
        "audit": store.read_audit(newest=ALL),
        "accesses": store.read_accesses([1], newest=ALL),
        "settings": [store.load_setting(f"setting {n}") for n in range(len(ODD_TEXTS) + 1)],
        "brand": store.load_brand(),
        "first brand": store.load_brand("v1"),
        "guard": store.load_guard(),
        "witness": store.load_witness(),
        "staff": store.load_staff(),
        "sessions": store.load_sessions(),
        "tokens": store.load_tokens(),
        "keys": store.load_keys(),
        "failures": store.load_failures(),
        "tombstone": store.find_tombstone(forgotten, claimed=False),
        "requests": store.load_requests(newest=ALL),
        "held": [store.load_held_records(number) for number in (1, 2)],
        "leaves": store.read_leaves(start=0, limit=ALL),
        "hashes": store.read_log_hashes(1, start=0, count=ALL),
        "checkpoints": store.read_checkpoints(after=0, limit=ALL),
        "dossiers": store.load_dossiers("finding", limit=ALL),
        "last dossier": store.last_dossier_number("finding"),
        # Events are counted by their numbers in one store, and one by one in another.
        "counts": store.read_counts() | {"events": 0},
        "next": (store.last_sequence(), store.next_decision_id(), store.last_notice()),
    }
