"""A program on somebody's own machine that logs them in through their browser (RFC 8252): Python, and nothing else."""

import argparse
import base64
import hashlib
import json
import queue
import secrets
import sys
import threading
import time
import webbrowser
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

PATIENCE = 300  # seconds that a person has for logging in


class Refused(Exception):
    """Why there is no log-in, in words for the person who waits for it."""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--issuer", default="http://localhost:8000", help="the provider (%(default)s)")
    options.add_argument("--client-id", default="dev-spa", help="what it knows this program by (%(default)s)")
    options.add_argument("--no-browser", action="store_true", help="print the address, and let somebody else open it")
    options = options.parse_args()

    provider = fetch(options.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if provider["issuer"] != options.issuer:
        raise Refused(f"This is not {options.issuer} but {provider['issuer']}.")
    tokens, claims = log_in(provider, options.client_id, show if options.no_browser else browse)
    print(f"You are {claims.get('name', claims['sub'])}.")
    print(json.dumps(claims, indent=2, ensure_ascii=False))

    # An access token lives for an hour or so. The refresh token brings the next one, and its own successor: keep that, where
    # the system keeps passwords, if the next start of the program should not ask again.
    if "refresh_token" in tokens:
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": options.client_id}
        tokens |= fetch(provider["token_endpoint"], form)
        print(f"Refreshed: the access token is good for another {tokens['expires_in']} seconds.")


def log_in(provider, client_id, visit):
    """Sends the user to the provider; answers with the tokens, and with what the provider says about them."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with listening(state) as (redirect_uri, answers):
        visit(provider["authorization_endpoint"] + "?" + urlencode({
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }))
        try:
            answer = answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise Refused("Nobody logged in.") from None

    # From another provider than the one asked, the answer must not be used (RFC 9207 section 2.4).
    if answer.get("iss") != provider["issuer"]:
        raise Refused("The answer is not the provider's.")
    if "error" in answer:
        raise Refused(answer.get("error_description", answer["error"]))
    tokens = fetch(provider["token_endpoint"], {
        "grant_type": "authorization_code",
        "code": answer.get("code", ""),
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "code_verifier": verifier,
    })

    # OpenID Connect Core section 3.1.3.7. It came from the token endpoint and through nobody's hands, so TLS has proven whose it
    # is (number 6 there); http is for a provider on this machine.
    id_token = json.loads(base64.urlsafe_b64decode(tokens["id_token"].split(".")[1] + "=="))
    audience = id_token["aud"] if isinstance(id_token["aud"], list) else [id_token["aud"]]
    if id_token["iss"] != provider["issuer"] or audience != [client_id] or id_token.get("nonce") != nonce:
        raise Refused("The ID token is for somebody else.")
    if id_token["exp"] <= time.time():
        raise Refused("The ID token has expired. Is this machine's clock right?")

    claims = fetch(provider["userinfo_endpoint"], bearer=tokens["access_token"])
    if claims["sub"] != id_token["sub"]:
        raise Refused("userinfo speaks of somebody else.")
    return tokens, claims


@contextmanager
def listening(state):
    """A server on a free port of this machine that waits for the answer with this state; its address, and where answers go."""
    answers = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self):
            url = urlsplit(self.path)
            answer = dict(parse_qsl(url.query))
            if url.path != "/callback" or answer.get("state") != state:
                return self.say(404, "There is nothing here.")  # a stranger's guess must not end the log-in
            self.say(200, "Thank you. You can close this window and go back to the program.")
            answers.put(answer)

        def say(self, status, text):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            page = f'<!doctype html><html lang="en"><title>{text}</title><link rel="icon" href="data:,"><h1>{text}</h1>'
            self.wfile.write(page.encode())

        def log_message(self, *_):
            """Nothing: the address has the code in it."""

    # Nobody but this machine reaches it, and the system chooses the port (RFC 8252 section 7.3). It has threads since browsers
    # open connections that they may not use.
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/callback", answers
        finally:
            server.shutdown()


def browse(url):
    if not webbrowser.open(url):
        show(url)


def show(url):
    print(f"Open this in a browser on this machine:\n{url}", flush=True)


def fetch(url, form=None, bearer=None):
    """The JSON at an address; with a form, the answer to it."""
    request = Request(url, form and urlencode(form).encode(), {"Accept": "application/json"})
    if bearer:
        request.add_header("Authorization", f"Bearer {bearer}")
    try:
        with urlopen(request, timeout=30) as response:
            return json.load(response)
    except HTTPError as error:
        body = json.load(error) if "json" in error.headers.get("Content-Type", "") else {}
        raise Refused(body.get("error_description") or body.get("error") or f"{url} answers {error.code}.") from None
    except URLError as error:
        raise Refused(f"{url} can't be reached: {error.reason}.") from None


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        sys.exit(f"Not logged in. {refusal}")
    except KeyboardInterrupt:
        sys.exit("\nNot logged in.")
