// The playground's comforts: buttons that copy, and the answer that stands in a fragment. It works without this file.
(function () {
  "use strict";

  // What stands behind the # never reaches the server unless the page sends it.
  var fragment = document.getElementById("fragment");
  if (fragment && window.location.hash.length > 1) {
    fragment.value = window.location.hash;
    HTMLFormElement.prototype.submit.call(fragment.form);
  }

  if (!navigator.clipboard) {
    return;
  }

  function say(button, text) {
    button.textContent = text;
    window.setTimeout(function () {
      button.textContent = "Copy";
    }, 2000);
  }

  Array.prototype.forEach.call(document.querySelectorAll("button[data-copy]"), function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var source = document.getElementById(button.getAttribute("data-copy"));
      navigator.clipboard.writeText(source.textContent.trim()).then(
        function () {
          say(button, "Copied");
        },
        function () {
          say(button, "Not copied");
        },
      );
    });
  });
})();
