// What the console does better with JavaScript. Every page works without it.
"use strict";

const page = document.documentElement;

// Parts that move: the server sends them whole, as HTML, by server-sent events.
function follow(place) {
  const source = new EventSource(place.dataset.live);
  const said = document.getElementById("said");
  const swap = (event) => {
    const kept = document.activeElement && place.contains(document.activeElement) ? document.activeElement.id : "";
    place.innerHTML = event.data;
    if (kept) document.getElementById(kept)?.focus();
    const now = place.querySelector("[data-say]")?.dataset.say;
    if (now && said && said.textContent !== now) said.textContent = now;
  };
  source.addEventListener("part", swap);
  source.addEventListener("rows", (event) => {
    const fresh = document.createElement("tbody");
    fresh.innerHTML = event.data;
    for (const row of fresh.children) row.classList.add("fresh");
    place.prepend(...fresh.children);
    while (place.children.length > 300) place.lastElementChild.remove();
    document.getElementById("nothing")?.remove();
  });
  source.addEventListener("end", (event) => {
    source.close();
    swap(event);
    reload();
  });
  source.addEventListener("gone", () => source.close());
  addEventListener("pagehide", () => source.close());
}

// Takes the page anew without moving the reader.
async function reload() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return location.reload();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = fresh.querySelector("main");
  if (!main) return;
  // What the page was told once stays to be read: the server has forgotten it.
  const told = [...document.querySelectorAll("main .notes > [role]")];
  if (told.length) {
    let notes = main.querySelector(".notes");
    if (!notes) {
      notes = Object.assign(document.createElement("div"), { className: "notes" });
      main.prepend(notes);
    }
    notes.prepend(...told);
  }
  document.querySelector("main").replaceWith(main);
}

// Ticking users: all of a page at once, and the count at hand.
function picking(form) {
  const all = form.querySelector("[data-all]");
  const boxes = [...form.querySelectorAll('input[name="pick"]')];
  const count = form.querySelector("[data-count]");
  const elsewhere = Number(count?.dataset.count ?? 0) - boxes.filter((b) => b.defaultChecked).length;
  const update = () => {
    const here = boxes.filter((b) => b.checked).length;
    if (count) count.textContent = String(elsewhere + here);
    if (all) {
      all.checked = here > 0 && here === boxes.length;
      all.indeterminate = here > 0 && here < boxes.length;
    }
    for (const el of form.querySelectorAll("[data-some]")) el.hidden = elsewhere + here === 0;
  };
  all?.closest("[hidden]")?.removeAttribute("hidden");
  all?.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    update();
  });
  form.addEventListener("change", update);
  update();
}

// One menu at a time; Escape closes it.
function menus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

// Single-key shortcuts, unless switched off at /keys.
function shortcuts() {
  let leader = 0;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (leader && event.timeStamp - leader < 1500) {
      leader = 0;
      const link = document.querySelector(`.nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    leader = 0;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    } else if (event.key === "g") {
      leader = event.timeStamp;
    } else if (event.key === "?") {
      event.preventDefault();
      document.getElementById("shortcuts").showModal();
    } else if (event.key === "j" || event.key === "k") {
      const rows = [...document.querySelectorAll("[data-rows] tbody th a")];
      const at = rows.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
      rows[Math.max(0, Math.min(rows.length - 1, at))]?.focus();
    } else if (event.key === "x") {
      document.activeElement.closest("tr")?.querySelector('input[name="pick"]')?.click();
    }
  });
}

for (const place of document.querySelectorAll("[data-live]")) follow(place);
for (const form of document.querySelectorAll("[data-picking]")) picking(form);
menus();
if (page.dataset.keys === "on") shortcuts();
