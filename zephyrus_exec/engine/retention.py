"""Forgetting ended executions, so that a journal without end does not fill its medium."""

from __future__ import annotations

import logging
from collections import deque

from ..errors import StoreError
from ..interfaces.store import Delete, ExecutionStore, Forget, Write
from .journal import EXECUTION

_log = logging.getLogger(__name__)

_AT_ONCE = 32
"""How many are forgotten together, so that forgetting costs little per execution."""


class Retention:
    """Keeps the executions that this process ended last, and forgets the ones before them.

    Args:
        store: Where they are.
        keep: How many are kept, at least 1; null: all.
    """

    def __init__(self, store: ExecutionStore, *, keep: int | None) -> None:
        self._store = store
        self._keep = keep
        self._ended: deque[str] = deque()

    async def ended(self, execution_id: str) -> None:
        """Count one more; forget those that are too many now."""
        if self._keep is None:
            return
        self._ended.append(execution_id)
        if len(self._ended) >= self._keep + _AT_ONCE:
            await self._forget([self._ended.popleft() for _ in range(_AT_ONCE)])

    async def _forget(self, execution_ids: list[str]) -> None:
        try:
            writes: list[Write] = []
            for execution_id in execution_ids:
                record = await self._store.get(EXECUTION, execution_id)
                if record is not None:
                    delete = Delete(EXECUTION, execution_id, record.version)
                    writes += [Forget(execution_id), delete]
            await self._store.commit(writes)
        except StoreError as error:
            _log.warning("%d old executions could not be forgotten: %s", len(execution_ids), error)
