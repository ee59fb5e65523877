// The provider's frame of OpenID Connect Session Management 1.0 (section 3.2): says whether the login state of this browser
// is still the one that a session_state was made of. Pages ask with "client_id session_state"; the cookie is read anew each time.
(function () {
  "use strict";

  var cookie = document.currentScript.getAttribute("data-cookie");

  // FIPS 180-4 section 4.2.2.
  var K = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
  ];

  function rotate(word, by) {
    return (word >>> by) | (word << (32 - by));
  }

  // SHA-256 of a text in UTF-8, in hexadecimal: crypto.subtle isn't there for pages that came by http.
  function sha256(text) {
    var bytes = unescape(encodeURIComponent(text));
    var blocks = ((bytes.length + 8) >> 6) + 1;
    var words = new Array(blocks * 16).fill(0);
    var state = [
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    ];
    var i, block, w, s, t1, t2;
    for (i = 0; i < bytes.length; i++) {
      words[i >> 2] |= bytes.charCodeAt(i) << (24 - (i & 3) * 8);
    }
    words[i >> 2] |= 0x80 << (24 - (i & 3) * 8);
    words[words.length - 1] = bytes.length * 8;
    for (block = 0; block < words.length; block += 16) {
      w = words.slice(block, block + 16);
      for (i = 16; i < 64; i++) {
        t1 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
        t2 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
        w[i] = (w[i - 16] + t1 + w[i - 7] + t2) | 0;
      }
      s = state.slice();
      for (i = 0; i < 64; i++) {
        t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
        t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        s = [(t1 + t2) | 0, s[0], s[1], s[2], (s[3] + t1) | 0, s[4], s[5], s[6]];
      }
      state = state.map(function (word, index) {
        return (word + s[index]) | 0;
      });
    }
    return state
      .map(function (word) {
        return ("0000000" + (word >>> 0).toString(16)).slice(-8);
      })
      .join("");
  }

  // The value of the cookie; null when the browser doesn't show it here, as most don't to frames on pages of other sites.
  function browserState() {
    var pairs = document.cookie.split("; ");
    var own = pairs.filter(function (pair) {
      return pair.indexOf(cookie + "=") === 0;
    })[0];
    return own ? own.slice(cookie.length + 1) : null;
  }

  function answer(message, origin) {
    var parts = /^([^ ]+) ([^ .]+)\.([^ .]+)$/.exec(message);
    var state = browserState();
    if (!parts || !state) {
      // Whoever can't be told must not take it for a change, and ask for a login.
      return "error";
    }
    return sha256([parts[1], origin, state, parts[3]].join(" ")) === parts[2] ? "unchanged" : "changed";
  }

  // The origin of the page that holds this frame, as the browser says, or else as the request for the frame said; null where
  // neither does, because that page keeps it to itself.
  function originAround() {
    var ancestors = window.location.ancestorOrigins;
    if (ancestors) {
      return ancestors[0];
    }
    return document.referrer ? new URL(document.referrer).origin : null;
  }

  // Whether it is the page that holds this frame, or another frame of that page, where section 3.1 has the question come
  // from. Section 3.2: not one of another origin, such as an advertisement. A page without an origin can't be answered.
  function mayAsk(source, origin) {
    if (!source || source === window || origin === "null") {
      return false;
    }
    return source === window.parent || (source.parent === window.parent && origin === originAround());
  }

  window.addEventListener("message", function (event) {
    var message = event.data;
    // Answers aren't answered, or two frames would talk for ever.
    if (typeof message !== "string" || ["unchanged", "changed", "error"].indexOf(message) >= 0) {
      return;
    }
    if (mayAsk(event.source, event.origin)) {
      event.source.postMessage(answer(message, event.origin), event.origin);
    }
  });
})();
