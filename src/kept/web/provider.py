"""An identity provider, spoken with by OpenID Connect: authorization code with PKCE (RFC 7636).

What it says of itself and its keys are fetched when they are needed, kept for a while, and fetched
again when a token names a key that is not among them.
"""

import base64
import hmac
import logging
from collections import OrderedDict
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from kept import settings
from kept.clock import Clock, random_token
from kept.core.access import Role
from kept.core.keys import hash_key
from kept.core.oidc import Expected, Person, read_mapping, read_person, roles_in
from kept.core.values import SECOND
from kept.errors import InputError, NotAllowedError, OutsideError, SettingsError
from kept.settings import StaffSettings, read_secret
from kept.web.cookies import LOOPBACK
from kept.web.id_token import NotBelievedError, UnknownKeyError, read_id_token

T = TypeVar("T")
_log = logging.getLogger("kept.web")
_BYTES_MAX: Final = 1024 * 1024
CONFIGURATION: Final = "/.well-known/openid-configuration"


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0), as far as we need it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's keys."""

    keys: tuple[dict[str, Any], ...] = ()


class _Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a code is exchanged for."""

    id_token: str
    access_token: str = ""


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is at the provider just now."""

    browser: str
    """The hash of what their browser's cookie holds."""
    nonce: str
    verifier: str
    redirect_uri: str
    ends_at: int


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who came back, and what they are here."""

    person: Person
    roles: tuple[Role, ...]


class Provider:
    """The one identity provider of this server, if it has one."""

    def __init__(
        self,
        wanted: StaffSettings,
        *,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Read the settings.

        Raises:
            SettingsError: one of them cannot be used; all that is wrong.
        """
        self.name = wanted.oidc_name
        self.issuer = wanted.oidc_issuer
        self.is_set = bool(wanted.oidc_issuer)
        self._settings = wanted
        self._clock = clock
        self._transport = transport
        self._known: _Known | None = None
        self._known_at = 0
        self._keys: tuple[dict[str, Any], ...] = ()
        self._keys_at = 0
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._mapping: dict[str, Role] = {}
        self._secret = ""
        if self.is_set:
            self._read_settings()

    def _read_settings(self) -> None:
        wrong: list[str] = []
        wanted = self._settings
        if not _is_safe(wanted.oidc_issuer):
            wrong.append("KEPT_OIDC_ISSUER must be an https address (http on this machine only)")
        if not wanted.oidc_client_id:
            wrong.append("KEPT_OIDC_CLIENT_ID is missing: what the identity provider knows us by")
        if "openid" not in wanted.oidc_scopes.split():
            wrong.append("KEPT_OIDC_SCOPES must hold openid")
        try:
            self._mapping = read_mapping(wanted.oidc_roles)
        except InputError as error:
            wrong.append(f"KEPT_OIDC_ROLES: {error}")
        if not self._mapping and not wrong:
            wrong.append("KEPT_OIDC_ROLES is empty, so that nobody would have access")
        try:
            if wanted.oidc_client_secret:
                self._secret = read_secret(wanted.oidc_client_secret)
        except SettingsError as error:
            wrong.append(f"KEPT_OIDC_CLIENT_SECRET: {error}")
        if wrong:
            raise SettingsError("the identity provider is not set up\n" + "\n".join(wrong))

    # -- there

    async def begin(self, *, browser: str, redirect_uri: str) -> str:
        """Return where a browser (by what its cookie holds) signs in.

        Raises:
            OutsideError: the provider does not answer as it should.
        """
        known = await self._discover()
        now = self._clock.now()
        state, nonce, verifier = random_token(), random_token(), random_token()
        while self._asked and (
            len(self._asked) >= settings.SIGN_INS_OPEN_MAX
            or next(iter(self._asked.values())).ends_at <= now
        ):
            self._asked.popitem(last=False)
        self._asked[hash_key(state)] = _Asked(
            browser=hash_key(browser),
            nonce=nonce,
            verifier=verifier,
            redirect_uri=redirect_uri,
            ends_at=now + int(settings.SIGN_IN_SECONDS * SECOND),
        )
        challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.oidc_scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(known.authorization_endpoint).query else "?"
        return f"{known.authorization_endpoint}{joint}{urlencode(asked)}"

    # -- and back

    async def finish(
        self, *, browser: str, state: str, code: str, error: str, issuer: str
    ) -> SignedIn:
        """Return who came back from the provider.

        Args:
            browser: what the browser's cookie holds.
            state: as it came back, good once.
            code: what is exchanged for the token.
            error: why there is none.
            issuer: who answers, where the provider says so (RFC 9207).

        Raises:
            NotAllowedError: the answer is not to our question, or cannot be believed.
            OutsideError: the provider does not answer as it should.
        """
        asked = self._asked.pop(hash_key(state), None)
        if asked is None or asked.ends_at <= self._clock.now():
            raise NotAllowedError("this sign-in was finished before, or took too long; begin again")
        if not browser or not hmac.compare_digest(asked.browser, hash_key(browser)):
            raise NotAllowedError("this sign-in was begun in another browser; begin again")
        known = await self._discover()
        if (issuer or known.authorization_response_iss_parameter_supported) and (
            issuer != known.issuer
        ):
            raise NotAllowedError("another identity provider answers than was asked")
        if error or not code:
            raise NotAllowedError(f"{self.name} did not let you in; begin again")
        tokens = await self._exchange(known, asked, code)
        expected = Expected(
            issuer=known.issuer, client_id=self._settings.oidc_client_id, nonce=asked.nonce
        )
        claims = await self._believe(known, tokens.id_token, expected)
        claim = self._settings.oidc_role_claim
        if claim not in claims and known.userinfo_endpoint and tokens.access_token:
            claims = {**await self._ask_user(known, tokens.access_token, claims["sub"]), **claims}
        return SignedIn(
            person=read_person(claims),
            roles=roles_in(claims, claim=claim, mapping=self._mapping),
        )

    async def leave_url(self) -> str:
        """Return where somebody signs out of the provider as well, empty where it has no such place."""
        try:
            known = await self._discover() if self.is_set else None
        except OutsideError:
            return ""
        if known is None or not known.end_session_endpoint:
            return ""
        asked = urlencode({"client_id": self._settings.oidc_client_id})
        joint = "&" if urlsplit(known.end_session_endpoint).query else "?"
        return f"{known.end_session_endpoint}{joint}{asked}"

    async def _exchange(self, known: _Known, asked: _Asked, code: str) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        methods = known.token_endpoint_auth_methods_supported
        headers = {}
        if self._secret and "client_secret_basic" in methods:
            headers["authorization"] = _basic(self._settings.oidc_client_id, self._secret)
        else:
            form["client_id"] = self._settings.oidc_client_id
            if self._secret:
                form["client_secret"] = self._secret
        body = await self._call("POST", known.token_endpoint, form=form, headers=headers)
        return _decode(body, _Tokens, "its answer to the code")

    async def _believe(self, known: _Known, token: str, expected: Expected) -> dict[str, Any]:
        """Return the claims of an ID token; a key that is not known is asked for once."""
        now = self._clock.now()
        try:
            keys = await self._load_keys(known)
            try:
                return read_id_token(token, keys, expected, now=now)
            except UnknownKeyError:
                rested = self._keys_at + int(settings.PROVIDER_REST_SECONDS * SECOND)
                if now < rested:
                    raise
                self._keys_at = 0
                keys = await self._load_keys(known)
                return read_id_token(token, keys, expected, now=now)
        except NotBelievedError as error:
            _log.warning("an ID token of %s is not believed: %s", known.issuer, error)
            raise NotAllowedError(
                f"the answer of {self.name} is not believed: {error}; begin again"
            ) from None

    async def _ask_user(self, known: _Known, access_token: str, subject: str) -> dict[str, Any]:
        """Return what the provider tells of somebody besides the ID token (Core 1.0, 5.3)."""
        headers = {"authorization": f"Bearer {access_token}"}
        body = await self._call("GET", known.userinfo_endpoint, headers=headers)
        told = _decode(body, dict[str, Any], "what it tells of people")
        if told.get("sub") != subject:
            raise NotAllowedError(f"{self.name} speaks of somebody else; begin again")
        return told

    # -- what it says of itself

    async def _discover(self) -> _Known:
        now = self._clock.now()
        if self._known is not None and not _is_old(self._known_at, now):
            return self._known
        url = self.issuer.rstrip("/") + CONFIGURATION
        known = _decode(await self._call("GET", url), _Known, "what it says of itself")
        if known.issuer != self.issuer:
            raise OutsideError(
                f"{url} is that of another issuer; KEPT_OIDC_ISSUER must be exactly what it says"
            )
        endpoints = (known.authorization_endpoint, known.token_endpoint, known.jwks_uri)
        optional = (known.userinfo_endpoint, known.end_session_endpoint)
        if not all(map(_is_safe, (*endpoints, *filter(None, optional)))):
            raise OutsideError(f"{url} names an address that is not https")
        self._known, self._known_at = known, now
        return known

    async def _load_keys(self, known: _Known) -> tuple[dict[str, Any], ...]:
        now = self._clock.now()
        if not self._keys_at or _is_old(self._keys_at, now):
            found = _decode(await self._call("GET", known.jwks_uri), _Keys, "its keys")
            self._keys, self._keys_at = found.keys, now
        return self._keys

    async def _call(
        self,
        method: str,
        url: str,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """Return the body of a successful answer."""
        try:
            async with httpx.AsyncClient(
                timeout=settings.PROVIDER_TIMEOUT_SECONDS,
                follow_redirects=False,
                transport=self._transport,
            ) as client:
                answer = await client.request(
                    method,
                    url,
                    data=form,
                    headers={"accept": "application/json", **(headers or {})},
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OutsideError(f"{self.name} does not answer ({type(error).__name__})") from error
        if not answer.is_success or len(answer.content) > _BYTES_MAX:
            # What it says may hold the code or the secret, and so stands nowhere.
            _log.warning("%s answered %d at %s", self.name, answer.status_code, url)
            raise OutsideError(f"{self.name} answered {answer.status_code}; begin again")
        return answer.content


def _is_old(at: int, now: int) -> bool:
    return now - at >= int(settings.PROVIDER_KEYS_SECONDS * SECOND)


def _is_safe(url: str) -> bool:
    """Return whether an address is https, or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _basic(name: str, secret: str) -> str:
    """Return HTTP Basic as OAuth has it: both parts form-encoded first (RFC 6749, 2.3.1)."""
    pair = ":".join(urlencode({"": each})[1:] for each in (name, secret))
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _decode(body: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise OutsideError(f"{what} cannot be read") from None
