"""Kept hears every event a customer causes, decides what the brand does next, and can prove why."""

__version__ = "0.1.0"
