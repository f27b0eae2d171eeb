// Pages work without this. It renews live parts, keeps the reader's time zone, and takes files that are dropped.
"use strict";

const EVERY = 2000; // milliseconds until a live part is followed, and followed again
const LOST = 3 * EVERY; // without a connection for so long, the page says so

document.cookie = "campaigns_zone=" + encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) +
  "; path=/; max-age=31536000; samesite=strict";

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

function address(part) {
  const url = new URL(location.href);
  url.searchParams.set("part", part);
  return url;
}

// What may have the focus, and how it is found again where it was replaced.
const HELD = "a, button, input, select, textarea, summary, [tabindex]";
const nameOf = (each) => each.id || each.getAttribute("href") || each.ariaLabel || each.textContent.trim();

function show(place, text) {
  place.waiting = undefined;
  if (text === place.dataset.shown) return;
  const made = new DOMParser().parseFromString(text, "text/html").body;
  for (const each of place.querySelectorAll("details[open][id]")) {
    made.querySelector("#" + CSS.escape(each.id))?.setAttribute("open", "");
  }
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  const old = [...place.children].find((each) => each.contains(held));
  const goes = old && ![...made.children].some((each) => each.isEqualNode(old));
  const isWritten = goes && /^(INPUT|SELECT|TEXTAREA)$/.test(held.tagName);
  if (isWritten || place.matches(":active")) place.waiting = text; // somebody is writing in what would go, or clicking
  if (place.matches(":active")) return;
  if (isWritten) { // that block stays until they are done, and everything else is renewed
    const after = [...place.children].slice([...place.children].indexOf(old) + 1);
    made.querySelector("#" + CSS.escape(old.id || "none"))?.remove();
    made.insertBefore(old.cloneNode(true), [...made.children].find((each) => after.some((other) => other.isEqualNode(each))) || null);
  }
  const alike = () => [...place.querySelectorAll(HELD)].filter((each) => nameOf(each) === nameOf(held));
  const turn = held ? alike().indexOf(held) : 0; // several links may lead to the same place
  replace(place, made);
  if (!isWritten) place.dataset.shown = text;
  if (held && held !== document.activeElement) (alike()[turn] || place).focus({ preventScroll: true });
}

function replace(place, made) { // what is as it was stays: focus, selection and place in it, too
  let next = place.firstElementChild;
  const dropUntil = (end) => {
    while (next !== end) {
      const gone = next;
      next = next.nextElementSibling;
      gone.remove();
    }
  };
  for (const each of [...made.children]) {
    let same = next;
    while (same && !same.isEqualNode(each)) same = same.nextElementSibling;
    if (same) {
      dropUntil(same);
      next = same.nextElementSibling;
    } else place.insertBefore(each, next);
  }
  dropUntil(null);
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
    if (place.waiting) show(place, place.waiting);
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
