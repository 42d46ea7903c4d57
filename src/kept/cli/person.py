"""How the command line asks as a person: what no token may do is done by somebody who signs in.

As a browser does, and so by the public address where there is one: the cookie of a session goes over
https alone, and a form is taken from a page of that address alone.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx
import typer

from kept.cli.client import TIMEOUT_SECONDS, call, read_address
from kept.errors import InputError, SettingsError
from kept.runtime.server import PUBLIC_URL_FILE

_FORM_TOKEN: Final = re.compile(r'name="form_token" value="(\w+)"')
Ask: TypeAlias = Callable[..., Any]
"""Asks a running server: by which method, at which path, with which body."""

Person = Annotated[
    str,
    typer.Option(
        "--as", help="Ask as somebody who signs in, and not by a token: the name for that."
    ),
]
Password = Annotated[
    str,
    typer.Option(envvar="KEPT_PASSWORD", help="Their password; asked for where it is not given."),
]


@contextmanager
def asking(data: Path, person: str, password: str) -> Iterator[Ask]:
    """Yield what asks as somebody who signs in, or where nobody is named, by the token.

    Raises:
        SettingsError: no server runs on this data folder.
        InputError: the server refused, and why.
    """
    if not person:
        yield partial(call, data)
        return
    with signed_in(data, person, password or typer.prompt("Password", hide_input=True)) as ask:
        yield ask


@contextmanager
def signed_in(data: Path, name: str, password: str) -> Iterator[Ask]:
    """Yield what asks as somebody who signs in, and sign out in the end; raises as `asking` does."""
    address = _find_address(data)
    parts = urlsplit(address)
    origin = {"origin": f"{parts.scheme}://{parts.netloc}"}
    try:
        with httpx.Client(base_url=address, timeout=TIMEOUT_SECONDS) as http:
            page = http.get("/sign-in", headers={"accept": "text/html"})
            form = {"form_token": _token_in(page), "name": name, "password": password}
            _check_signed_in(http.post("/sign-in", data=form, headers=origin), name)
            own = {"x-kept-form-token": http.get("/v1/me").json()["form_token"]}
            try:
                yield partial(_ask, http, origin | own)
            finally:
                form = {"form_token": own["x-kept-form-token"]}
                http.post("/sign-out", data=form, headers=origin)
    except httpx.HTTPError as error:
        message = f"the server at {address} does not answer ({type(error).__name__}: {error})"
        raise SettingsError(message) from error


def _find_address(data: Path) -> str:
    """Return where people reach the server of a data folder."""
    address = read_address(data)
    try:
        return (data / PUBLIC_URL_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return address


def _ask(
    http: httpx.Client, headers: dict[str, str], method: str, path: str, body: Any = None
) -> Any:
    answer = http.request(method, path, json=body, headers=headers)
    told = answer.json()
    if not answer.is_success:
        raise InputError(str(told.get("detail", answer.status_code)))
    return told


def _token_in(page: httpx.Response) -> str:
    """Return what the form of the sign-in page proves itself by."""
    found = _FORM_TOKEN.search(page.text)
    if found is not None:
        return found[1]
    if page.is_success:
        message = (
            "nobody signs in by name and password here; whoever an identity provider lets in asks in "
            "their browser (the documentation says how, under Access)"
        )
    else:
        message = (
            f"the sign-in page of {page.url.host} was not shown (HTTP {page.status_code}): people sign "
            "in over https, by the server's --public-url, or on its own machine where it has none"
        )
    raise InputError(message)


def _check_signed_in(answer: httpx.Response, name: str) -> None:
    if answer.status_code == httpx.codes.SEE_OTHER:
        return
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        message = "too many have tried to sign in; wait a moment"
    elif answer.status_code == httpx.codes.UNAUTHORIZED:
        message = (
            f"{name} could not sign in; is the password right? Whoever an identity provider lets in "
            "has none here, and asks in their browser (the documentation says how, under Access)"
        )
    else:
        message = (
            f"{name} could not sign in (HTTP {answer.status_code}); is {answer.url.host} the public "
            "address that this server was started with?"
        )
    raise InputError(message)
