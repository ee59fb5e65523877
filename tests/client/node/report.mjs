// A reporter for node:test: a line for each test, the reasons of failures, and the count that tests/client/run reads.

export default async function* report(events) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") yield data.message;
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite") continue;
    const skipped = data.skip !== undefined;
    const verdict = skipped ? "skipped" : type === "test:pass" ? "passed" : "failed";
    count[verdict] += 1;
    const reason = typeof data.skip === "string" && data.skip ? ` (${data.skip})` : "";
    yield `${verdict.padEnd(8)}${data.name}${reason} [${Math.round(data.details.duration_ms)} ms]\n`;
    if (verdict === "failed") {
      const cause = data.details.error?.cause ?? data.details.error;
      yield `${String(cause?.stack ?? cause).replace(/^/gm, "    ")}\n`;
    }
  }
  yield `${count.passed} passed, ${count.failed} failed${count.skipped ? `, ${count.skipped} skipped` : ""}\n`;
}
