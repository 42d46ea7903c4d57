"""How the command line asks as a person: what no token may do is done by somebody who signs in."""

import re
from pathlib import Path
from typing import Any, Final

import httpx

from kept.cli.client import TIMEOUT_SECONDS
from kept.errors import InputError, SettingsError
from kept.runtime.server import ADDRESS_FILE

_FORM_TOKEN: Final = re.compile(r'name="form_token" value="(\w+)"')


def call_as(data: Path, name: str, password: str, path: str, body: Any) -> Any:
    """Return what a running server answers to somebody who signs in, asks this, and signs out.

    Raises:
        SettingsError: no server runs on this data folder.
        InputError: the server refused, and why.
    """
    try:
        address = (data / ADDRESS_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"no server was started on {data}; start one with `kept serve`"
        raise SettingsError(message) from error
    origin = {"origin": address}
    try:
        with httpx.Client(base_url=address, timeout=TIMEOUT_SECONDS) as http:
            page = http.get("/sign-in", headers={"accept": "text/html"})
            form = {"form_token": _token_in(page), "name": name, "password": password}
            if http.post("/sign-in", data=form, headers=origin).status_code != 303:
                message = f"{name} could not sign in; is the password right?"
                raise InputError(message)
            own = {"x-kept-form-token": http.get("/v1/me").json()["form_token"]}
            answer = http.post(path, json=body, headers=origin | own)
            http.post("/sign-out", data={"form_token": own["x-kept-form-token"]}, headers=origin)
    except httpx.HTTPError as error:
        message = f"the server at {address} does not answer ({type(error).__name__})"
        raise SettingsError(message) from error
    told = answer.json()
    if not answer.is_success:
        raise InputError(str(told.get("detail", answer.status_code)))
    return told


def _token_in(page: httpx.Response) -> str:
    found = _FORM_TOKEN.search(page.text)
    if found is None:
        message = "this server lets nobody sign in by name and password"
        raise InputError(message)
    return found[1]
