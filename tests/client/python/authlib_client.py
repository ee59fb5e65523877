"""A relying party built on Authlib and requests, started by tests/client/run."""

import json
import os
import secrets
import sys
import time
import unittest
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

# Authlib wants https; here everything is on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

if "TESTBED" not in os.environ:
    sys.exit("TESTBED names no file: start these tests with tests/client/run")
with open(os.environ["TESTBED"], encoding="utf-8") as file:
    TESTBED = json.load(file)

REDIRECT_URI = "http://127.0.0.1:49153/callback"
USER = TESTBED["user"]
SECONDS = 10


class Forms(HTMLParser):
    """The first form with a given button: its action and its fields. Enough to press buttons by id."""

    def __init__(self, html):
        super().__init__()
        self.forms = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append({"action": attributes.get("action") or "", "fields": {}, "buttons": {}})
        elif not self.forms:
            return
        elif tag == "button" or attributes.get("type") == "submit":
            self.forms[-1]["buttons"][attributes.get("id")] = attributes
        elif tag == "input" and attributes.get("name"):
            if attributes.get("type") in ("checkbox", "radio") and "checked" not in attributes:
                return
            self.forms[-1]["fields"][attributes["name"]] = attributes.get("value") or ""

    def with_button(self, identifier):
        return next((form for form in self.forms if identifier in form["buttons"]), None)


class Browser:
    """Walks from the authorization endpoint to the redirect URI, and agrees to everything on the way."""

    def __init__(self):
        self.session = requests.Session()

    def agree(self, url):
        """The URL at which the relying party would be called."""
        response = self._follow(url)
        while isinstance(response, requests.Response):
            page = Forms(response.text)
            if form := page.with_button("login-submit"):
                form["fields"].update(username=USER["username"], password=USER["password"])
                button = form["buttons"]["login-submit"]
            elif form := page.with_button("consent-allow"):
                button = form["buttons"]["consent-allow"]
            else:
                raise AssertionError(f"stopped at {response.url} ({response.status_code}): {response.text[:600]}")
            if button.get("name"):
                form["fields"][button["name"]] = button.get("value") or ""
            action = urljoin(response.url, button.get("formaction") or form["action"] or response.url)
            asked, response = response.url, self._follow(action, form["fields"])
            if isinstance(response, requests.Response) and response.url == asked:
                raise AssertionError(f"{asked} was submitted and shows itself again: {response.text[:600]}")
        return response

    def _follow(self, url, fields=None):
        for _ in range(10):
            if url.startswith(REDIRECT_URI):
                return url
            options = {"allow_redirects": False, "timeout": SECONDS, "headers": {"Accept": "text/html"}}
            if fields is None:
                response = self.session.get(url, **options)
            else:
                response = self.session.post(url, data=fields, **options)
            if not response.is_redirect:
                return response
            url, fields = urljoin(url, response.headers["Location"]), None
        raise AssertionError(f"no end of redirects, at last to {url}")


class RelyingParty:
    """What an application keeps: its registration, the provider's metadata and keys."""

    def __init__(self, kind, method):
        client = TESTBED["clients"][kind]
        self.client_id = client["client_id"]
        address = TESTBED["issuer"] + "/.well-known/openid-configuration"
        self.metadata = requests.get(address, timeout=SECONDS).json()
        self.session = OAuth2Session(
            self.client_id,
            client.get("client_secret"),
            scope="openid profile email",
            redirect_uri=REDIRECT_URI,
            token_endpoint_auth_method=method,
            code_challenge_method="S256",
            default_timeout=SECONDS,
        )

    def sign_in(self, **extra):
        """One whole login; answers with the tokens and the nonce that went out."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        url, state = self.session.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **extra
        )
        landed = Browser().agree(url)
        tokens = self.session.fetch_token(
            self.metadata["token_endpoint"], authorization_response=landed, state=state, code_verifier=verifier
        )
        return tokens, nonce

    def refresh(self, refresh_token):
        return self.session.refresh_token(self.metadata["token_endpoint"], refresh_token=refresh_token)

    def own_token(self, scope):
        """A token that the client gets for itself."""
        endpoint = self.metadata["token_endpoint"]
        return self.session.fetch_token(endpoint, grant_type="client_credentials", scope=scope)

    def introspect(self, token):
        response = self.session.introspect_token(self.metadata["introspection_endpoint"], token=token)
        response.raise_for_status()
        return response.json()

    def revoke(self, token, hint=None):
        endpoint = self.metadata["revocation_endpoint"]
        self.session.revoke_token(endpoint, token=token, token_type_hint=hint).raise_for_status()

    def id_token_claims(self, tokens, nonce):
        """The claims, after the signature was checked against the published keys and every claim by its rule."""
        keys = KeySet.import_key_set(requests.get(self.metadata["jwks_uri"], timeout=SECONDS).json())
        token = jwt.decode(
            tokens["id_token"], keys, algorithms=self.metadata["id_token_signing_alg_values_supported"]
        )
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={"iss": {"value": self.metadata["issuer"]}, "aud": {"value": self.client_id}},
            params={"nonce": nonce, "client_id": self.client_id, "access_token": tokens["access_token"]},
        )
        claims.validate(now=int(time.time()), leeway=5)
        return claims

    def userinfo(self):
        response = self.session.get(self.metadata["userinfo_endpoint"])
        response.raise_for_status()
        return response.json()


class AuthlibClient(unittest.TestCase):
    """Names say the behaviour; each test logs in for itself."""

    KINDS = {
        "client_secret_basic": ("confidential", "client_secret_basic"),
        "client_secret_post": ("confidential", "client_secret_post"),
        "none": ("public", "none"),
    }

    def test_discovery_is_json_for_this_issuer(self):
        response = requests.get(TESTBED["issuer"] + "/.well-known/openid-configuration", timeout=SECONDS)
        self.assertEqual(response.headers["Content-Type"].split(";")[0], "application/json")
        self.assertEqual(response.json()["issuer"], TESTBED["issuer"])

    def test_jwks_holds_public_keys_only(self):
        metadata = RelyingParty("public", "none").metadata
        keys = requests.get(metadata["jwks_uri"], timeout=SECONDS).json()["keys"]
        self.assertTrue(keys)
        self.assertEqual(len({key["kid"] for key in keys}), len(keys))
        for key in keys:
            self.assertFalse({"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys())

    def test_code_with_pkce_becomes_a_valid_id_token_and_userinfo(self):
        for name, (kind, method) in self.KINDS.items():
            with self.subTest(name):
                party = RelyingParty(kind, method)
                tokens, nonce = party.sign_in()
                self.assertEqual(tokens["token_type"].lower(), "bearer")
                claims = party.id_token_claims(tokens, nonce)
                userinfo = party.userinfo()
                self.assertEqual(userinfo["sub"], claims["sub"])
                self.assertEqual(userinfo["email"], USER["claims"]["email"])
                self.assertIs(userinfo["email_verified"], USER["claims"]["email_verified"])

    def test_refresh_hands_out_a_new_pair_that_works(self):
        for name, (kind, method) in self.KINDS.items():
            with self.subTest(name):
                party = RelyingParty(kind, method)
                tokens, _ = party.sign_in()
                subject = party.userinfo()["sub"]
                for _ in range(2):
                    renewed = party.refresh(tokens["refresh_token"])
                    self.assertNotEqual(renewed["refresh_token"], tokens["refresh_token"])
                    self.assertNotEqual(renewed["access_token"], tokens["access_token"])
                    self.assertEqual(party.userinfo()["sub"], subject)
                    tokens = renewed

    def test_unknown_refresh_token_is_invalid_grant(self):
        party = RelyingParty("confidential", "client_secret_basic")
        with self.assertRaises(OAuthError) as refusal:
            party.refresh("hpr_" + secrets.token_urlsafe(48))
        self.assertEqual(refusal.exception.error, "invalid_grant")

    def test_code_is_single_use(self):
        party = RelyingParty("confidential", "client_secret_basic")
        verifier = secrets.token_urlsafe(48)
        url, _ = party.session.create_authorization_url(party.metadata["authorization_endpoint"], code_verifier=verifier)
        code = parse_qs(urlsplit(Browser().agree(url)).query)["code"][0]
        endpoint = party.metadata["token_endpoint"]
        party.session.fetch_token(endpoint, code=code, code_verifier=verifier)
        with self.assertRaises(OAuthError) as refusal:
            party.session.fetch_token(endpoint, code=code, code_verifier=verifier)
        self.assertEqual(refusal.exception.error, "invalid_grant")

    def test_a_service_gets_a_token_for_itself_and_takes_it_back(self):
        for method in ("client_secret_basic", "client_secret_post"):
            with self.subTest(method):
                service = RelyingParty("service", method)
                tokens = service.own_token("reports:read")
                self.assertEqual(tokens["scope"], "reports:read")
                self.assertFalse({"refresh_token", "id_token"} & tokens.keys())
                facts = service.introspect(tokens["access_token"])
                self.assertIs(facts["active"], True)
                self.assertEqual(facts["client_id"], service.client_id)
                self.assertNotIn("sub", facts)
                service.revoke(tokens["access_token"], "access_token")
                self.assertEqual(service.introspect(tokens["access_token"]), {"active": False})

    def test_a_service_learns_whose_token_it_was_given_while_it_is_good(self):
        service = RelyingParty("service", "client_secret_basic")
        for name, (kind, method) in self.KINDS.items():
            with self.subTest(name):
                party = RelyingParty(kind, method)
                tokens, nonce = party.sign_in()
                facts = service.introspect(tokens["access_token"])
                self.assertEqual(facts["client_id"], party.client_id)
                self.assertEqual(facts["sub"], party.id_token_claims(tokens, nonce)["sub"])
                self.assertEqual(facts["username"], USER["username"])
                # With the refresh token ends all that came with it.
                party.revoke(tokens["refresh_token"], "refresh_token")
                self.assertEqual(service.introspect(tokens["access_token"]), {"active": False})
                with self.assertRaises(OAuthError) as refusal:
                    party.refresh(tokens["refresh_token"])
                self.assertEqual(refusal.exception.error, "invalid_grant")

    def test_who_may_not_ask_learns_nothing_and_takes_nothing_back(self):
        tokens, _ = RelyingParty("public", "none").sign_in()
        stranger = RelyingParty("confidential", "client_secret_basic")
        self.assertEqual(stranger.introspect(tokens["access_token"]), {"active": False})
        endpoint = stranger.metadata["revocation_endpoint"]
        stranger.session.revoke_token(endpoint, token=tokens["refresh_token"])
        service = RelyingParty("service", "client_secret_basic")
        self.assertIs(service.introspect(tokens["access_token"])["active"], True)

    def test_userinfo_without_a_good_token_is_a_bearer_challenge(self):
        metadata = RelyingParty("public", "none").metadata
        for headers in ({}, {"Authorization": "Bearer hpa_nonsense"}):
            response = requests.get(metadata["userinfo_endpoint"], headers=headers, timeout=SECONDS)
            self.assertEqual(response.status_code, 401)
            self.assertTrue(response.headers["WWW-Authenticate"].startswith("Bearer"))


class Lines(unittest.TextTestResult):
    """One line for each test, in the manner of the other parts of tests/client."""

    def getDescription(self, test):
        return test.id().rpartition(".")[2]


class Runner(unittest.TextTestRunner):
    resultclass = Lines

    def run(self, test):
        result = super().run(test)
        failed = len({case.id().partition(" ")[0] for case, _ in result.failures + result.errors})
        print(f"{result.testsRun - failed} passed, {failed} failed", flush=True)
        return result


if __name__ == "__main__":
    unittest.main(testRunner=Runner, verbosity=2)
