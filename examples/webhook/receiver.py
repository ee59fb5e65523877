"""A receiver of hallpass's webhooks: knows by the signature who calls, and says who may go on and what their ID token has in it.

Python's standard library is enough. See README.md beside this file.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 5 * 60  # seconds that a message may be old, or our clock wrong
MAX_MESSAGE = 1024 * 1024


def is_signed(secret: str, headers, body: bytes) -> bool:
    """Standard Webhooks: whether the message comes from whoever shares the secret, and just now."""
    try:
        sent = int(headers["webhook-timestamp"])
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{sent}.".encode() + body
    except (KeyError, TypeError, ValueError):
        return False
    right = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    signatures = (headers["webhook-signature"] or "").split()
    return abs(time.time() - sent) <= TOLERANCE and any(hmac.compare_digest(right, one) for one in signatures)


def answer(kind: str, data: dict, denied: set) -> dict | None:
    """What to say to a message; None to say nothing, which means go on."""
    if kind == "after_login" and data["user"]["username"] in denied:
        return {"action": "deny", "message": "Your account has no access to this application. Ask the help desk."}
    if kind == "id_token":
        return {"claims": {**data["claims"], "department": "engines"}}
    return None


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # which keeps the connection for the next message

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers["content-length"] or 0), MAX_MESSAGE))
        if not is_signed(self.server.secret, self.headers, body):
            return self.reply(401, None)
        message = json.loads(body)
        print(message["type"], message["id"], flush=True)
        said = answer(message["type"], message["data"], self.server.denied)
        self.reply(204 if said is None else 200, said)

    def reply(self, status: int, said: dict | None):
        body = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        if body:
            self.send_header("content-type", "application/json")
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=9000)
    arguments.add_argument("--deny", action="append", default=[], metavar="USERNAME", help="turn this user away")
    given = arguments.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Receiver)
    server.secret = os.environ["HALLPASS_HOOK_SECRET"]
    server.denied = set(given.deny)
    print(f"Receiving at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
