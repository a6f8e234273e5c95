"use strict";
// Requests to the server of this page.

// Show a message of one sentence; an empty text hides it.
function tell(message) {
  document.getElementById("message").textContent = message;
}

// Return the response to a request. If it fails, show a message and return null.
async function request(path, options) {
  try {
    const response = await fetch(path, options);
    if (response.ok) return response;
    tell((await response.json()).error);
  } catch {
    tell("The server does not answer. Start geoseg view again.");
  }
  return null;
}

// Return the answer to a request. If it fails, show a message and return null.
// Content is sent as JSON with POST, and changes something.
async function ask(path, content) {
  const options = content === undefined ? {} : {method: "POST", body: JSON.stringify(content)};
  const response = await request(path, options);
  return response && response.json();
}
