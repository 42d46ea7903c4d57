"""The do-nothing twin of every channel, for trials: takes each message and sends none."""

from kept.core.message import Accepted, Outgoing, SendResult


class SilentChannel:
    """Says that it took every message; nothing leaves."""

    def send(self, outgoing: Outgoing) -> SendResult:
        """Take a message and forget it."""
        return Accepted()

    def close(self) -> None:
        """Give up nothing."""
