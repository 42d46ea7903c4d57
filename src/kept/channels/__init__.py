"""The channels: how a message leaves, one adapter a file."""
