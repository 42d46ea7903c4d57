"""Kept's condition language: SQL expressions, typed, compiled to Python and to SQL."""
