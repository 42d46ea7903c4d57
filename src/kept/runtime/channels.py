"""The brand's channels as adapters.

Until the operator says otherwise every message goes into files; in shadow nothing goes anywhere.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from kept import settings as limits
from kept.channels.dkim import DkimSigner
from kept.channels.mail import parse_mailbox
from kept.channels.silent import SilentChannel
from kept.channels.smtp import SmtpChannel
from kept.channels.webhook import WebhookChannel
from kept.clock import Clock
from kept.core.brand.model import Brand
from kept.core.brand.model import Channel as Declared
from kept.core.check.consent import DKIM_SETTINGS
from kept.core.compile_policy import PULLED
from kept.errors import SettingsError
from kept.ports import Channel
from kept.settings import Settings, is_reference, read_secret

OUTBOX: Final = "outbox"
NONE_KNOWN: Final[Mapping[str, Channel]] = {}


def build_channels(
    brand: Brand,
    settings: Settings,
    *,
    files: Channel,
    clock: Clock,
    secret: bytes,
    known: Mapping[str, Channel] = NONE_KNOWN,
) -> dict[str, Channel]:
    """Return the adapters of the channels that send; inbox and call list are pulled.

    Args:
        brand: declares them.
        settings: whether anything may leave this machine.
        files: where messages are written as files.
        clock: dates mail and signatures.
        secret: signs return paths.
        known: those that are open, and declared as before.

    Raises:
        SettingsError: with everything that is missing, not only the first.
    """
    declared = {
        name: channel
        for name, channel in brand.consent.channels.items()
        if channel.adapter not in PULLED
    }
    if settings.shadow:
        # Nothing reaches a channel in shadow; this holds even if something did.
        return dict.fromkeys(declared, SilentChannel())
    if settings.deliver == "files":
        return dict.fromkeys(declared, files)
    channels: dict[str, Channel] = {}
    missing: list[str] = []
    for name, channel in declared.items():
        if name in known:
            channels[name] = known[name]
            continue
        try:
            channels[name] = _build(channel, files, settings, clock=clock, secret=secret)
        except SettingsError as error:
            missing += [f"channel {name}: {line}" for line in str(error).splitlines()]
    if missing:
        raise SettingsError("\n".join(missing))
    return channels


def _build(
    channel: Declared, files: Channel, settings: Settings, *, clock: Clock, secret: bytes
) -> Channel:
    if channel.adapter == "files":
        return files
    if channel.adapter == "smtp":
        told = _read_settings(channel, needed=("host",))
        return _build_smtp(channel, told, clock=clock, secret=secret)
    told = _read_settings(channel, needed=("url", "secret"))
    return WebhookChannel(
        url=told["url"],
        secret=told["secret"],
        clock=clock,
        allow_private=settings.allow_private_webhooks,
        timeout_seconds=limits.SEND_TIMEOUT_SECONDS,
    )


def _read_settings(channel: Declared, *, needed: Iterable[str]) -> dict[str, str]:
    """Return a channel's settings, references looked up; raises with all that are missing."""
    told: dict[str, str] = {}
    missing = [
        f"consent.yaml gives it no `{name}`" for name in needed if not channel.settings.get(name)
    ]
    for name, text in channel.settings.items():
        try:
            told[name] = read_setting(text)
        except SettingsError as error:
            missing.append(f"`{name}`: {error}")
    if missing:
        raise SettingsError("\n".join(missing))
    return told


def _build_smtp(
    channel: Declared, told: Mapping[str, str], *, clock: Clock, secret: bytes
) -> Channel:
    security, port = told.get("security", "starttls"), told.get("port", "587")
    wrong: list[str] = []
    if security not in ("starttls", "tls", "none"):
        wrong.append(f"`security` is {security!r}; it must be starttls, tls or none")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        wrong.append(f"`port` is {port!r}; it must be a number from 1 to 65535")
    signer = None
    try:
        signer = _build_signer(channel, told)
    except SettingsError as error:
        wrong.append(str(error))
    if wrong:
        raise SettingsError("\n".join(wrong))
    return SmtpChannel(
        host=told["host"],
        port=int(port),
        security=security,  # type: ignore[arg-type]
        username=told.get("username", ""),
        password=told.get("password", ""),
        clock=clock,
        timeout_seconds=limits.SEND_TIMEOUT_SECONDS,
        return_path=told.get("return_path", ""),
        return_path_secret=secret if told.get("return_path") else b"",
        signer=signer,
    )


def _build_signer(channel: Declared, told: Mapping[str, str]) -> DkimSigner | None:
    """Return what signs a channel's mail, None if the mail server does that."""
    given = [name for name in DKIM_SETTINGS if name in told]
    if not given:
        return None
    if len(given) < len(DKIM_SETTINGS):
        missing = [name for name in DKIM_SETTINGS if name not in told]
        raise SettingsError(
            f"to sign mail it needs {', '.join(f'`{name}`' for name in missing)} as well; "
            "leave out all three where the mail server signs"
        )
    signer = DkimSigner(
        domain=told["dkim_domain"], selector=told["dkim_selector"], key=told["dkim_key"]
    )
    for entity, sender in channel.sender.items():
        mailbox = parse_mailbox(sender)
        if mailbox is not None and not signer.may_sign_for(mailbox.domain):
            raise SettingsError(
                f"{entity} sends from {mailbox.domain}, for which a signature of "
                f"{signer.domain} proves nothing; give the entity a channel with a key of its own"
            )
    return signer


def read_setting(text: str) -> str:
    """Return a setting: a reference is looked up, anything else is itself."""
    return read_secret(text) if is_reference(text) else text
