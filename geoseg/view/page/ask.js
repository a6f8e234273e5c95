"use strict";
// Requests to the server of this page.

// Show a message of one sentence; an empty text hides it.
function tell(message) {
  document.getElementById("message").textContent = message;
}

// Return the answer to a request. If it fails, show a message and return null.
// Content is sent as JSON with POST, and changes something.
async function ask(path, content) {
  const options = content === undefined ? {} : {method: "POST", body: JSON.stringify(content)};
  try {
    const response = await fetch(path, options);
    const answer = await response.json();
    if (response.ok) return answer;
    tell(answer.error);
  } catch {
    tell("The server does not answer. Start geoseg view again.");
  }
  return null;
}
