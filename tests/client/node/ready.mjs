// Waits until an address answers 200: node ready.mjs URL PID. Gives up when the process PID is gone.

const [url, pid] = process.argv.slice(2);
for (;;) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => null);
  if (answer?.ok) process.exit(0);
  try {
    process.kill(Number(pid), 0);
  } catch {
    console.error(`the server ended before ${url} answered`);
    process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
