// Pages work without this. It renews live parts, keeps the reader's time zone, and takes files that are dropped.
"use strict";

const EVERY = 2000; // milliseconds between two looks at a live part; none while the page is hidden

document.cookie = "campaigns_zone=" + encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) +
  "; path=/; max-age=31536000; samesite=strict";

function address(part) {
  const url = new URL(location.href);
  url.searchParams.set("part", part);
  return url;
}

async function renew(place) {
  const answer = await fetch(address(place.dataset.live), { credentials: "same-origin" });
  if (answer.redirected || answer.status === 401) { location.reload(); return; }
  if (!answer.ok) throw new Error(answer.status);
  const text = await answer.text();
  if (text === place.dataset.shown) return;
  const made = new DOMParser().parseFromString(text, "text/html").body;
  const held = document.activeElement;
  const name = place.contains(held) ? held.id || held.getAttribute("href") : "";
  if (place.contains(held) && /^(INPUT|SELECT|TEXTAREA)$/.test(held.tagName)) return; // somebody is writing in it
  const alike = () => [...place.querySelectorAll(`[href="${CSS.escape(name)}"]`)];
  const turn = name ? alike().indexOf(held) : -1; // several links may lead to the same place
  const open = [...place.querySelectorAll("details[open]")].map((each) => each.id);
  place.replaceChildren(...made.childNodes);
  for (const id of open.filter(Boolean)) document.getElementById(id)?.setAttribute("open", "");
  place.dataset.shown = text;
  if (name) {
    const again = document.getElementById(name) || alike()[turn];
    if (again) again.focus({ preventScroll: true });
  }
}

async function look() {
  let wait = EVERY;
  if (!document.hidden) {
    for (const place of document.querySelectorAll("[data-live]")) {
      try { await renew(place); } catch { wait = 5 * EVERY; } // the service may be starting again
    }
  }
  setTimeout(look, wait);
}

if (document.querySelector("[data-live]")) setTimeout(look, EVERY);

for (const field of document.querySelectorAll("[data-drop]")) {
  const input = field.querySelector("input[type=file]");
  field.addEventListener("dragover", (event) => { event.preventDefault(); field.classList.add("over"); });
  field.addEventListener("dragleave", () => field.classList.remove("over"));
  field.addEventListener("drop", (event) => {
    event.preventDefault();
    field.classList.remove("over");
    input.files = event.dataTransfer.files;
  });
}
