// Lets people see the password they typed. Without scripts the button stays hidden.
(function () {
  "use strict";

  var field = document.getElementById("password");
  var button = document.getElementById("password-reveal");
  if (!field || !button) {
    return;
  }

  function show(visible) {
    field.type = visible ? "text" : "password";
    var offer = visible ? "data-hide" : "data-show";
    button.textContent = button.getAttribute(offer);
    button.setAttribute("aria-label", button.getAttribute(offer + "-label"));
  }

  button.hidden = false;
  button.addEventListener("click", function () {
    show(field.type === "password");
    field.focus();
  });
  // Browsers remember what text fields held, but not passwords: send it as one.
  field.form.addEventListener("submit", function () {
    show(false);
  });
})();
