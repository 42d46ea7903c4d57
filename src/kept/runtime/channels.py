"""The brand's channels as adapters.

Until the operator says otherwise every message goes into files; in shadow nothing goes anywhere.
"""

from collections.abc import Mapping
from typing import Final

from kept import settings as limits
from kept.channels.files import FilesChannel
from kept.channels.silent import SilentChannel
from kept.channels.smtp import SmtpChannel
from kept.channels.webhook import WebhookChannel
from kept.clock import Clock
from kept.core.brand.model import Channel as Declared
from kept.core.bundle import Bundle
from kept.core.compile_policy import PULLED
from kept.errors import SettingsError
from kept.ports import Channel
from kept.settings import Settings, read_secret

OUTBOX: Final = "outbox"


def build_channels(bundle: Bundle, settings: Settings, *, clock: Clock) -> dict[str, Channel]:
    """Return the adapters of the channels that send; inbox and call list are pulled.

    Raises:
        SettingsError: with everything that is missing, not only the first.
    """
    declared = {
        name: channel
        for name, channel in bundle.brand.consent.channels.items()
        if channel.adapter not in PULLED
    }
    if settings.shadow:
        # Nothing reaches a channel in shadow; this holds even if something did.
        return dict.fromkeys(declared, SilentChannel())
    files = FilesChannel(folder=settings.data / OUTBOX, clock=clock)
    if settings.deliver == "files":
        return dict.fromkeys(declared, files)
    channels: dict[str, Channel] = {}
    missing: list[str] = []
    for name, channel in declared.items():
        try:
            channels[name] = _build(channel, files, settings, clock=clock)
        except SettingsError as error:
            missing.append(f"channel {name}: {error}")
    if missing:
        raise SettingsError("\n".join(missing))
    return channels


def _build(channel: Declared, files: FilesChannel, settings: Settings, *, clock: Clock) -> Channel:
    if channel.adapter == "files":
        return files
    told = {name: _read(text) for name, text in channel.settings.items()}
    if channel.adapter == "smtp":
        return _build_smtp(told, clock=clock)
    return WebhookChannel(
        url=_needed(told, "url"),
        secret=_needed(told, "secret"),
        clock=clock,
        allow_private=settings.allow_private_webhooks,
        timeout_seconds=limits.SEND_TIMEOUT_SECONDS,
    )


def _build_smtp(told: Mapping[str, str], *, clock: Clock) -> Channel:
    security = told.get("security", "starttls")
    if security not in ("starttls", "tls", "none"):
        message = f"`security` is {security!r}; it must be starttls, tls or none"
        raise SettingsError(message)
    return SmtpChannel(
        host=_needed(told, "host"),
        port=int(told.get("port", "587")),
        security=security,  # type: ignore[arg-type]
        username=told.get("username", ""),
        password=told.get("password", ""),
        clock=clock,
        timeout_seconds=limits.SEND_TIMEOUT_SECONDS,
        return_path=told.get("return_path", ""),
    )


def _read(text: str) -> str:
    """Return a setting: a reference is looked up, anything else is itself."""
    return read_secret(text) if text.startswith(("env:", "file:")) else text


def _needed(told: Mapping[str, str], name: str) -> str:
    if not told.get(name):
        message = f"consent.yaml gives it no `{name}`"
        raise SettingsError(message)
    return told[name]
