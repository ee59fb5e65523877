// An application whose visitors log in with OpenID Connect: Express and openid-client.

import { randomBytes } from "node:crypto";
import express from "express";
import session from "express-session";
import * as oidc from "openid-client";

const { OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, PORT = "3000" } = process.env;
if (!OIDC_ISSUER || !OIDC_CLIENT_ID || !OIDC_CLIENT_SECRET) {
  console.error("Set OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET: README.md says how.");
  process.exit(1);
}
// Where browsers find this application. It is configured, since anyone can put anything into a Host header.
const BASE_URL = process.env.BASE_URL ?? `http://localhost:${PORT}`;
const REDIRECT_URI = `${BASE_URL}/callback`;
const https = BASE_URL.startsWith("https:");

/** The provider's addresses and keys, fetched when they are first needed, so that either program may start first. */
let configuration;
async function provider() {
  const issuer = new URL(OIDC_ISSUER);
  const options = issuer.protocol === "http:" ? { execute: [oidc.allowInsecureRequests] } : {}; // development only
  return (configuration ??= await oidc.discovery(issuer, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, undefined, options));
}

const app = express();
app.disable("x-powered-by");
if (https) app.set("trust proxy", 1); // the one that speaks TLS
app.use(session({
  name: "express_example", // cookies don't know ports: other applications on localhost see this one too
  secret: process.env.SESSION_SECRET ?? randomBytes(32).toString("base64url"), // sessions live in memory and end with it
  resave: false,
  saveUninitialized: false,
  cookie: { httpOnly: true, sameSite: "lax", secure: https, maxAge: 8 * 60 * 60 * 1000 },
}));

app.get("/", (req, res) => {
  if (req.session.user) return res.redirect("/profile");
  page(res, "Welcome", '<p><a href="/login">Log in</a></p><p><a href="/login?switch">Log in with another account</a></p>');
});

app.get("/login", async (req, res) => {
  const login = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
  const url = oidc.buildAuthorizationUrl(await provider(), {
    redirect_uri: REDIRECT_URI,
    scope: "openid profile email",
    state: login.state,
    nonce: login.nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(login.verifier),
    code_challenge_method: "S256",
    ...("switch" in req.query && { prompt: "select_account" }),
  });
  req.session.login = login;
  res.redirect(url.href);
});

app.get("/callback", async (req, res) => {
  const { login } = req.session;
  if (!login || login.state !== req.query.state) {
    return problem(res, 400, "This log-in has expired, or it was finished already.");
  }
  delete req.session.login; // good for one answer
  const tokens = await oidc.authorizationCodeGrant(await provider(), new URL(req.originalUrl, BASE_URL), {
    pkceCodeVerifier: login.verifier,
    expectedState: login.state,
    expectedNonce: login.nonce,
    idTokenExpected: true,
  });
  await newSession(req); // a session's id from before the log-in must be worth nothing after it
  req.session.user = tokens.claims().sub;
  keep(req, tokens);
  res.redirect("/profile");
});

app.get("/profile", async (req, res) => {
  if (!req.session.user) return res.redirect("/");
  const claims = await oidc.fetchUserInfo(await provider(), await accessToken(req), req.session.user);
  const text = (value) => escape(typeof value === "string" ? value : JSON.stringify(value));
  const rows = Object.entries(claims).map(([name, value]) => `<tr><th>${escape(name)}</th><td>${text(value)}</td></tr>`);
  const until = new Date(req.session.tokens.expires_at).toISOString();
  page(res, claims.name ?? claims.sub, `<p id="email">${escape(claims.email ?? "no e-mail address")}</p>
    <table>${rows.join("")}</table>
    <p>The access token is good until <time datetime="${until}">${until}</time>.</p>
    <form method="post" action="/logout"><button id="logout">Log out</button></form>`);
});

// A POST: the cookie is SameSite=Lax, so no other site can end the session.
app.post("/logout", async (req, res) => {
  await newSession(req);
  res.clearCookie("express_example");
  res.redirect(303, "/");
});

app.use((req, res) => problem(res, 404, "There is nothing here."));

app.use(async (error, req, res, next) => {
  if (res.headersSent) return next(error);
  if (error.error === "access_denied") return problem(res, 403, "You are not logged in: the log-in was cancelled.");
  // The provider no longer takes the refresh token or the access token: time to log in again.
  if (error.error === "invalid_grant" || error instanceof oidc.WWWAuthenticateChallengeError) {
    await newSession(req);
    return problem(res, 401, "Your log-in has ended.");
  }
  console.error(error);
  problem(res, 500, "Something went wrong. It is not your fault.");
});

app.listen(PORT, "localhost", (error) => {
  if (error) throw error;
  console.log(`Open ${BASE_URL}`);
});

/** Keeps what a token response brought. A refresh need not bring a new refresh token (RFC 6749 section 6). */
function keep({ session }, { access_token, refresh_token = session.tokens?.refresh_token, expires_in = 300 }) {
  session.tokens = { access_token, refresh_token, expires_at: Date.now() + expires_in * 1000 };
}

/** An access token that is good for another minute. */
async function accessToken(req) {
  const { refresh_token, expires_at } = req.session.tokens;
  if (refresh_token && expires_at - Date.now() < 60_000) {
    keep(req, await oidc.refreshTokenGrant(await provider(), refresh_token));
  }
  return req.session.tokens.access_token;
}

/** Ends the session with everything in it, and begins another. */
function newSession(req) {
  return new Promise((resolve, reject) => req.session.regenerate((error) => (error ? reject(error) : resolve())));
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(res, title, body) {
  res.set("Content-Security-Policy", "default-src 'none'; img-src data:; form-action 'self'; frame-ancestors 'none'");
  res.set("Cache-Control", "no-store"); // nothing to look at with the back button after the log-out
  res.send(`<!doctype html><html lang="en"><title>${escape(title)}</title><meta name="color-scheme" content="light dark">
    <meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><h1>${escape(title)}</h1>${body}`);
}

function problem(res, status, text) {
  page(res.status(status), text, '<p><a href="/login">Log in</a></p><p><a href="/">To the start</a></p>');
}
