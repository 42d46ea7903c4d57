// Shows the page anew every two seconds: the server writes it, so that there is one way to draw it.
"use strict";

const PERIOD = 2000;

async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.getElementById("live").replaceWith(page.getElementById("live"));
        document.body.classList.remove("lost");
      }
    } catch {
      // The server is away: what is shown stays, and is marked as old.
      document.body.classList.add("lost");
    }
  }
  setTimeout(refresh, PERIOD);
}

setTimeout(refresh, PERIOD);
