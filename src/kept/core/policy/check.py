"""Checks an expression: every name known, every type right; all problems at once.

The result is a tree of our own (`tree`). Nothing of what the parser made goes any further.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sqlglot import exp

from kept.core.policy import build
from kept.core.policy.calls import check_aggregate_form, find_signature, result_of
from kept.core.policy.fold import fold
from kept.core.policy.functions import AGGREGATIONS, FUNCTIONS, INSTEAD
from kept.core.policy.literals import FALSE, NONE, TRUE, Wrong, constant
from kept.core.policy.parse import Parsed, operands_of, parse_expression
from kept.core.policy.scope import Fact, Scope
from kept.core.policy.tree import (
    Branch,
    Comparison,
    Expression,
    FactRef,
    FieldRef,
    Literal,
    Node,
    RowField,
)
from kept.core.policy.types import BOOL, DECIMAL_ONE, INT, INT_MAX, NULL, Type, bounds_of
from kept.core.policy.where import Where, nearest
from kept.errors import Problem
