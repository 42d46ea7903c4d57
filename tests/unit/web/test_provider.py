"""An identity provider is believed only where every check holds: each is broken here, one by one."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kept.clock import VirtualClock
from kept.core.oidc import AGE_MAX, SKEW
from kept.core.values import SECOND
from kept.errors import NotAllowedError, OutsideError, SettingsError
from kept.settings import PROVIDER_REST_SECONDS, SIGN_IN_SECONDS, StaffSettings
from kept.web.provider import Provider, SignedIn

NOW = 1_767_225_600_000_000
ISSUER = "https://id.example"
CLIENT = "kept"
REDIRECT = "https://kept.example/sign-in/provider/back"
COOKIE = "what the browser's cookie holds"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return a key of the provider, made once."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """Return a key of another kind."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(name: str) -> dict[str, Any]:
    """Return the public side of a key as the provider shows it."""
    shown = RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return {**shown, "kid": name, "use": "sig", "alg": "RS256"}


class FakeProvider:
    """What stands at the other end of the wire: answers as a provider does, or as one should not."""

    def __init__(self) -> None:
        """Begin with one key and a user."""
        self.keys = [jwk("one")]
        self.claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": "user-7",
            "email": "Ana@Harbour.example",
            "groups": ["cx", "everybody"],
            "exp": NOW // SECOND + 300,
            "iat": NOW // SECOND,
        }
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode(
            claims, rsa_key("one"), algorithm="RS256", headers={"kid": "one"}
        )
        self.configuration: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/me",
            "end_session_endpoint": f"{ISSUER}/leave",
        }
        self.user: dict[str, Any] = {}
        self.nonce = ""
        self.challenge = ""
        self.asked: list[str] = []
        self.is_down = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.path
        self.asked.append(path)
        if self.is_down:
            raise httpx.ConnectError("no route")
        if path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.configuration)
        if path == "/keys":
            return httpx.Response(200, json={"keys": self.keys})
        if path == "/me":
            assert request.headers["authorization"] == "Bearer access"
            return httpx.Response(200, json=self.user)
        form = dict(parse_qsl(request.content.decode()))
        verifier = sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() == self.challenge
        assert form["redirect_uri"] == REDIRECT
        assert base64.b64decode(request.headers["authorization"][6:]) == b"kept:s%3Acret"
        if form["code"] != "right":
            return httpx.Response(400, json={"error": "invalid_grant"})
        claims = {"nonce": self.nonce} | self.claims
        return httpx.Response(200, json={"id_token": self.sign(claims), "access_token": "access"})


class World:
    """A provider, Kept's side of it, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set both up."""
        monkeypatch.setenv("THE_SECRET", "s:cret")
        self.clock = VirtualClock(NOW)
        self.fake = FakeProvider()
        self.provider = Provider(
            StaffSettings(
                oidc_issuer=ISSUER,
                oidc_client_id=CLIENT,
                oidc_client_secret="env:THE_SECRET",
                oidc_roles="cx=supervisor; owners=policy_owner;cn=a,ou=b=admin",
            ),
            clock=self.clock,
            transport=httpx.MockTransport(self.fake.answer),
        )

    def begin(self) -> str:
        """Send somebody to the provider; return the state."""
        url = asyncio.run(self.provider.begin(browser=COOKIE, redirect_uri=REDIRECT))
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{ISSUER}/authorize?")
        assert asked["code_challenge_method"] == "S256"
        assert asked["response_type"] == "code"
        self.fake.nonce, self.fake.challenge = asked["nonce"], asked["code_challenge"]
        return asked["state"]

    def finish(self, state: str, **changes: str) -> SignedIn:
        """Come back from it."""
        given = {"browser": COOKIE, "state": state, "code": "right", "error": "", "issuer": ""}
        return asyncio.run(self.provider.finish(**(given | changes)))

    def sign_in(self) -> SignedIn:
        """Go there and back."""
        return self.finish(self.begin())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A provider that works."""
    return World(monkeypatch)


def test_whoever_the_provider_vouches_for_has_the_roles_that_the_mapping_says(
    world: World,
) -> None:
    """Found by `sub`, called by the address; what the mapping does not know means nothing."""
    signed_in = world.sign_in()
    assert signed_in.person.subject == "user-7"
    assert signed_in.person.name == "ana@harbour.example"
    assert signed_in.roles == ("supervisor",)
    world.fake.claims["groups"] = ["everybody"]
    assert world.sign_in().roles == ()
    world.fake.claims["groups"] = "cn=a,ou=b"
    assert world.sign_in().roles == ("admin",)
    for odd in ({"cx": True}, 7, None, [["cx"], None]):
        world.fake.claims["groups"] = odd
        assert world.sign_in().roles == ()


BROKEN: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://id.example.evil"},
    "another audience": {"aud": "another"},
    "an audience among others, and not for us": {"aud": ["another", CLIENT], "azp": "another"},
    "several audiences without saying for whom": {"aud": ["another", CLIENT]},
    "no audience": {"aud": None},
    "over": {"exp": (NOW - SKEW) // SECOND},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "later"},
    "an endless end": {"exp": 1e300},
    "from the future": {"iat": (NOW + 2 * SKEW) // SECOND},
    "not yet": {"nbf": (NOW + 2 * SKEW) // SECOND},
    "old": {"iat": (NOW - AGE_MAX) // SECOND - 1},
    "another question": {"nonce": "another"},
    "no question": {"nonce": None},
    "nobody": {"sub": ""},
    "a subject that is no text": {"sub": 7},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_claim_that_is_not_as_it_must_be_lets_nobody_in(world: World, name: str) -> None:
    """One at a time; everything else is right, the signature included."""
    world.fake.claims |= BROKEN[name]
    with pytest.raises(NotAllowedError, match="not believed"):
        world.sign_in()


def test_clocks_may_differ_a_little(world: World) -> None:
    """A minute either way."""
    world.fake.claims |= {
        "exp": (NOW - SKEW) // SECOND + 1, "iat": (NOW + SKEW) // SECOND,
    }  # fmt: skip
    assert world.sign_in().roles


def part(value: Any) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    """Return a token that says it needs no signature."""
    return f"{part({'alg': algorithm, 'kid': 'one'})}.{part(claims)}."


def confused(claims: dict[str, Any]) -> str:
    """Return a token signed by HMAC with the public key, which everybody knows."""
    head = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
    public = json.dumps(jwk("one")).encode()
    signature = hmac.digest(public, head.encode(), sha256)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def by_another(claims: dict[str, Any]) -> str:
    """Return a token that another key signed under the name of the provider's."""
    return jwt.encode(claims, rsa_key("evil"), algorithm="RS256", headers={"kid": "one"})


def carries_its_key(claims: dict[str, Any]) -> str:
    """Return a token that brings the key along by which it wants to be believed."""
    headers = {"kid": "one", "jwk": jwk("evil"), "jku": "https://evil.example/keys"}
    return jwt.encode(claims, rsa_key("evil"), algorithm="RS256", headers=headers)


def changed(claims: dict[str, Any]) -> str:
    """Return a token whose claims were changed after it was signed."""
    head, _, signature = jwt.encode(
        claims, rsa_key("one"), algorithm="RS256", headers={"kid": "one"}
    ).split(".")
    return f"{head}.{part(claims | {'groups': ['owners']})}.{signature}"


def of_another_kind(claims: dict[str, Any]) -> str:
    """Return a token signed by a key of another kind than the one it names."""
    return jwt.encode(claims, ec_key(), algorithm="ES256", headers={"kid": "one"})


def critical(claims: dict[str, Any]) -> str:
    """Return a token that must not be read by whoever does not know an extension."""
    headers = {"kid": "one", "crit": ["x"], "x": 1}
    return jwt.encode(claims, rsa_key("one"), algorithm="RS256", headers=headers)


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        lambda claims: unsigned(claims, "None"),
        confused,
        by_another,
        carries_its_key,
        changed,
        of_another_kind,
        critical,
        lambda claims: "",
        lambda claims: "a.b",
        lambda claims: "x" * 70_000,
    ],
)
def test_a_token_that_the_providers_key_did_not_sign_lets_nobody_in(
    world: World, sign: Callable[[dict[str, Any]], str]
) -> None:
    """Unsigned, confused, forged, changed, or no token at all."""
    world.fake.sign = sign
    with pytest.raises(NotAllowedError, match="not believed"):
        world.sign_in()


def test_a_weak_key_is_no_key(world: World) -> None:
    """A thousand bits can be factored by those who want to."""
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505 - weak on purpose
    world.fake.keys = [{**RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True), "kid": "weak"}]
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = jwt.encode({"x": 1}, weak, algorithm="RS256", headers={"kid": "weak"})
    world.fake.sign = lambda claims: token
    with pytest.raises(NotAllowedError, match="not believed"):
        world.sign_in()


def test_a_key_of_another_kind_is_believed_if_it_is_the_providers(world: World) -> None:
    """Elliptic curves are as good."""
    shown = ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True)
    world.fake.keys.append({**shown, "kid": "curve", "use": "sig"})
    world.fake.sign = lambda claims: jwt.encode(
        claims, ec_key(), algorithm="ES256", headers={"kid": "curve"}
    )
    assert world.sign_in().roles


def test_a_new_key_of_the_provider_is_fetched_when_it_is_first_named(world: World) -> None:
    """And a key that does not exist makes nobody ask more than every half minute."""
    world.sign_in()
    world.clock.advance(int(PROVIDER_REST_SECONDS * SECOND))
    world.fake.keys = [jwk("two")]
    world.fake.sign = lambda claims: jwt.encode(
        claims, rsa_key("two"), algorithm="RS256", headers={"kid": "two"}
    )
    assert world.sign_in().roles
    asked = world.fake.asked.count("/keys")
    assert asked == 2
    world.fake.sign = lambda claims: jwt.encode(
        claims, rsa_key("two"), algorithm="RS256", headers={"kid": "three"}
    )
    world.clock.advance(SECOND)
    for _ in range(5):
        with pytest.raises(NotAllowedError):
            world.sign_in()
    assert world.fake.asked.count("/keys") == asked


def test_an_answer_is_good_once(world: World) -> None:
    """A replayed state, one that nobody asked for, one that took too long."""
    state = world.begin()
    assert world.finish(state).roles
    for wrong in (state, "never asked", ""):
        with pytest.raises(NotAllowedError, match="begin again"):
            world.finish(wrong)
    late = world.begin()
    world.clock.advance(int(SIGN_IN_SECONDS * SECOND))
    with pytest.raises(NotAllowedError, match="too long"):
        world.finish(late)


@pytest.mark.parametrize("browser", ["", "another browser"])
def test_an_answer_in_another_browser_lets_nobody_in(world: World, browser: str) -> None:
    """Else somebody could be signed in by a link as somebody else."""
    with pytest.raises(NotAllowedError, match="another browser"):
        world.finish(world.begin(), browser=browser)


def test_an_answer_of_another_provider_is_refused(world: World) -> None:
    """RFC 9207: who answers is who was asked."""
    with pytest.raises(NotAllowedError, match="another identity provider"):
        world.finish(world.begin(), issuer="https://evil.example")
    assert world.finish(world.begin(), issuer=ISSUER).roles
    world.fake.configuration["authorization_response_iss_parameter_supported"] = True
    world.clock.advance(10**12)
    world.fake.claims |= {
        "exp": world.clock.now() // SECOND + 9,
        "iat": world.clock.now() // SECOND,
    }
    with pytest.raises(NotAllowedError, match="another identity provider"):
        world.finish(world.begin())


def test_a_refusal_and_a_wrong_code_let_nobody_in(world: World) -> None:
    """The first is the person's word, the second the provider's."""
    with pytest.raises(NotAllowedError, match="did not let you in"):
        world.finish(world.begin(), code="", error="access_denied")
    with pytest.raises(OutsideError, match="400"):
        world.finish(world.begin(), code="wrong")


def test_a_provider_that_is_down_is_said_to_be(world: World) -> None:
    """And asked again the next time."""
    world.fake.is_down = True
    with pytest.raises(OutsideError, match="does not answer"):
        world.begin()
    world.fake.is_down = False
    assert world.sign_in().roles


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
def test_a_provider_that_speaks_of_another_or_in_the_clear_is_not_used(
    world: World, changes: dict[str, Any]
) -> None:
    """Its issuer is exactly ours, its endpoints are https."""
    world.fake.configuration |= changes
    with pytest.raises(OutsideError):
        world.begin()


def test_what_the_token_does_not_say_is_asked_for(world: World) -> None:
    """And must be about the same person."""
    del world.fake.claims["groups"]
    world.fake.user = {"sub": "user-7", "groups": ["owners"], "email": "other@harbour.example"}
    signed_in = world.sign_in()
    assert signed_in.roles == ("policy_owner",)
    assert signed_in.person.name == "ana@harbour.example"
    world.fake.user["sub"] = "user-8"
    with pytest.raises(NotAllowedError, match="somebody else"):
        world.sign_in()


def test_leaving_there_is_possible_where_there_is_a_place_for_it(world: World) -> None:
    """And a provider that is down keeps nobody signed in here."""
    assert asyncio.run(world.provider.leave_url()) == f"{ISSUER}/leave?client_id={CLIENT}"
    assert asyncio.run(Provider(StaffSettings(), clock=world.clock).leave_url()) == ""
    world.clock.advance(10**12)
    world.fake.is_down = True
    assert asyncio.run(world.provider.leave_url()) == ""


def test_all_that_is_wrong_with_the_settings_is_said_at_once() -> None:
    """With the names of the variables."""
    wrong = StaffSettings(
        oidc_issuer="http://id.example",
        oidc_client_secret="env:NOT_THERE_AT_ALL",
        oidc_scopes="email",
        oidc_roles="cx",
    )
    with pytest.raises(SettingsError) as caught:
        Provider(wrong, clock=VirtualClock(NOW))
    for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPES", "ROLES"):
        assert f"KEPT_OIDC_{name}" in str(caught.value)
    with pytest.raises(SettingsError, match="nobody would have access"):
        Provider(StaffSettings(oidc_issuer=ISSUER, oidc_client_id=CLIENT), clock=VirtualClock(NOW))
