"""An address of a database says how it is reached, and shows no password."""

import pytest

from kept.errors import SettingsError
from kept.stores.postgres import Address

WORD = "word"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kept@/kept",
        "postgresql://kept@localhost/kept",
        "postgresql://kept@127.0.0.1:5433/kept",
        "postgresql://kept@[::1]:5433/kept",
        "postgresql://kept@/kept?host=/run/postgresql,/run/other&port=5432,5432",
        "postgresql://kept@%2Frun%2Fpostgresql/kept",
        "postgresql://kept:"
        + WORD
        + "@db.internal/kept?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://kept:" + WORD + "@db1.internal,db2.internal:5433/kept?sslmode=require",
        "postgresql://kept:" + WORD + "@10.0.0.7/kept?sslmode=disable",
    ],
)
def test_what_is_near_or_says_how_is_taken(url: str) -> None:
    """On this machine there is nobody who could listen."""
    address = Address(url)
    assert address.database == "kept"
    assert WORD not in repr(address)
    assert address.beside("other").database == "other"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kept:" + WORD + "@db.internal/kept",
        "postgresql://kept:" + WORD + "@10.0.0.7/kept?sslmode=prefer",
        "postgresql://kept:" + WORD + "@db.internal/kept?sslmode=allow",
        "postgresql://kept:" + WORD + "@localhost,db.internal/kept",
        "postgresql://kept:" + WORD + "@/kept?host=db.internal",
        "postgresql://kept:" + WORD + "@db.internal/kept?sslmode=verify-full&sslmode=prefer",
        "postgresql://kept:" + WORD + "@localhost.example/kept",
    ],
)
def test_what_would_fall_back_to_the_open_is_refused(url: str) -> None:
    """Unknown means no: what to write is said, and the password is not repeated."""
    with pytest.raises(SettingsError, match="sslmode=verify-full") as raised:
        Address(url)
    assert WORD not in str(raised.value)
