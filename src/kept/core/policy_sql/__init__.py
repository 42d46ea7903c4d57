"""A whole policy as one SQL query: everybody of a base is decided at once, as `decide` decides each.

`schema` says what columns a base has, `rows` makes them of a customer's facts, `query` writes the
query, and `answers` reads what it says back as reasons and choices.
"""
