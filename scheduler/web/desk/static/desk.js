// Pages work without this. It renews live parts, keeps the reader's time zone, and takes files that are dropped.
"use strict";

const EVERY = 2000; // milliseconds until a live part is followed, and followed again
const LOST = 3 * EVERY; // without a connection for so long, the page says so

document.cookie = "campaigns_zone=" + encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) +
  "; path=/; max-age=31536000; samesite=strict";

function address(part) {
  const url = new URL(location.href);
  url.searchParams.set("part", part);
  return url;
}

function show(place, text) {
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

async function renew(place) { // where a part cannot be followed; and it learns why
  const answer = await fetch(address(place.dataset.live), { credentials: "same-origin" });
  if (answer.redirected || answer.status === 401) { location.reload(); return; }
  if (answer.ok) show(place, await answer.text());
}

function warn(place, lost) { // figures that nobody renews must not look like those of now
  const note = document.getElementById("stale");
  if (!lost) note?.remove();
  if (!lost || note) return;
  const made = Object.assign(document.createElement("p"), { id: "stale", className: "problem", role: "status" });
  made.textContent = `No connection to the service. These figures are of ${new Date(place.seen).toLocaleTimeString()}.`;
  place.before(made);
}

const followed = new Map();

function follow() { // the server tells what has changed; nothing is followed while the page is hidden
  for (const place of document.querySelectorAll("[data-live]")) {
    if (document.hidden) {
      followed.get(place)?.close();
      followed.delete(place);
      continue;
    }
    if (place.lost) warn(place, Date.now() - place.seen > LOST);
    if (!followed.has(place)) {
      const source = new EventSource(address(place.dataset.live));
      followed.set(place, source);
      source.onopen = () => warn(place, (place.lost = false));
      source.onmessage = (event) => show(place, JSON.parse(event.data));
      source.onerror = () => {
        if (!place.lost) Object.assign(place, { lost: true, seen: Date.now() });
        if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself
        followed.delete(place);
        renew(place).catch(() => {}); // the service may be starting again
      };
    }
  }
}

if (document.querySelector("[data-live]")) {
  setInterval(follow, EVERY);
  document.addEventListener("visibilitychange", follow);
}

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
