// The script of the session management frame, without a browser: its SHA-256, and whom it answers.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const script = readFileSync(new URL("../../../templates/asset/check_session.js", import.meta.url), "utf8");

const STATE = "4bMd0fJ0JXUgbb1sVcMpB6o0vEoCHWoYgJzK2lZl2QE";
// The same as in src/protocol/session_state.rs.
const VECTOR = "14243a3eff42749a835e04ee8661209982c8790ad1ba4d14f0a693f8e294b350.c2FsdHNhbHRzYWx0c2FsdA";

// The frame in a page, beside another frame. By default it knows what Chromium tells it of the page.
function frame({ location = { ancestorOrigins: ["https://app.example"] }, referrer = "" } = {}) {
  const cookie = `other=1; state=${STATE}; state2=x`;
  const listeners = [];
  const page = { said: [], postMessage: (message, origin) => page.said.push([message, origin]) };
  page.parent = page;
  const beside = { said: [], postMessage: (message, origin) => beside.said.push([message, origin]), parent: page };
  const window = { parent: page, location, addEventListener: (_, listener) => listeners.push(listener) };
  const currentScript = { getAttribute: (name) => (name === "data-cookie" ? "state" : null) };
  const document = { cookie, referrer, currentScript };
  vm.runInNewContext(script, { window, document, URL });
  const ask = (data, origin = "https://app.example", source = page) => {
    for (const listener of listeners) listener({ data, origin, source });
    return source?.said?.splice(0) ?? [];
  };
  return { ask, page, beside, document, window };
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const sessionState = (client, origin, state, salt) => `${sha256([client, origin, state, salt].join(" "))}.${salt}`;

test("session_management_2 the vector that the provider's own tests have", () => {
  const { ask } = frame();
  assert.deepEqual(ask(`web ${VECTOR}`), [["unchanged", "https://app.example"]]);
  assert.deepEqual(ask(`web ${VECTOR}`, "https://app.example:8443"), [["changed", "https://app.example:8443"]]);
  assert.deepEqual(ask(`wep ${VECTOR}`), [["changed", "https://app.example"]]);
});

test("fips_180_4 texts of every length hash right", () => {
  const { ask } = frame();
  for (let length = 1; length <= 300; length++) {
    const salt = "s".repeat(length);
    const asked = `client ${sessionState("client", "http://localhost:3000", STATE, salt)}`;
    assert.deepEqual(ask(asked, "http://localhost:3000"), [["unchanged", "http://localhost:3000"]], `${length}`);
  }
  for (const salt of ["é✓", "\u{1f600}"]) {
    const asked = `client ${sessionState("client", "https://a.example", STATE, salt)}`;
    assert.deepEqual(ask(asked, "https://a.example"), [["unchanged", "https://a.example"]], salt);
  }
});

test("session_management_3_2 the cookie is read anew for each message", () => {
  const { ask, document } = frame();
  const asked = `web ${VECTOR}`;
  assert.deepEqual(ask(asked), [["unchanged", "https://app.example"]]);
  document.cookie = "state=another";
  assert.deepEqual(ask(asked), [["changed", "https://app.example"]]);
  for (const none of ["", "other=1", "state=", `xstate=${STATE}`]) {
    document.cookie = none;
    assert.deepEqual(ask(asked), [["error", "https://app.example"]], none);
  }
});

test("session_management_3_2 what can't be understood is an error", () => {
  const { ask } = frame();
  for (const message of ["", " ", "web", "web ", "web nodot", "web a.b.c", "a b c.d", `web  ${VECTOR}`, ` ${VECTOR}`]) {
    assert.deepEqual(ask(message), [["error", "https://app.example"]], JSON.stringify(message));
  }
});

test("session_management_3_2 answers and things that are no text are ignored", () => {
  const { ask } = frame();
  for (const message of ["error", "changed", "unchanged", null, undefined, 1, {}, [`web ${VECTOR}`]]) {
    assert.deepEqual(ask(message), [], String(message));
  }
});

test("session_management_3_1 only the page around and its frames are answered, at an origin", () => {
  const { ask, page, beside, window } = frame();
  const asked = `web ${VECTOR}`;
  assert.deepEqual(ask(asked, "https://app.example", beside), [["unchanged", "https://app.example"]]);
  const stranger = { said: [], postMessage: (...said) => stranger.said.push(said) };
  stranger.parent = stranger;
  assert.deepEqual(ask(asked, "https://app.example", stranger), []);
  assert.deepEqual(ask(asked, "null"), []);
  assert.deepEqual(ask(asked, "https://app.example", null), []);
  assert.deepEqual(page.said, []);
  // Opened by itself it is its own parent.
  window.parent = window;
  window.said = [];
  window.postMessage = (...said) => window.said.push(said);
  assert.deepEqual(ask(asked, "https://app.example", window), []);
});

// What a frame knows of the page around it, by browser and by that page's Referrer-Policy.
const KNOWN = [
  { location: { ancestorOrigins: ["https://app.example", "https://portal.example"] }, referrer: "" },
  { location: { ancestorOrigins: ["https://app.example"] }, referrer: "https://evil.example/" },
  // strict-origin-when-cross-origin, which is the default, and unsafe-url.
  { location: {}, referrer: "https://app.example/" },
  { location: {}, referrer: "https://app.example:443/page?query#" },
];

test("session_management_3_2 frames of the page are answered when they have its origin", () => {
  for (const known of KNOWN) {
    const { ask, beside } = frame(known);
    const asked = `web ${VECTOR}`;
    assert.deepEqual(ask(asked, "https://app.example", beside), [["unchanged", "https://app.example"]]);
    for (const other of ["https://evil.example", "http://app.example", "https://app.example:8443", "https://portal.example"]) {
      const own = `web ${sessionState("web", other, STATE, "salt")}`;
      assert.deepEqual(ask(own, other, beside), [], `${other} ${JSON.stringify(known)}`);
      assert.deepEqual(ask("nonsense", other, beside), [], other);
    }
  }
});

test("session_management_3_2 where nothing tells the origin of the page only the page itself is answered", () => {
  const asked = `web ${VECTOR}`;
  const unknown = [{ location: {} }, { location: { ancestorOrigins: ["null"] } }, { location: { ancestorOrigins: [] } }];
  for (const known of unknown) {
    const { ask, beside } = frame(known);
    assert.deepEqual(ask(asked, "https://app.example", beside), [], JSON.stringify(known));
    assert.deepEqual(ask(asked, "null", beside), [], JSON.stringify(known));
    assert.deepEqual(ask(asked), [["unchanged", "https://app.example"]], JSON.stringify(known));
  }
});
