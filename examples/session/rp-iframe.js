// The relying party's frame (OpenID Connect Session Management 1.0 section 3.1): asks the provider's frame beside it every few
// seconds, and tells the page around both. It is also where answers to requests with prompt=none arrive.
(function () {
  "use strict";

  const PERIOD = 3000;
  const tell = (message) => window.parent.postMessage(message, location.origin);

  const answer = new URLSearchParams(location.search);
  if (answer.has("state")) {
    tell({ authorization: Object.fromEntries(answer) });
    return;
  }

  const about = new URLSearchParams(location.hash.slice(1));
  const provider = window.parent.frames.op;
  const ask = () => provider.postMessage(`${about.get("client_id")} ${about.get("session_state")}`, about.get("origin"));

  window.addEventListener("message", (event) => {
    if (event.origin !== about.get("origin") || event.source !== provider) return;
    // After a change, or an error, there is nothing more to ask.
    if (event.data !== "unchanged") clearInterval(timer);
    tell({ session: event.data });
  });
  const timer = setInterval(ask, PERIOD);
  ask();
})();
