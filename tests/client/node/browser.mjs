// A browser of some hundred lines: cookies, redirects, forms found by the ids of the page contract.
// No scripts, no styles: what works here works for everyone.

const MOST_REDIRECTS = 10;

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

function decodeEntities(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(parseInt(decimal, 10));
    return ENTITIES[name] ?? whole;
  });
}

/** The tags of a page in order, each `{ name, closing, attributes, end }`; `end` is where the tag stops in the text. */
function* tags(html) {
  const tag = /<!--[\s\S]*?-->|<(\/?)([a-z][a-z0-9-]*)((?:\s+[^\s=>/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?)*)\s*\/?>/gi;
  for (const match of html.matchAll(tag)) {
    if (match[2] === undefined) continue;
    const attributes = {};
    for (const [, key, double, single, bare] of match[3].matchAll(
      /([^\s=>/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g,
    )) {
      attributes[key.toLowerCase()] = decodeEntities(double ?? single ?? bare ?? "");
    }
    yield { name: match[2].toLowerCase(), closing: match[1] === "/", attributes, end: match.index + match[0].length };
  }
}

/** Cookies by host, as browsers keep them: ports make no difference, `Secure` is waived on loopback. */
class CookieJar {
  #cookies = new Map(); // "host name path" → { host, name, path, value }

  store(url, headers) {
    for (const line of headers.getSetCookie()) {
      const [pair, ...rest] = line.split(";").map((part) => part.trim());
      const split = pair.indexOf("=");
      const attributes = Object.fromEntries(
        rest.map((part) => {
          const [key, ...value] = part.split("=");
          return [key.toLowerCase(), value.join("=")];
        }),
      );
      const cookie = {
        host: url.hostname,
        name: pair.slice(0, split),
        value: pair.slice(split + 1),
        path: attributes.path || "/",
      };
      const key = [cookie.host, cookie.name, cookie.path].join(" ");
      const over =
        (attributes["max-age"] !== undefined && Number(attributes["max-age"]) <= 0) ||
        (attributes.expires !== undefined && Date.parse(attributes.expires) <= Date.now());
      if (over) this.#cookies.delete(key);
      else this.#cookies.set(key, cookie);
    }
  }

  header(url) {
    return [...this.#cookies.values()]
      .filter(({ host, path }) => {
        const below = path.endsWith("/") ? path : `${path}/`;
        return host === url.hostname && (url.pathname === path || url.pathname.startsWith(below));
      })
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
  }
}

/** One page as it arrived: its forms can be filled and its buttons pressed, by element id. */
export class Page {
  #browser;
  #elements = new Map(); // id → { name, attributes, form, end }
  #forms = [];

  constructor(browser, url, response, html) {
    this.#browser = browser;
    this.url = url;
    this.status = response.status;
    this.headers = response.headers;
    this.html = html;
    this.#read();
  }

  #read() {
    let form = null;
    for (const { name, closing, attributes, end } of tags(this.html)) {
      if (name === "form") {
        form = closing ? null : { attributes, fields: [] };
        if (form) this.#forms.push(form);
      }
      if (closing) continue;
      const element = { name, attributes, form, end };
      if (attributes.id !== undefined) this.#elements.set(attributes.id, element);
      if (form && name === "input" && attributes.name !== undefined && attributes.disabled === undefined) {
        const choice = attributes.type === "checkbox" || attributes.type === "radio";
        if (attributes.type === "submit" || (choice && attributes.checked === undefined)) continue;
        form.fields.push({ name: attributes.name, value: attributes.value ?? (choice ? "on" : "") });
      }
    }
  }

  has(id) {
    return this.#elements.has(id);
  }

  /** The plain text from an element's start to the end of the element, good for elements without children of their own kind. */
  text(id) {
    const { name, end } = this.#element(id);
    const close = this.html.indexOf(`</${name}`, end);
    return decodeEntities(this.html.slice(end, close).replace(/<[^>]*>/g, "")).replace(/\s+/g, " ").trim();
  }

  value(id) {
    return this.#field(id).value;
  }

  fill(id, value) {
    this.#field(id).value = value;
    return this;
  }

  /** Presses a submit button or follows a link; answers with what this leads to, as `Browser.open` does. */
  async press(id) {
    const { name, attributes, form } = this.#element(id);
    if (name === "a") return this.#browser.open(new URL(attributes.href, this.url));
    if (!form) throw new Error(`#${id} stands in no form`);
    return this.#send(form, attributes);
  }

  /** Sends the form `id` as scripts do, without a button. */
  async submit(id) {
    return this.#send(this.#element(id).form);
  }

  #send(form, button = {}) {
    const body = new URLSearchParams(form.fields.map((field) => [field.name, field.value]));
    if (button.name) body.append(button.name, button.value ?? "");
    const action = new URL(button.formaction ?? form.attributes.action ?? this.url, this.url);
    const method = (button.formmethod ?? form.attributes.method ?? "get").toLowerCase();
    if (method === "post") return this.#browser.open(action, { method: "POST", body });
    action.search = body.toString();
    return this.#browser.open(action);
  }

  #element(id) {
    const element = this.#elements.get(id);
    if (!element) throw new Error(`no #${id} on ${this.url.pathname} (${this.status}): ${this.html.slice(0, 400)}`);
    return element;
  }

  #field(id) {
    const { form, attributes } = this.#element(id);
    const field = form?.fields.find((candidate) => candidate.name === attributes.name);
    if (!field) throw new Error(`#${id} on ${this.url.pathname} is no field of a form`);
    return field;
  }
}

/** A person's browser. It stops at `home`, the relying party's redirect URI, and hands over what would go there. */
export class Browser {
  #jar = new CookieJar();
  #home;

  constructor(home) {
    this.#home = new URL(home);
  }

  /**
   * Follows redirects until there is a page (a `Page`) or the relying party is called: by a `URL`, or by the `Request` of a
   * form that was posted to it.
   */
  async open(address, { method = "GET", body } = {}) {
    let url = new URL(address);
    for (let hop = 0; hop < MOST_REDIRECTS; hop += 1) {
      if (url.origin === this.#home.origin && url.pathname === this.#home.pathname) {
        return method === "POST" ? new Request(url, { method, body }) : url;
      }
      const headers = { accept: "text/html", cookie: this.#jar.header(url) };
      if (method === "POST") headers.origin = url.origin;
      const response = await fetch(url, { method, body, headers, redirect: "manual", signal: AbortSignal.timeout(10_000) });
      this.#jar.store(url, response.headers);
      const location = response.headers.get("location");
      if (response.status >= 300 && response.status < 400 && location) {
        await response.body?.cancel();
        url = new URL(location, url);
        if (response.status !== 307 && response.status !== 308) [method, body] = ["GET", undefined];
        continue;
      }
      return new Page(this, url, response, await response.text());
    }
    throw new Error(`more than ${MOST_REDIRECTS} redirects, at last to ${url}`);
  }

  /** Opens an authorization URL and does what an agreeable person would: signs in where asked, allows where asked. */
  async agree(address, user) {
    let place = await this.open(address);
    if (place instanceof Page && place.has("login-submit")) {
      place = await place.fill("username", user.username).fill("password", user.password).press("login-submit");
    }
    if (place instanceof Page && place.has("consent-allow")) place = await place.press("consent-allow");
    if (place instanceof Page && place.has("form-post")) place = await place.submit("form-post");
    if (place instanceof Page) {
      throw new Error(`stopped at ${place.url.pathname} (${place.status}): ${place.html.slice(0, 600)}`);
    }
    return place;
  }
}
