"""The master key in a key service of its own, by the API of the "transit" secrets engine.

OpenBao and HashiCorp Vault speak it: https://openbao.org/api-docs/secret/transit/. The key never
leaves the service; its versions are the epochs. The token needs `read` and `update` on the key, and
`update` on its `rotate`, `config` and `trim`.
"""

from base64 import b64decode, b64encode
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from kept.errors import SettingsError, StoreError

TIMEOUT_SECONDS: Final = 10.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


class TransitKeys:
    """Wraps and unwraps by asking the service; implements `ports.KeyService`."""

    def __init__(self, url: str, *, token: str) -> None:
        """Name the key: `https://HOST/v1/transit/keys/NAME`.

        Raises:
            SettingsError: the address is not one of a key.
        """
        base, slash, name = url.rpartition("/keys/")
        if not slash or not name or not _is_safe(url):
            raise SettingsError(
                "a key service is named as `transit:https://HOST/v1/transit/keys/NAME`"
            )
        self.place = f"the key service at {httpx.URL(url).host}"
        self.may_change = True
        self._name = name
        self._client = httpx.Client(
            base_url=base, headers={"X-Vault-Token": token}, timeout=TIMEOUT_SECONDS
        )

    def list_epochs(self) -> list[int]:
        """Return the versions of the key that can still decrypt, ascending."""
        told = self._ask("GET", f"/keys/{self._name}")
        least = int(told.get("min_decryption_version", 1))
        return sorted(int(version) for version in told["keys"] if int(version) >= least)

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Encrypt a small secret under a version."""
        body = {"plaintext": b64encode(secret).decode(), "key_version": epoch}
        return str(self._ask("POST", f"/encrypt/{self._name}", body)["ciphertext"]).encode()

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return what was wrapped; raises `SettingsError` if the service cannot."""
        body = {"ciphertext": wrapped.decode()}
        return b64decode(self._ask("POST", f"/decrypt/{self._name}", body)["plaintext"])

    def begin_epoch(self) -> int:
        """Rotate the key, and return its new version."""
        self._ask("POST", f"/keys/{self._name}/rotate", {})
        return self.list_epochs()[-1]

    def destroy_epoch(self, epoch: int) -> None:
        """Trim the key: this version and all older ones are destroyed for good."""
        least = {"min_decryption_version": epoch + 1, "min_encryption_version": epoch + 1}
        self._ask("POST", f"/keys/{self._name}/config", least)
        self._ask("POST", f"/keys/{self._name}/trim", {"min_available_version": epoch + 1})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise StoreError(f"{self.place} does not answer ({type(error).__name__})") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise StoreError(f"{self.place} answers {answer.status_code} to {path}")
        if answer.is_error:
            raise SettingsError(
                f"{self.place} answers {answer.status_code} to {path}: the token may not do it, the "
                "key is missing, or what is to be decrypted was encrypted with another one"
            )
        try:
            told: dict[str, Any] = (answer.json() if answer.content else {}).get("data") or {}
        except (ValueError, AttributeError) as error:
            raise StoreError(
                f"{self.place} answers {path} with something else than JSON"
            ) from error
        return told


def _is_safe(url: str) -> bool:
    """Return whether a token may be sent there: by TLS, or without leaving this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return False
    if parts.username is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
