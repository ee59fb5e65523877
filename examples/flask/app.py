"""An application whose visitors log in with OpenID Connect: Flask and Authlib."""

import os
import sys
import time
from datetime import datetime, timedelta, timezone

import requests
from authlib.integrations.flask_client import OAuth, OAuthError
from cachelib import SimpleCache
from flask import Flask, redirect, render_template, request, session
from flask_session import Session
from werkzeug.exceptions import HTTPException

if missing := [name for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET") if not os.environ.get(name)]:
    sys.exit(f"Set {', '.join(missing)}: README.md says how.")
PORT = int(os.environ.get("PORT", "3000"))
# Where browsers find this application. It is configured, since anyone can put anything into a Host header.
BASE_URL = os.environ.get("BASE_URL", f"http://localhost:{PORT}")

app = Flask(__name__)
app.config.update(
    SESSION_TYPE="cachelib",
    SESSION_CACHELIB=SimpleCache(),  # tokens stay on the server: sessions live in memory and end with it
    SESSION_COOKIE_NAME="flask_example",  # cookies don't know ports: other applications on localhost see this one too
    SESSION_COOKIE_SAMESITE="Lax",
    SESSION_COOKIE_SECURE=BASE_URL.startswith("https:"),
    PERMANENT_SESSION_LIFETIME=timedelta(hours=8),
)
Session(app)


def keep_token(token, **_replaced):
    """Authlib calls it when it has refreshed the access token, which it does a minute before the token expires."""
    token.setdefault("expires_at", int(time.time()) + 300)
    session["token"] = {key: token.get(key) for key in ("token_type", "access_token", "refresh_token", "expires_at")}


oauth = OAuth(app)
oidc = oauth.register(
    "oidc",
    client_id=os.environ["OIDC_CLIENT_ID"],
    client_secret=os.environ["OIDC_CLIENT_SECRET"],
    server_metadata_url=os.environ["OIDC_ISSUER"].rstrip("/") + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "default_timeout": 10},
    fetch_token=lambda: session["token"],
    update_token=keep_token,
)


@app.get("/")
def home():
    return redirect("/profile") if "user" in session else render_template("home.html")


@app.get("/login")
def login():
    extra = {"prompt": "select_account"} if "switch" in request.args else {}
    return oidc.authorize_redirect(f"{BASE_URL}/callback", **extra)  # state, nonce and verifier go into the session


@app.get("/callback")
def callback():
    token = oidc.authorize_access_token()  # checks the state and the ID token
    session.clear()
    session["user"] = token["userinfo"]["sub"]
    keep_token(token)
    app.session_interface.regenerate(session)  # a session's id from before the log-in must be worth nothing after it
    return redirect("/profile")


@app.get("/profile")
def profile():
    if "user" not in session:
        return redirect("/")
    claims = oidc.userinfo()
    if claims["sub"] != session["user"]:  # OpenID Connect Core section 5.3.2
        raise ValueError("userinfo speaks of somebody else")
    until = datetime.fromtimestamp(session["token"]["expires_at"], timezone.utc)
    return render_template("profile.html", claims=claims, until=until)


@app.post("/logout")
def logout():
    """A POST: the cookie is SameSite=Lax, so no other site can end the session."""
    session.clear()
    return redirect("/", 303)


@app.errorhandler(OAuthError)
def refused(error):
    if error.error == "access_denied":
        return problem(403, "You are not logged in: the log-in was cancelled.")
    if error.error == "mismatching_state":
        return problem(400, "This log-in has expired, or it was finished already.")
    if error.error in ("invalid_grant", "token_invalid"):  # the refresh token is no longer good
        session.clear()
        return problem(401, "Your log-in has ended.")
    return failed(error)


@app.errorhandler(requests.HTTPError)
def refused_by_status(error):
    if error.response.status_code == 401:  # neither is the access token
        session.clear()
        return problem(401, "Your log-in has ended.")
    return failed(error)


@app.errorhandler(HTTPException)
def not_served(error):
    return problem(error.code, error.name)


@app.errorhandler(Exception)
def failed(error):
    app.logger.error("%s %s", request.method, request.path, exc_info=error)
    return problem(500, "Something went wrong. It is not your fault.")


def problem(status, text):
    return render_template("problem.html", text=text), status


@app.after_request
def protect(response):
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; img-src data:; form-action 'self'; frame-ancestors 'none'"
    )
    response.headers["Cache-Control"] = "no-store"  # nothing to look at with the back button after the log-out
    return response


if __name__ == "__main__":
    print(f"Open {BASE_URL}", flush=True)
    app.run("localhost", PORT)
