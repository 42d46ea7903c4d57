"""Write an export as a ZIP archive while it is read, so that no history is too long for memory.

It runs on a thread of its own: each page is read on the writer, and written and compressed here.
Nothing of it is ever put on a disk of this machine.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import IO, Any, Final, cast

import msgspec

from kept.core.brand.load import read_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.customer_export import (
    ExportedConsent,
    ExportedDecision,
    ExportedEvent,
    ExportedMessage,
    ExportedRecipient,
    ExportedUse,
    ExportedValue,
)
from kept.core.export_tables import write_header, write_rows
from kept.core.export_text import write_text
from kept.core.retention import Limits
from kept.errors import InvalidBrandError
from kept.flows.engine import Engine
from kept.flows.export_customer import Export, export_decision, read_decisions, read_events

DECISIONS_TOLD: Final = 30
"""How many decisions the text for a person tells of; the tables have all of them."""
JSON_NAME: Final = "customer.json"
TEXT_NAME: Final = "README.txt"
_DATED: Final = (1980, 1, 1, 0, 0, 0)
"""The instant stands inside; an archive of the same data has the same bytes."""
_encode: Final = msgspec.json.Encoder().encode

Submit = Callable[[Callable[[Engine, int], Any]], "Future[Any]"]


class _Sink:
    """A file that is only written to, and handed on as it grows."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        self._length += len(data)
        return len(data)

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        """Do nothing: what was written is taken by `take`."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class Archive:
    """One export on its way out."""

    def __init__(self, export: Export, limits: Limits, *, submit: Submit, bundle: Bundle) -> None:
        """Take an export that was begun, and how its pages are read."""
        self._export = export
        self._limits = limits
        self._submit = submit
        self._bundles: dict[str, Bundle | None] = {bundle.policy.version: bundle}
        self._counts = {"events": 0, "decisions": 0}
        self._newest: list[ExportedDecision] = []

    def write(self) -> Iterator[bytes]:
        """Yield the archive piece by piece."""
        sink = _Sink()
        with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_DEFLATED) as archive:
            for name, pieces in self._files():
                info = zipfile.ZipInfo(name, _DATED)
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as file:
                    for piece in pieces:
                        file.write(piece.encode() if isinstance(piece, str) else piece)
                        if taken := sink.take():
                            yield taken
        yield sink.take()

    def _files(self) -> Iterator[tuple[str, Iterable[str | bytes]]]:
        head = self._export.head
        yield JSON_NAME, self._json()
        tables: tuple[tuple[str, type[msgspec.Struct], Iterable[msgspec.Struct]], ...] = (
            ("identifiers", ExportedValue, head.identifiers),
            ("traits", ExportedValue, head.traits),
            ("objects", ExportedValue, head.objects),
            ("derived", ExportedValue, head.derived),
            ("contacts", ExportedValue, head.contacts),
            ("claimed", ExportedValue, head.claimed),
            ("consents", ExportedConsent, head.consents),
            ("messages", ExportedMessage, head.messages),
            ("uses", ExportedUse, head.uses),
            ("recipients", ExportedRecipient, head.recipients),
        )
        for name, struct, rows in tables:
            yield f"{name}.csv", (write_header(struct), write_rows(rows))
        yield "events.csv", self._table(ExportedEvent, self._event_pages())
        yield "decisions.csv", self._table(ExportedDecision, self._decision_pages())
        text = write_text(
            head,
            event_count=self._counts["events"],
            decision_count=self._counts["decisions"],
            decisions=self._newest,
        )
        yield TEXT_NAME, (text,)

    @staticmethod
    def _table(
        struct: type[msgspec.Struct], pages: Iterable[Iterable[msgspec.Struct]]
    ) -> Iterator[str]:
        yield write_header(struct)
        for page in pages:
            yield write_rows(page)

    def _json(self) -> Iterator[bytes]:
        """Yield the head with its last brace taken off, and then the two long lists."""
        yield _encode(self._export.head)[:-1]
        for name, pages in (("events", self._event_pages()), ("decisions", self._decision_pages())):
            yield b',"%s":[' % name.encode()
            count = 0
            for page in pages:
                rows = list(page)
                if rows:
                    yield (b"," if count else b"") + b",".join(_encode(row) for row in rows)
                    count += len(rows)
            self._counts[name] = count
            yield b"]"
        yield b"}\n"

    def _event_pages(self) -> Iterator[Iterable[ExportedEvent]]:
        after = 0
        while True:
            start = after
            page, after = self._submit(
                lambda engine, now: read_events(engine, self._export, self._limits, after=start)  # noqa: B023
            ).result()
            yield page
            if not after:
                return

    def _decision_pages(self) -> Iterator[Iterable[ExportedDecision]]:
        before = 0
        while True:
            start = before
            page, before = self._submit(
                lambda engine, now: read_decisions(engine, self._export, before=start)  # noqa: B023
            ).result()
            locale = self._export.head.locale
            told = [
                export_decision(decision, self._bundle_of(decision.brand_version), locale)
                for decision in page
            ]
            self._newest = self._newest or told[:DECISIONS_TOLD]
            yield told
            if not before:
                return

    def _bundle_of(self, version: str) -> Bundle | None:
        """Return the brand that decided, None where its folder is not known or not understood any more."""
        if version not in self._bundles:
            row = self._submit(lambda engine, now: engine.store.load_brand(version)).result()
            try:
                self._bundles[version] = compile_brand(read_brand(row.texts).brand) if row else None
            except InvalidBrandError:
                self._bundles[version] = None
        return self._bundles[version]
