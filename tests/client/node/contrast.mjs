// What WCAG AA asks of a page's colours, measured on its own pixels: a picture of the page without its letters shows
// what really is behind each of them, be it a colour, a gradient, an image or several of these on top of each other.

/**
 * Text against what is painted behind it (1.4.3), and the edges of fields against their surroundings (1.4.11).
 *
 * `darkroom` is a page of its own that nothing restricts: there the picture is looked at. The page itself may have its
 * scripts turned off.
 */
export async function contrastComplaints(page, darkroom, { text, edge }) {
  await page.mouse.move(0, 0); // nothing is hovered
  const shapes = await page.evaluate(withoutLetters);
  const picture = await page.screenshot({ fullPage: true, animations: "disabled", scale: "css" });
  await page.evaluate(withLetters);
  return darkroom.evaluate(develop, { ...shapes, picture: picture.toString("base64"), leastText: text, leastEdge: edge });
}

/** Inside the page: makes the letters and the focus invisible, and tells where they and the fields are. */
function withoutLetters() {
  // Only the fill: `color` would take everything with it that is painted in `currentColor`.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`*, ::before, ::after, ::placeholder {
    -webkit-text-fill-color: #0000 !important;
    text-decoration-color: #0000 !important;
    caret-color: #0000 !important;
    transition: none !important;
  }`);
  const visible = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.getBoundingClientRect().width > 1 &&
    element.getBoundingClientRect().height > 1;
  const name = (element) => `<${element.localName}${element.id ? ` id=${element.id}` : ""}>`;
  const opacity = (element) => (element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1);
  const place = ({ left, top, width, height }) => ({ left: left + scrollX, top: top + scrollY, width, height });

  const texts = [];
  const note = (element, what, boxes, style = getComputedStyle(element)) =>
    texts.push({
      what: `${name(element)} ${what}`,
      color: style.webkitTextFillColor,
      opacity: opacity(element),
      boxes: [...boxes].map(place),
    });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: element, data } = walker.currentNode;
    const words = data.trim();
    if (!words || element.closest(":disabled") || !visible(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    note(element, `"${words.slice(0, 40)}"`, range.getClientRects());
  }

  window.focusedBefore = document.activeElement;
  window.focusedBefore?.blur(); // a ring would stand in for the edge
  const fields = [];
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (field.disabled || !visible(field)) continue;
    const style = getComputedStyle(field);
    if (style.appearance !== "none" && ["checkbox", "radio"].includes(field.type)) continue; // the browser's own
    const box = field.getBoundingClientRect();
    fields.push({ what: name(field), ...place(box), corner: Math.ceil(parseFloat(style.borderTopLeftRadius)) });
    const inset = 4; // what may be typed stands inside the border
    const arrow = field.localName === "select" ? 28 : 0; // the browser paints it, in the letters' colour
    const inside = new DOMRect(box.x + inset, box.y + inset, box.width - 2 * inset - arrow, box.height - 2 * inset);
    note(field, "typed text", [inside]);
    if (field.placeholder) note(field, "placeholder", [inside], getComputedStyle(field, "::placeholder"));
  }
  document.adoptedStyleSheets.push(sheet);
  return { texts, fields };
}

/** Inside the page: takes back what `withoutLetters` did. */
function withLetters() {
  document.adoptedStyleSheets.pop();
  window.focusedBefore?.focus();
  delete window.focusedBefore;
}

/** Inside the darkroom: holds the letters' colours and the fields' edges against the pixels of the picture. */
async function develop({ texts, fields, picture, leastText, leastEdge }) {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const brushOn = (width, height) => new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  const paper = brushOn(bitmap.width, bitmap.height);
  paper.drawImage(bitmap, 0, 0);
  const { data, width, height } = paper.getImageData(0, 0, bitmap.width, bitmap.height);
  const pixel = (x, y) => {
    if (x < 0 || y < 0 || x >= width || y >= height) return null; // cut off
    return data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3);
  };

  // The canvas turns every notation of CSS (names, oklch, color-mix …) into 8-bit sRGB.
  const drop = brushOn(1, 1);
  const rgba = (color) => {
    drop.clearRect(0, 0, 1, 1);
    drop.fillStyle = color;
    drop.fillRect(0, 0, 1, 1);
    return [...drop.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [r, g, b] = [...color].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };

  const complaints = [];
  for (const { what, color, opacity, boxes } of texts) {
    const [r, g, b, alpha] = rgba(color);
    const cover = (alpha / 255) * opacity;
    // Every shade that occurs behind the text, once; the worst counts.
    const shades = new Map();
    for (const box of boxes) {
      for (let y = Math.ceil(box.top); y < Math.floor(box.top + box.height); y += 1) {
        for (let x = Math.ceil(box.left); x < Math.floor(box.left + box.width); x += 1) {
          const shade = pixel(x, y);
          if (shade) shades.set((shade[0] << 16) | (shade[1] << 8) | shade[2], shade);
        }
      }
    }
    if (shades.size === 0) complaints.push(`${what} stands outside the page`);
    const worst = Math.min(
      ...[...shades.values()].map((shade) => {
        const ink = [r, g, b].map((channel, index) => channel * cover + shade[index] * (1 - cover));
        return ratio(ink, shade);
      }),
    );
    if (worst < leastText) complaints.push(`${what} has contrast ${worst.toFixed(2)}`);
  }

  // A field is seen by its border or by its own ground, on every side: walked along a line from outside to inside.
  const OUTSIDE = 3;
  const INSIDE = 4;
  for (const { what, left, top, width: wide, height: high, corner } of fields) {
    const [x0, y0] = [Math.round(left), Math.round(top)];
    const [x1, y1] = [Math.round(left + wide) - 1, Math.round(top + high) - 1];
    const best = (start, step) => {
      const line = [];
      for (let at = -OUTSIDE; at <= INSIDE; at += 1) line.push(pixel(start[0] + step[0] * at, start[1] + step[1] * at));
      const [outside, ...rest] = line.filter(Boolean);
      return Math.max(...rest.map((each) => ratio(each, outside)));
    };
    const sides = [];
    for (let x = x0 + corner; x <= x1 - corner; x += 1) sides.push(best([x, y0], [0, 1]), best([x, y1], [0, -1]));
    for (let y = y0 + corner; y <= y1 - corner; y += 1) sides.push(best([x0, y], [1, 0]), best([x1, y], [-1, 0]));
    const worst = Math.min(...sides);
    if (worst < leastEdge) complaints.push(`${what} stands out by ${worst.toFixed(2)} only`);
  }
  return complaints;
}
