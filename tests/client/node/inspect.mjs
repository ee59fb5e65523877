// What WCAG AA asks of a page's structure and focus, measured in the browser; contrast.mjs measures its colours. Every
// function here runs inside the page (page.evaluate), so each is complete in itself and gives back plain data.

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
