"""Sees every erasure through: files of ours, and each recipient until it has confirmed.

Erasures are rare, so one thread does one thing after the other. What it is about to do is read on
the writer, done here, and what became of it is noted on the writer again; after a crash it is done
once more, under the same id.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kept import settings as limits
from kept.channels.files import FilesChannel
from kept.channels.posted import erase_posts
from kept.channels.webhook import WebhookChannel
from kept.clock import Clock
from kept.core.brand.model import Brand, Erasure
from kept.core.bundle import Bundle
from kept.core.erasure import ErasureRecord, write_request
from kept.core.message import Postponed, SendResult
from kept.errors import KeptError, SettingsError
from kept.flows.pursue_erasures import (
    OWN_FILES,
    Asking,
    Due,
    find_due,
    note_answer,
    note_files_erased,
)
from kept.ports import Notifier
from kept.runtime.channels import read_setting
from kept.runtime.rounds import Rounds, Submit
from kept.settings import Settings

_log = logging.getLogger("kept.erasures")
LOOK_SECONDS: Final = 2.0

MakeNotifier = Callable[[str], Notifier | None]
Wait = Callable[[float], bool]
"""Waits so many seconds for calls that have begun; tells whether all of them have ended."""


class Erasures(Rounds):
    """Erases files and chases recipients."""

    def __init__(
        self,
        submit: Submit,
        *,
        files: FilesChannel,
        posts: Path,
        waits: Sequence[Wait],
        notifier_of: MakeNotifier,
        drop_base: Callable[[], object],
        is_clean: Callable[[str], bool],
    ) -> None:
        """Take the way to the writer, our own files, who writes them, and how a recipient is called.

        Args:
            drop_base: lets go of what was taken of everybody, to be counted.
            is_clean: whether files of history hold nothing any more that an erasure is about.
        """
        self._submit = submit
        self._files = files
        self._posts = posts
        self._waits = waits
        self._notifier_of = notifier_of
        self._drop_base = drop_base
        self._is_clean = is_clean
        self._dropped_for: set[str] = set()
        """Erasures under way for which the base went: one taken since holds nothing of them."""
        super().__init__("erasures", self.look, every=LOOK_SECONDS)

    def look(self) -> bool:
        """Do what is due; return whether more is."""
        due: Due = self._submit(find_due).result()
        for asking in due.askings:
            if self.is_stopping:
                break
            try:
                self._do(asking)
            except KeptError as error:
                # What cannot be done for one must not keep the others from being asked.
                _log.warning("an erasure goes on later: %s", error)
        return due.is_more

    def _do(self, asking: Asking) -> None:
        record = asking.record
        if asking.recipient == OWN_FILES:
            # What had begun to leave when it was asked may be written only now.
            if not all(wait(limits.SEND_TIMEOUT_SECONDS) for wait in self._waits):
                return
            self._erase_own(record)
            return
        result = self._ask(asking)
        self._submit(
            lambda engine, now: note_answer(
                engine, record.request_id, asking.recipient, result, now
            )
        ).result()

    def _erase_own(self, record: ErasureRecord) -> None:
        request_id = record.request_id
        self._files.erase(record.message_ids)
        erase_posts(self._posts, [one.value for one in record.identifiers])
        if request_id not in self._dropped_for:
            self._drop_base()
            self._dropped_for.add(request_id)
        if not self._is_clean(request_id):
            return
        self._submit(lambda engine, now: note_files_erased(engine, request_id)).result()
        self._dropped_for.discard(request_id)

    def _ask(self, asking: Asking) -> SendResult:
        try:
            notifier = self._notifier_of(asking.recipient)
        except SettingsError as error:
            _log.warning("%s cannot be asked to erase: %s", asking.recipient, error)
            notifier = None
        if notifier is None:
            return Postponed(detail="it cannot be called just now")
        post_id = f"{asking.record.request_id}.{asking.recipient}"
        try:
            return notifier.post(post_id, write_request(asking.record, asking.recipient))
        finally:
            notifier.close()


def find_notifier(
    bundle: Bundle, recipient: str, settings: Settings, *, clock: Clock
) -> Notifier | None:
    """Return how a recipient is called, None if it is not called at all.

    Raises:
        SettingsError: its address or secret is not there.
    """
    declared = bundle.brand.consent.recipients.get(recipient)
    told = declared.erasure if declared is not None else None
    if not isinstance(told, Erasure):
        return None
    return WebhookChannel(
        url=read_setting(told.url),
        secret=read_setting(told.secret),
        clock=clock,
        allow_private=settings.allow_private_webhooks,
        timeout_seconds=limits.SEND_TIMEOUT_SECONDS,
    )


def find_missing_secrets(brand: Brand) -> list[str]:
    """Return what is missing to call recipients, each in words."""
    missing = []
    declared: Mapping[str, Any] = brand.consent.recipients
    for name, recipient in declared.items():
        if isinstance(recipient.erasure, Erasure):
            told = {"url": recipient.erasure.url, "secret": recipient.erasure.secret}
            for member, setting in told.items():
                try:
                    read_setting(setting)
                except SettingsError as error:
                    missing.append(f"recipient {name}: `erasure.{member}`: {error}")
    return missing
