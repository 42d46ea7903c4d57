"""Systems that sign what they send us: webhooks and providers, with their secrets resolved."""

import logging
from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.brand.model import Channel, Signature
from kept.core.bundle import Bundle
from kept.errors import NotAllowedError, NotFoundError, SettingsError
from kept.runtime import Runtime
from kept.settings import read_secret
from kept.web.wire.signature import check_signature
from kept.web.wire.webhook import Webhook, compile_webhooks

_log = logging.getLogger("kept.web")
FEEDBACK_SECRETS: Final = ("feedback_secret", "secret")
"""The settings of a channel that may name the secret of its provider's callbacks; the first counts."""


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was resolved for one version of the brand."""

    bundle: Bundle
    webhooks: dict[str, Webhook]
    providers: dict[str, str]
    missing_sources: dict[str, str]
    """Source -> why its secret could not be read; a channel may have the same name."""
    missing_channels: dict[str, str]


class Signers:
    """Knows the webhooks and providers of the brand in force, and their secrets."""

    def __init__(self, runtime: Runtime) -> None:
        """Resolve every secret once.

        Raises:
            SettingsError: a webhook's secret is not there; the server refuses to start without it.
        """
        self._runtime = runtime
        self._known = _resolve(runtime.bundle)
        if self._known.missing_sources:
            raise SettingsError("; ".join(self._known.missing_sources.values()))

    def find_webhook(self, source: str) -> Webhook:
        """Return a source of kind webhook."""
        known = self._current()
        if source in known.missing_sources:
            raise SettingsError(known.missing_sources[source])
        webhook = known.webhooks.get(source)
        if webhook is None:
            # Whoever asks has proven nothing yet, and is not told what there is instead.
            raise NotFoundError(f"there is no webhook {source[:100]!r} in sources.yaml")
        return webhook

    def check_provider(
        self, channel: str, *, headers: Mapping[bytes, bytes], body: bytes, now: int
    ) -> None:
        """Raise unless a callback is signed by the provider of a channel (Standard Webhooks)."""
        known = self._current()
        channels = known.bundle.brand.consent.channels
        if channel not in channels:
            raise NotFoundError(f"there is no channel {channel[:100]!r} in consent.yaml")
        if channel in known.missing_channels:
            raise SettingsError(known.missing_channels[channel])
        if channel not in known.providers:
            raise NotAllowedError(
                f"the channel {channel} takes no callbacks: name the secret that signs them, "
                f"`feedback_secret`, in its settings in consent.yaml"
            )
        check_signature(
            Signature(scheme="standard_webhooks", secret=""),
            secrets=[known.providers[channel]],
            headers=headers,
            query={},
            body=body,
            now=now,
        )

    def _current(self) -> _Known:
        if self._known.bundle is not self._runtime.bundle:
            self._known = _resolve(self._runtime.bundle)
            known = self._known
            for message in (*known.missing_sources.values(), *known.missing_channels.values()):
                _log.error("the new brand names a secret that is not there: %s", message)
        return self._known


def _resolve(bundle: Bundle) -> _Known:
    secrets: dict[str, list[str]] = {}
    missing_sources: dict[str, str] = {}
    for name, touchpoint in bundle.touchpoints.items():
        signature = touchpoint.source.signature
        if signature is not None:
            _read(name, signature.secret, secrets, missing_sources)
    providers: dict[str, list[str]] = {}
    missing_channels: dict[str, str] = {}
    for name, channel in bundle.brand.consent.channels.items():
        reference = _feedback_reference(channel)
        if reference:
            _read(name, reference, providers, missing_channels)
    return _Known(
        bundle=bundle,
        webhooks=compile_webhooks(bundle.touchpoints, secrets),
        providers={name: found[0] for name, found in providers.items()},
        missing_sources=missing_sources,
        missing_channels=missing_channels,
    )


def _feedback_reference(channel: Channel) -> str:
    for key in FEEDBACK_SECRETS:
        if key in channel.settings:
            return channel.settings[key]
    return ""


def _read(name: str, reference: str, into: dict[str, list[str]], missing: dict[str, str]) -> None:
    try:
        into[name] = [read_secret(reference)]
    except SettingsError as error:
        missing[name] = f"{name}: {error}"
