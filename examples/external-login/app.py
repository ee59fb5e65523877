"""A login application in place of hallpass's login page: shows its own form, checks its own passwords, and tells hallpass who it was.

Python's standard library is enough. See README.md beside this file.
"""

import argparse
import hmac
import html
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

# Whoever this application knows, and by what. Yours asks a directory.
PASSWORDS = {"alice": "analytical engine", "bob": "difference engine"}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>Log in</title>
<h1>Log in to {client}</h1>
<p role="alert">{problem}</p>
<form method="post">
<input type="hidden" name="handle" value="{handle}">
<p><label>Name <input id="username" name="username" value="{username}" autocomplete="username"></label>
<p><label>Password <input id="password" name="password" type="password" autocomplete="current-password"></label>
<p><button id="log-in" name="decision" value="log-in">Log in</button> <button id="cancel" name="decision" value="cancel">Cancel</button>
</form>
"""


class Login(BaseHTTPRequestHandler):
    def do_GET(self):
        self.form(parse_qs(urlsplit(self.path).query).get("handle", [""])[0])

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers["content-length"] or 0), 64 * 1024)).decode()
        field = {name: values[0] for name, values in parse_qs(body).items()}
        handle, username = field.get("handle", ""), field.get("username", "")
        if field.get("decision") == "cancel":
            return self.go_back(handle, {"refuse": True})
        right = PASSWORDS.get(username, "")
        # Compared even for nobody, and in a time that says nothing about the password.
        if not hmac.compare_digest(right.encode(), field.get("password", "").encode()) or not right:
            return self.form(handle, username, "This is not right.")
        self.go_back(handle, {"username": username, "auth_time": int(time.time()), "amr": ["pwd"]})

    def form(self, handle: str, username: str = "", problem: str = ""):
        """Asks hallpass who wants the login, and shows it."""
        asked = self.call("GET", handle)
        if asked is None:
            return self.page(400, "<p>This login has taken too long: go back to the application and start again.")
        values = {
            "client": asked["client"]["client_name"],
            "handle": handle,
            "username": username or asked["login_hint"] or "",
            "problem": problem,
        }
        self.page(200, PAGE.format(**{name: html.escape(value) for name, value in values.items()}))

    def go_back(self, handle: str, outcome: dict):
        """Tells hallpass, and sends this browser, and no other, to where the answer says."""
        told = self.call("POST", handle, outcome)
        if told is None:
            return self.page(400, "<p>This didn't work: go back to the application and start again.")
        self.send_response(303)
        self.send_header("location", told["redirect_to"])
        self.send_header("content-length", "0")
        self.end_headers()

    def call(self, method: str, handle: str, body: dict | None = None) -> dict | None:
        address = f"{self.server.issuer}/api/admin/v1/logins/{quote(handle, safe='')}"
        headers = {"authorization": f"Bearer {self.server.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(address, data, headers, method=method), timeout=10) as answer:
                return json.load(answer)
        except HTTPError as error:
            print(f"{method}: {error.code} {error.read().decode()}", flush=True)
            return None

    def page(self, status: int, text: str):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.send_header("referrer-policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--issuer", default="http://localhost:8000")
    arguments.add_argument("--port", type=int, default=9100)
    given = arguments.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Login)
    server.issuer = given.issuer.rstrip("/")
    server.token = os.environ["HALLPASS_ADMIN_TOKEN"]
    print(f"Open http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
