"""The words that people see: the stored reason, or the sentence for the code beside it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from campaigns.codes import PAUSED, WAITING
from worker.store.tables import accounts, batches, runs

Code = TypeVar("Code", bound=StrEnum)


def _shown(words: Mapping[Code, str], code: sa.ColumnElement[Any], stored: sa.ColumnElement[str]) -> Any:
    sentence = sa.case(dict(words), value=code, else_="")
    return sa.func.coalesce(sa.func.nullif(stored, ""), sentence)


ACCOUNT: Final = _shown(PAUSED, accounts.c.paused_by, accounts.c.paused_reason)
RUN: Final = _shown(PAUSED, runs.c.paused_by, runs.c.reason)
BATCH: Final = _shown(WAITING, batches.c.waits_for, batches.c.reason)
"""Columns for statements about the table of their name."""
