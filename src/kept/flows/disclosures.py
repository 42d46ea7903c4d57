"""What sources were shown that nothing else records: inboxes, calls to make, whom not to contact."""

from typing import Final, Literal

import msgspec

from kept.core.dossier import Dossier
from kept.flows.engine import Engine
from kept.ports import HOUSE, Store

SINCE_SETTING: Final = "disclosures_since"
_encode: Final = msgspec.msgpack.Encoder().encode


class Disclosure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one source was shown at one instant."""

    source: str
    what: Literal["inbox", "call_list", "suppressions"]
    shown: tuple[tuple[str, str], ...] = ()
    """(action, channel) of each message that was shown."""
    after: int = 0
    """Of suppressions: the notices from here (exclusive)."""
    upto: int = 0
    """Of suppressions: to here."""


_decode: Final = msgspec.msgpack.Decoder(Disclosure).decode


def note_disclosure(engine: Engine, part_id: int, disclosure: Disclosure, now: int) -> None:
    """Keep that a source was shown something of a part, or of the parts of some notices."""
    engine.store.save_dossier(
        Dossier(
            kind="disclosure",
            number=engine.store.next_dossier_number("disclosure"),
            part_id=part_id,
            state=disclosure.what,
            at=now,
            body=_encode(disclosure),
        )
    )


def note_suppressions_told(engine: Engine, source: str, *, after: int, upto: int, now: int) -> None:
    """Keep that a tool was told what some notices say."""
    if upto > after:
        told = Disclosure(source=source, what="suppressions", after=after, upto=upto)
        note_disclosure(engine, HOUSE, told, now)


def read_disclosure(dossier: Dossier) -> Disclosure:
    """Return a disclosure as it was kept."""
    return _decode(dossier.body)


def begin_disclosures(store: Store, now: int) -> None:
    """Note from when on disclosures are kept: what was shown before is not known one by one."""
    if store.load_setting(SINCE_SETTING) is None:
        store.save_setting(SINCE_SETTING, b"%d" % now)


def kept_since(store: Store) -> int:
    """Return from when on disclosures are kept (µs)."""
    return int(store.load_setting(SINCE_SETTING) or 0)
