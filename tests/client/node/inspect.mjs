// What WCAG AA asks of a page, measured in the browser. Every function here runs inside the page (page.evaluate), so
// each is complete in itself and gives back plain lists of complaints.

/** Text against what is painted behind it (1.4.3), and the edges of fields against their surroundings (1.4.11). */
export function contrastComplaints({ text: leastText, edge: leastEdge }) {
  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  // The canvas turns every notation of CSS (names, oklch, color-mix …) into 8-bit sRGB.
  const rgba = (color) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = color;
    brush.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
    return { r, g, b, a: a / 255 };
  };
  const over = (top, below) => {
    const mix = (channel) => top[channel] * top.a + below[channel] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const luminance = ({ r, g, b }) => {
    const linear = (value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.backgroundColor = "Canvas"; // what a page that paints nothing stands on; follows its color-scheme
  const paper = rgba(getComputedStyle(probe).backgroundColor);
  probe.remove();
  const complaints = [];
  const behind = (element) => {
    const layers = [];
    for (let node = element; node; node = node.parentElement) {
      const style = getComputedStyle(node);
      if (style.backgroundImage !== "none") complaints.push(`${name(node)} paints an image: its contrast is unknown`);
      layers.push(rgba(style.backgroundColor));
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), paper);
  };
  const opacity = (element) => {
    let product = 1;
    for (let node = element; node; node = node.parentElement) product *= Number(getComputedStyle(node).opacity);
    return product;
  };
  const visible = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.getBoundingClientRect().width > 1 &&
    element.getBoundingClientRect().height > 1;
  const name = (element) => `<${element.localName}${element.id ? ` id=${element.id}` : ""}>`;
  const judge = (element, color, words) => {
    const ground = behind(element);
    const ink = rgba(color);
    const found = ratio(over({ ...ink, a: ink.a * opacity(element) }, ground), ground);
    if (found < leastText) complaints.push(`${name(element)} "${words}" has contrast ${found.toFixed(2)}`);
  };

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { parentElement: element, data } = texts.currentNode;
    const words = data.trim();
    if (words && !element.closest("script, style, noscript, :disabled") && visible(element)) {
      judge(element, getComputedStyle(element).color, words.slice(0, 40));
    }
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (field.disabled || !visible(field)) continue;
    judge(field, getComputedStyle(field).color, "typed text");
    if (field.placeholder) judge(field, getComputedStyle(field, "::placeholder").color, "placeholder");
    const style = getComputedStyle(field);
    if (style.appearance !== "none" && ["checkbox", "radio"].includes(field.type)) continue; // the browser's own
    const outside = behind(field.parentElement);
    const edges = [behind(field)];
    if (parseFloat(style.borderBottomWidth) > 0) edges.push(over(rgba(style.borderBottomColor), outside));
    const best = Math.max(...edges.map((edge) => ratio(edge, outside)));
    if (best < leastEdge) complaints.push(`${name(field)} stands out by ${best.toFixed(2)} only`);
  }
  return complaints;
}

/** Names and structure: language, title, one heading, unique ids, a label for every field, a name for every control. */
export function structureComplaints() {
  const complaints = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  if (!document.documentElement.lang) complaints.push("no language");
  if (!document.title.trim()) complaints.push("no title");
  if (!document.querySelector("meta[name=viewport]")) complaints.push("no viewport");
  if (document.querySelectorAll("h1").length !== 1) complaints.push("not exactly one h1");
  if (!document.querySelector("main")) complaints.push("no main");
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index))) complaints.push(`id ${id} twice`);
  for (const field of document.querySelectorAll("input:not([type=hidden], [type=submit]), select, textarea")) {
    const label = [...field.labels].map((each) => each.textContent.trim()).join("") || field.ariaLabel;
    if (!label) complaints.push(`field ${field.name || field.id} has no label`);
  }
  for (const control of document.querySelectorAll("button, a[href], input[type=submit]")) {
    const called = control.textContent.trim() || control.ariaLabel || control.value || control.querySelector("img")?.alt;
    if (!called) complaints.push(`${control.outerHTML.slice(0, 80)} has no name`);
  }
  for (const image of document.images) if (!image.hasAttribute("alt")) complaints.push(`image ${image.src} has no alt`);
  for (const referrer of document.querySelectorAll("[aria-describedby], [aria-labelledby], [aria-controls]")) {
    for (const attribute of ["aria-describedby", "aria-labelledby", "aria-controls"]) {
      for (const id of (referrer.getAttribute(attribute) ?? "").split(/\s+/).filter(Boolean)) {
        if (!document.getElementById(id)) complaints.push(`${attribute} names ${id}, which is not there`);
      }
    }
  }
  for (const element of document.querySelectorAll("[style], [onclick], [onsubmit], [onload], script:not([src]), style")) {
    complaints.push(`inline style or script: ${element.outerHTML.slice(0, 80)}`);
  }
  for (const target of document.querySelectorAll("button, input:not([type=hidden]), select")) {
    const { width, height } = target.getBoundingClientRect();
    const inLabel = target.closest("label")?.getBoundingClientRect();
    const least = Math.max(Math.min(width, height), inLabel ? Math.min(inLabel.width, inLabel.height) : 0);
    if (shown(target) && least < 24) complaints.push(`${target.id || target.name} is ${width} x ${height} pixels (2.5.8)`);
  }
  return complaints;
}

/** What Tab has to reach, in the order it stands in the document; a page that needs `tabindex` for that is mended, not ordered. */
export function focusables() {
  const found = document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]");
  return [...found]
    .filter((each) => !each.disabled && each.tabIndex >= 0 && each.checkVisibility({ visibilityProperty: true }))
    .map((each) => {
      if (each.tabIndex > 0) throw new Error(`tabindex ${each.tabIndex} at ${each.outerHTML.slice(0, 80)}`);
      return each.id || each.name || each.textContent.trim() || each.outerHTML.slice(0, 60);
    });
}

/** The element that has the focus, by the same name as in `focusables`, and whether it shows that (2.4.7). */
export function focused() {
  const each = document.activeElement;
  if (!each || each === document.body) return null;
  const style = getComputedStyle(each);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {
    name: each.id || each.name || each.textContent.trim() || each.outerHTML.slice(0, 60),
    showsFocus: ring || style.boxShadow !== "none",
  };
}
