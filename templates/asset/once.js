// Sends a form once, however often its button is pressed. Forms work the same without this file.
(function () {
  "use strict";

  function release(form) {
    form.removeAttribute("aria-busy");
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      return;
    }
    form.setAttribute("aria-busy", "true");
    // An answer that never came must not leave a dead button behind.
    window.setTimeout(release, 8000, form);
  });

  // Back from the next page, out of the browser's page cache.
  window.addEventListener("pageshow", function () {
    Array.prototype.forEach.call(document.forms, release);
  });
})();
