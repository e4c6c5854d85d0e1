// Keys for whoever marks a thousand answers, and what is looked at again while a run is at work.
// All pages work without it. It makes no markup of what it reads: the server has escaped it.
"use strict";

let sent = false;

// data-key="j": this key clicks a link or button, or goes into a field.
document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input, textarea, select");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const target = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key);
  if (!target) {
    const told = document.getElementById("keys");
    if (told && /^[0-9h]$/.test(event.key)) {
      told.textContent = `${event.key}: there is no such button, and nothing was saved. p: other points.`;
    }
    return;
  }
  event.preventDefault();
  if (target.matches("input, textarea, select")) {
    target.focus();
    if (target.matches("input")) target.select();
  } else target.click();
});

// A form is sent once, however fast somebody types; a comment goes with whichever form is sent.
document.addEventListener("submit", (event) => {
  if (sent) {
    event.preventDefault();
    return;
  }
  sent = true;
  for (const copy of event.target.querySelectorAll("[data-copy]")) {
    copy.value = document.querySelector(`textarea[name=${copy.dataset.copy}]`).value;
  }
});
window.addEventListener("pageshow", () => { sent = false; });

// A comment that was typed and not saved is not left behind unasked.
window.addEventListener("beforeunload", (event) => {
  const typed = [...document.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue);
  if (typed && !sent) event.preventDefault();
});

// data-poll="/address": replaced by what stands there, after so many seconds, as long as that says so too.
async function look(id) {
  const old = document.getElementById(id);
  try {
    const answer = await fetch(old.dataset.poll);
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById(id);
    const list = old.dataset.reload;
    if (found.innerHTML !== old.innerHTML) {
      old.replaceWith(found);
      if (list) await reload(list);
    }
  } catch {
    old.textContent = "The desk does not answer: it was ended, or its window was closed.";
    old.classList.add("alert");
    delete old.dataset.poll;
  }
  later(id);
}

async function reload(selector) {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const old = document.querySelector(selector);
  const found = page.querySelector(selector);
  if (old && found && !old.contains(document.activeElement)) old.replaceWith(found);
}

function later(id) {
  const one = document.getElementById(id);
  if (one && one.dataset.poll) setTimeout(() => look(id), 1000 * Number(one.dataset.seconds));
}

for (const one of document.querySelectorAll("[data-poll]")) later(one.id);
