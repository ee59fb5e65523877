// Sends the answer on to the application (OAuth 2.0 Form Post Response Mode). Taken from the prototype, because a field
// named "submit" would hide the form's own method.
HTMLFormElement.prototype.submit.call(document.getElementById("form-post"));
