// Programs that a test starts and ends.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const SECONDS = 20;

// A test that failed may not have come to its end.
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/**
 * Starts a program and waits for the line on its standard output that says it is ready. The environment is the given one
 * and PATH: nothing of the test's own.
 */
export async function start(command, args, { cwd, env = {}, ready }) {
  const child = spawn(command, args, { cwd, env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  running.add(child);
  child.on("exit", () => running.delete(child));
  const program = {
    /** The line that said so. */
    ready: undefined,
    /** What it wrote, to both. */
    output: "",
    /** Asks it to end, and gives the status it ended with; `SIGKILL` when it did not care. */
    stop() {
      child.kill("SIGTERM");
      return program.end();
    },
    /** Waits for it to end by itself, not forever, and gives the status as `stop` does. */
    async end() {
      const impatience = setTimeout(() => child.kill("SIGKILL"), SECONDS * 1000);
      const [status, signal] = await ended;
      clearTimeout(impatience);
      return status ?? signal;
    },
  };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (program.output += data));

  const line = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on("line", (text) => ready.test(text) && resolve(text));
  });
  const impatience = setTimeout(() => child.kill("SIGKILL"), SECONDS * 1000);
  program.ready = await Promise.race([line, ended.then(() => undefined)]);
  clearTimeout(impatience);
  if (program.ready === undefined) throw new Error(`${command} ${args.join(" ")} was never ready:\n${program.output}`);
  return program;
}

/** `hallpass dev` on a port of its own, unless the arguments say otherwise; what a person reads on its screen. */
export async function develop(args = ["--port", "0"], env = {}) {
  const program = await start(process.env.HALLPASS_BIN, ["dev", ...args], { env, ready: /Ctrl-C ends it/ });
  const [, issuer] = program.output.match(/^ *issuer +(\S+)$/m);
  const [, client, secret] = program.output.match(/^ *client +(\S+), secret (\S+)$/m);
  return Object.assign(program, { issuer, client, secret });
}

/** A directory of static files as the README.md files of examples/ serve it; `address` is where. */
export async function serve(directory) {
  const port = String(await freePort());
  const args = ["-u", "-m", "http.server", port, "--bind", "localhost"];
  const program = await start("python3", args, { cwd: directory, ready: /^Serving/ });
  return Object.assign(program, { address: `http://localhost:${port}/` });
}

/** A port on which nobody listens. */
export async function freePort() {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
