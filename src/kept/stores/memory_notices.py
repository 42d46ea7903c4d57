"""Notices in memory: the part of the store's port that is about what tools outside must be told."""

from collections.abc import Collection, Sequence

from kept.ports import Notice
from kept.stores.memory_undo import Undo


class MemoryNotices(Undo):
    """Notices in a plain dictionary."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._notices: dict[int, Notice] = {}
        self._last_notice = 0

    def append_notice(self, part_id: int, *, noted_at: int, scopes: Sequence[str]) -> int:
        """Keep that permissions changed; return its id, which grows."""
        notice_id = self._last_notice + 1
        self._noted(lambda: setattr(self, "_last_notice", notice_id - 1))
        self._last_notice = notice_id
        notice = Notice(
            notice_id=notice_id, part_id=part_id, noted_at=noted_at, scopes=tuple(scopes)
        )
        self._put(self._notices, notice_id, notice)
        return notice_id

    def load_notices(self, *, after: int, limit: int) -> list[Notice]:
        """Return notices in order of their ids from `after` (exclusive)."""
        return [notice for key, notice in sorted(self._notices.items()) if key > after][:limit]

    def last_notice(self) -> int:
        """Return the id of the newest notice, 0 if there is none."""
        return self._last_notice

    def _drop_notices(self, gone: Collection[int]) -> None:
        """Forget the notices of parts that are erased."""
        for notice_id in [key for key, one in self._notices.items() if one.part_id in gone]:
            self._drop(self._notices, notice_id)
