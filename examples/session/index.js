// A relying party in the browser: logs in with the authorization code flow and PKCE, then has rp-iframe.html ask the
// provider's frame every few seconds whether the login state is still the same (OpenID Connect Session Management 1.0).
(function () {
  "use strict";

  const here = location.origin + location.pathname;
  const beside = new URL("rp-iframe.html", here).href;
  const element = (id) => document.getElementById(id);
  const sent = new URLSearchParams(location.search);

  // `?issuer=…&client_id=…` chooses another provider, for as long as the tab is open.
  const setting = (name, fallback) => {
    if (sent.has(name)) sessionStorage.setItem(name, sent.get(name));
    return sessionStorage.getItem(name) ?? fallback;
  };
  const issuer = setting("issuer", "http://localhost:8000");
  const clientId = setting("client_id", "dev-spa");

  const stored = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null");
  const store = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));

  const base64url = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

  let metadata;

  /** The address of an authorization request, and what its answer has to be held against. */
  async function authorization(redirectUri, more) {
    const attempt = { state: random(), nonce: random(), verifier: random() };
    const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(attempt.verifier)));
    const url = new URL(metadata.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: "openid",
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: challenge,
      code_challenge_method: "S256",
      ...more,
    });
    return { url: url.href, attempt };
  }

  async function logIn() {
    const { url, attempt } = await authorization(here, {});
    store("attempt", attempt);
    location.assign(url);
  }

  /** Takes the answer of the login: its code becomes an ID token. */
  async function finish() {
    const attempt = stored("attempt");
    sessionStorage.removeItem("attempt");
    if (!attempt || sent.get("state") !== attempt.state || sent.get("iss") !== issuer) {
      throw new Error("an answer to another login");
    }
    if (sent.has("error")) throw new Error(sent.get("error_description") ?? sent.get("error"));
    const response = await fetch(metadata.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code: sent.get("code"),
        redirect_uri: here,
        client_id: clientId,
        code_verifier: attempt.verifier,
      }),
    });
    const tokens = await response.json();
    if (!response.ok) throw new Error(tokens.error_description ?? tokens.error);
    // It came from the provider itself, so its signature needn't be looked at (OpenID Connect Core 1.0 section 3.1.3.7).
    const payload = tokens.id_token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (char) => char.charCodeAt(0))));
    if (claims.iss !== issuer || claims.aud !== clientId || claims.nonce !== attempt.nonce) {
      throw new Error("an ID token of another login");
    }
    store("login", { idToken: tokens.id_token, subject: claims.sub, sessionState: sent.get("session_state") });
  }

  function logOut() {
    const login = stored("login");
    sessionStorage.removeItem("login");
    const url = new URL(metadata.end_session_endpoint);
    url.search = new URLSearchParams({ id_token_hint: login.idToken, post_logout_redirect_uri: here });
    location.assign(url.href);
  }

  function show(status, problem = "") {
    const login = stored("login");
    element("status").textContent = status;
    element("problem").textContent = problem;
    element("login").hidden = Boolean(login);
    element("logout").hidden = !login;
    element("login-state").hidden = !login;
    element("subject").textContent = login?.subject ?? "";
    element("session-state").textContent = login?.sessionState ?? "none";
  }

  /** Opens a hidden frame, in place of one of the same name. */
  function open(name, address) {
    document.getElementsByName(name).forEach((old) => old.remove());
    const frame = document.createElement("iframe");
    frame.name = name;
    frame.src = address;
    element("frames").append(frame);
    return frame;
  }

  function close() {
    element("frames").replaceChildren();
  }

  /** Has our frame ask the provider's, once that is there. */
  function watch() {
    const { sessionState } = stored("login");
    if (!metadata.check_session_iframe || !sessionState) {
      show("signed in", "The provider does not offer session management.");
      return;
    }
    const about = new URLSearchParams({
      client_id: clientId,
      session_state: sessionState,
      origin: new URL(metadata.check_session_iframe).origin,
    });
    open("op", metadata.check_session_iframe).onload = () => open("rp", `${beside}#${about}`);
  }

  let silent;

  /** The login state has changed: asks without a page whether it is still the same user (section 3.1). */
  async function askAgain() {
    const { url, attempt } = await authorization(beside, { prompt: "none", id_token_hint: stored("login").idToken });
    silent = attempt.state;
    open("silent", url);
  }

  function answered(answer) {
    if (answer.state !== silent || answer.iss !== issuer) return;
    if (answer.session_state) {
      store("login", { ...stored("login"), sessionState: answer.session_state });
      show("signed in");
      watch();
      return;
    }
    close();
    sessionStorage.removeItem("login");
    show("signed out elsewhere", answer.error === "login_required" ? "" : answer.error);
  }

  window.addEventListener("message", (event) => {
    if (event.origin !== location.origin || !stored("login")) return;
    if (event.data.authorization) answered(event.data.authorization);
    if (event.data.session) element("answer").textContent = event.data.session;
    if (event.data.session === "changed") askAgain();
    if (event.data.session === "error") {
      close();
      show("signed in", "The provider's frame sees no cookie here: this browser hides it from frames of other sites.");
    }
  });

  async function begin() {
    element("login").addEventListener("click", logIn);
    element("logout").addEventListener("click", logOut);
    const response = await fetch(`${issuer}/.well-known/openid-configuration`);
    metadata = await response.json();
    if (sent.has("code") || sent.has("error")) await finish();
    if (location.search) history.replaceState(null, "", here);
    if (!stored("login")) {
      show("signed out");
      return;
    }
    show("signed in");
    watch();
  }

  begin().catch((error) => show("signed out", error.message));
})();
