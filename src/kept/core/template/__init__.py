"""Liquid templates in a sandbox: checked, compiled once, rendered to a message or to a reason."""

from kept.core.template.check import Use, check_line, check_template
from kept.core.template.render import (
    Failed,
    Line,
    Missing,
    Rendered,
    RenderResult,
    Situation,
    Templates,
)
from kept.core.template.values import Schema

__all__ = [
    "Failed",
    "Line",
    "Missing",
    "RenderResult",
    "Rendered",
    "Schema",
    "Situation",
    "Templates",
    "Use",
    "check_line",
    "check_template",
]
