"""Engines that ask about everybody at once: adapters of `base_port`."""
