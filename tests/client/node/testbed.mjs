// What tests/client/run has prepared: the provider's address, its clients and its user.

import { readFileSync } from "node:fs";

if (!process.env.TESTBED) {
  console.error("TESTBED names no file: start these tests with tests/client/run");
  process.exit(2);
}

/** `{ issuer, output, user: { username, password, claims }, clients: { KIND: { client_id, client_secret? } } }` */
export const testbed = JSON.parse(readFileSync(process.env.TESTBED, "utf8"));
