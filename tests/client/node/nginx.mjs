// examples/nginx as it stands there, but for the ports: Debian's nginx, a provider that answers its questions, and an
// application that says what reaches it. Then everything that a client could try to be let through.

import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import { connect } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { develop, freePort, start } from "./program.mjs";

const EXAMPLE = fileURLToPath(new URL("../../../examples/nginx/", import.meta.url));
const slow = { timeout: 60_000 };

let directory, provider, nginx, application;
let port;
/** What reached the application, and its headers. */
let reached = [];
const tokens = {};

before(async () => {
  directory = mkdtempSync(`${tmpdir()}/hallpass-nginx-`);
  chmodSync(directory, 0o755); // its workers are somebody else
  application = createServer((request, response) => {
    reached.push({ method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders });
    response.end("the application\n");
  }).listen(0, "127.0.0.1");
  await once(application, "listening");
  const environment = { HALLPASS_FORWARD_AUTH__ENABLED: "true", HALLPASS_HTTP__TRUSTED_PROXIES: "127.0.0.1" };
  writeFileSync(`${directory}/clients.toml`, CLIENTS);
  provider = await develop(["--port", "0", "--apply", `${directory}/clients.toml`], environment);
  port = await freePort();
  const ports = { 8080: port, 8000: new URL(provider.issuer).port, 3000: application.address().port };
  for (const name of readdirSync(EXAMPLE)) {
    copyFileSync(EXAMPLE + name, `${directory}/${name}`);
    const text = readFileSync(EXAMPLE + name, "utf8");
    writeFileSync(`${directory}/${name}`, text.replace(/(?<=127\.0\.0\.1:)(8080|8000|3000)\b/g, (usual) => ports[usual]));
  }
  const path = { PATH: `${process.env.PATH}:/usr/sbin` };
  // It says nothing when it is ready, so a shell says when it begins.
  nginx = await start("sh", ["-c", "echo begun; exec nginx -p . -c nginx.conf"], { cwd: directory, env: path, ready: /begun/ });
  for (const deadline = Date.now() + 20_000; !(await isOpen()); ) assert.ok(Date.now() < deadline, nginx.output);
  for (const scope of ["api:read", "api:write"]) tokens[scope] = await tokenFor(scope);
});

after(async () => {
  await nginx?.stop();
  await provider?.stop();
  application?.close();
  rmSync(directory, { recursive: true, force: true });
});

const CLIENTS = `[[clients]]
client_id = "robot"
client_name = "Robot"
client_secret = "a-secret-of-more-than-thirty-two-bytes"
grant_types = ["client_credentials"]
scope = "api:read api:write"
`;

async function isOpen() {
  const socket = connect(port, "127.0.0.1");
  const opened = await once(socket, "connect").then(() => true, () => false);
  socket.destroy();
  return opened;
}

async function tokenFor(scope) {
  const form = { grant_type: "client_credentials", scope, client_id: "robot", client_secret: "a-secret-of-more-than-thirty-two-bytes" };
  const answer = await fetch(`${provider.issuer}/token`, { method: "POST", body: new URLSearchParams(form) });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

/** One request through nginx, exactly as it is written; gives its answer and what reached the application. */
async function ask(path, headers = {}, method = "GET") {
  reached = [];
  const request = send({ host: "127.0.0.1", port, path, method, headers, agent: false });
  request.end();
  const [response] = await once(request, "response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body, reached };
}

const bearing = (scope, more = {}) => ({ Authorization: `Bearer ${tokens[scope]}`, ...more });

test("who bears a token that is good for it is let through, and the application is told who it is", slow, async () => {
  const answer = await ask("/books/1?page=2", bearing("api:read"));
  assert.equal(answer.status, 200);
  assert.equal(answer.body, "the application\n");
  const [{ url, headers }] = answer.reached;
  assert.equal(url, "/books/1?page=2");
  assert.equal(headers["x-auth-client"], "robot");
  assert.equal(headers["x-auth-scope"], "api:read");
  assert.equal(headers["x-auth-subject"], undefined, "nobody granted it");
  assert.equal(headers.authorization, undefined, "the application has no use for the token");
});

test("who has none, or not the scope, is refused with a challenge, and the application never hears of it", slow, async () => {
  const nobody = await ask("/books/1");
  assert.equal(nobody.status, 401);
  assert.equal(nobody.headers["www-authenticate"], `Bearer realm="${provider.issuer}", scope="api:read"`);
  const stranger = await ask("/books/1", { Authorization: "Bearer hpa_x" });
  assert.equal(stranger.status, 401);
  assert.match(stranger.headers["www-authenticate"], /^Bearer realm="[^"]*", error="invalid_token", .*scope="api:read"$/);
  for (const [path, scope] of [["/books/1", "api:write"], ["/members/1", "api:read"]]) {
    assert.equal((await ask(path, bearing(scope))).status, 403, path);
  }
  for (const { reached } of [nobody, stranger]) assert.deepEqual(reached, []);
});

test("no query and no header lowers what is needed", slow, async () => {
  const attempts = [
    ["/books/1?scope=api:write", {}],
    ["/books/1?scope=api:write&scope=api:write", {}],
    ["/books/1%3Fscope=api:write", {}],
    ["/books/1?%26scope=api:write#&scope=api:write", {}],
    ["/books/1", { "X-Original-URI": "/public/", "X-Original-URL": "/public/", "X-Rewrite-URL": "/public/" }],
    ["/books/1", { "X-Forwarded-Uri": "/forward-auth?scope=api:write", "X-Forwarded-Method": "OPTIONS" }],
    ["/books/1", { "X-Auth-Scope": "api:read", "X-Auth-Client": "root", "X-Auth-Subject": "root" }],
    ["/books/1", { "X-Accel-Redirect": "/public/", "X-HTTP-Method-Override": "OPTIONS" }],
    ["/books/1", { "X-Forwarded-For": "127.0.0.1", Forwarded: "for=127.0.0.1", Scope: "api:write" }],
    ["/books/1", { Connection: "close, Authorization", Cookie: "scope=api:write" }],
  ];
  for (const [path, headers] of attempts) {
    const answer = await ask(path, bearing("api:write", headers));
    assert.ok([401, 403].includes(answer.status), `${path} ${JSON.stringify(headers)}: ${answer.status}`);
    assert.deepEqual(answer.reached, []);
  }
  for (const method of ["OPTIONS", "HEAD", "POST", "PUT", "DELETE", "PATCH"]) {
    assert.equal((await ask("/books/1", bearing("api:write"), method)).status, 403, method);
  }
});

test("headers that come twice are refused, whichever of them would be good", slow, async () => {
  const [good, other] = [`Bearer ${tokens["api:read"]}`, `Bearer ${tokens["api:write"]}`];
  for (const both of [[good, other], [other, good], [good, good], ["Basic eDp5", good]]) {
    const answer = await ask("/books/1", ["Host", "x", ...both.flatMap((value) => ["Authorization", value])]);
    assert.ok([400, 401].includes(answer.status), `${both}: ${answer.status}`);
    assert.deepEqual(answer.reached, []);
  }
});

test("no client is who it says it is", slow, async () => {
  const claimed = { "X-Auth-Subject": "root", "X-Auth-Client": "root", "X-Auth-Scope": "root", "x_auth_subject": "root" };
  for (const [path, headers] of [["/books/1", bearing("api:read", claimed)], ["/public/1", claimed]]) {
    const answer = await ask(path, headers);
    assert.equal(answer.status, 200, path);
    assert.ok(!answer.reached[0].raw.includes("root"), answer.reached[0].raw.join(" "));
  }
  // Twice, and in another spelling.
  const answer = await ask("/books/1", ["Host", "x", "Authorization", `Bearer ${tokens["api:read"]}`, "X-AUTH-SUBJECT", "root", "x-auth-subject", "root"]);
  assert.equal(answer.status, 200);
  assert.ok(!answer.reached[0].raw.includes("root"));
});

test("what the proxy asks, and what nobody thought of, is out of reach", slow, async () => {
  const paths = [
    "/_hallpass/books",
    "/_hallpass/books?scope=api:write",
    "/%5fhallpass/books",
    "/public/../_hallpass/books",
    "/forward-auth?scope=api:write",
    "/admin",
    "/",
  ];
  for (const path of paths) {
    const answer = await ask(path, bearing("api:write"));
    assert.equal(answer.status, 404, path);
    assert.deepEqual(answer.reached, []);
  }
  for (const path of ["/public/../books/1", "/public/%2e%2e/books/1", "/public/..%2fbooks/1", "//books/1", "/./books/1", "/%62ooks/1"]) {
    const answer = await ask(path, bearing("api:write"));
    assert.ok([400, 403, 404].includes(answer.status), `${path}: ${answer.status}`);
    assert.deepEqual(answer.reached, []);
  }
});

test("a request that hides a second one is not taken apart differently", slow, async () => {
  const second = `GET /books/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens["api:write"]}\r\n\r\n`;
  const heads = [
    "Content-Length: 4\r\nTransfer-Encoding: chunked",
    "Content-Length: 0\r\nContent-Length: 4",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "Transfer-Encoding: xchunked",
  ];
  for (const head of heads) {
    reached = [];
    const socket = connect(port, "127.0.0.1");
    socket.end(`POST /public/1 HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n0\r\n\r\n${second}`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.ok(!reached.some(({ url }) => url.startsWith("/books/")), `${head}: ${text}`);
  }
});

test("while nobody can say, nobody is let through", slow, async () => {
  assert.equal(await provider.stop(), 0);
  const answer = await ask("/books/1", bearing("api:read"));
  assert.equal(answer.status, 500);
  assert.deepEqual(answer.reached, []);
  assert.equal((await ask("/public/1")).status, 200);
});
