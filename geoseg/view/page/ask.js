"use strict";
// Requests to the server of this page.

// Show one sentence to the reader; an empty one hides it.
function tell(message) {
  document.getElementById("message").textContent = message;
}

// Return the answer to a request; null, and a message, if there is none.
// With content, it is sent as JSON to change something.
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
