// Two things: what runs now is kept up to date, and a link from the terminal logs in.
"use strict";

function watch(status) {
  const parts = new Map(
    [...document.querySelectorAll("[data-live]")].map((part) => [part.dataset.live, part])
  );
  const events = new EventSource(status.dataset.events);
  const say = (state, words) => {
    status.dataset.state = state;
    status.textContent = words;
  };
  events.addEventListener("open", () => say("on", "live"));
  events.addEventListener("error", () => say("off", "not live: trying again"));
  events.addEventListener("ended", () => {
    events.close();
    say("off", "the dashboard was stopped");
  });
  for (const [name, part] of parts) {
    events.addEventListener(name, (event) => {
      // A link that has the keyboard's focus keeps it: the same link is there again.
      const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      part.innerHTML = event.data;
      if (held) part.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
    });
  }
}

function enter(form) {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = token;
  form.submit();
}

const status = document.getElementById("live");
if (status) watch(status);
const form = document.getElementById("login");
if (form) enter(form);
