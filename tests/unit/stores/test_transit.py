"""Where a key service may be: by TLS, or on this machine."""

import pytest

from kept.errors import SettingsError
from kept.stores.vault.transit import TransitKeys


@pytest.mark.parametrize(
    "host",
    [
        "http://keys.example",
        "http://127.0.0.1.keys.example",
        "http://127.0.0.1@keys.example",
        "https://ana:pw@keys.example",
        "http://[::1].keys.example",
        "ftp://127.0.0.1",
        "https://",
    ],
)
def test_a_token_is_never_sent_in_the_open(host: str) -> None:
    """A name that only begins like this machine's address is somebody else's."""
    with pytest.raises(SettingsError, match="named as"):
        TransitKeys(f"{host}/v1/transit/keys/kept", token="t")


@pytest.mark.parametrize(
    "host", ["https://keys.example", "http://127.0.0.1:8200", "http://[::1]:8200"]
)
def test_a_key_service_is_named_by_its_address(host: str) -> None:
    """Nothing is asked before a key is needed."""
    assert TransitKeys(f"{host}/v1/transit/keys/kept", token="t").place
