"""A brand folder names secrets of its own, and never the server's."""

from pathlib import Path

import msgspec
import pytest

from kept.core.brand.load import read_brand
from kept.core.brand.model import Brand, Channel
from kept.runtime.own_secrets import find_own
from kept.settings import Settings, StaffSettings

SETTINGS = Settings(
    brand=Path("/brand"),
    data=Path("/data"),
    master_key="env:HARBOUR_MASTER",
    master_key_token="file:/run/keys/token",
    staff=StaffSettings(oidc_client_secret="file:/run/keys/oidc"),
)


def brand_with(reference: str) -> Brand:
    """Return a brand whose mail relay is shown what a reference stands for."""
    brand = read_brand({}).brand
    settings = {"host": "relay.example", "password": reference}
    channel = Channel(adapter="smtp", cost="0 EUR", settings=settings)
    consent = msgspec.structs.replace(brand.consent, channels={"email": channel})
    return msgspec.structs.replace(brand, consent=consent)


@pytest.mark.parametrize(
    "reference",
    [
        "env:KEPT_MASTER_KEY",
        "env:KEPT_MASTER_KEY_TOKEN",
        "env:HARBOUR_MASTER",
        "file:/run/keys/token",
        "file:/run/keys/../keys/token",
        "env:KEPT_TOKEN",
        "env:KEPT_OIDC_CLIENT_SECRET",
        "file:/run/keys/oidc",
        "file:/data/admin-token",
        "file:/data/../data/master-key",
        "file:/brand/../data/optouts.log",
    ],
)
def test_a_folder_that_names_the_servers_own_is_refused(reference: str) -> None:
    """Its author could have it sent to a relay of their own."""
    (problem,) = find_own(brand_with(reference), {"consent.yaml": f"x: {reference}"}, SETTINGS)
    assert problem.file == "consent.yaml"
    assert reference in problem.message


@pytest.mark.parametrize(
    "reference", ["env:HARBOUR_MAIL", "file:/run/keys/mail", "file:/database/x", "word", ""]
)
def test_a_folder_may_name_its_own(reference: str) -> None:
    """A provider's password, wherever it stands."""
    assert find_own(brand_with(reference), {}, SETTINGS) == []
