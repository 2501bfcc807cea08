// The draft's rules can be dragged within their layer, or moved with the buttons and Alt + arrows.
// Without this script the buttons are forms of their own.

const page = document.querySelector("[data-ruleset]");
const said = page.querySelector("[data-said]");
let dragged = null;

function say(text) {
  said.textContent = text;
}

function rulesOf(list) {
  return [...list.querySelectorAll(":scope > [data-key]")];
}

async function save(list, rule, focus) {
  const token = page.querySelector("[name=csrfmiddlewaretoken]").value;
  const body = new URLSearchParams({
    layer: list.dataset.layer,
    order: list.dataset.order,
    keys: rulesOf(list).map((item) => item.dataset.key).join(" "),
  });
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(page.dataset.reorderUrl, {
      method: "POST",
      body,
      headers: { "X-CSRFToken": token, Accept: "application/json" },
    });
    const told = await answer.json();
    if (!told.ok) {
      // What is shown is out of date: show what is there, with the reason.
      window.alert(told.message);
      window.location.reload();
      return;
    }
  } catch {
    window.alert(page.dataset.failed);
    window.location.reload();
    return;
  }
  await refresh(list, rule.dataset.key, focus);
}

// The page is read again for the new priorities and digests; only this layer is replaced.
async function refresh(list, key, focus) {
  const answer = await fetch(window.location.href, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const section = list.closest("section");
  const replacement = fresh.getElementById(section.id);
  if (!replacement) {
    window.location.reload();
    return;
  }
  section.replaceWith(replacement);
  const changes = fresh.getElementById("changes");
  document.getElementById("changes")?.replaceWith(changes);
  const layer = replacement.querySelector("[data-layer]");
  start(layer);
  const moved = rulesOf(layer).find((item) => item.dataset.key === key);
  const place = rulesOf(layer).indexOf(moved) + 1;
  say(page.dataset.moved.replace("%(place)s", place).replace("%(count)s", rulesOf(layer).length));
  const button = moved?.querySelector(`[data-move="${focus}"]:not(:disabled)`);
  (button ?? moved?.querySelector("a"))?.focus();
}

function move(rule, by) {
  const list = rule.parentElement;
  const rules = rulesOf(list);
  const to = rules.indexOf(rule) + by;
  if (to < 0 || to >= rules.length) {
    return;
  }
  list.insertBefore(rule, by < 0 ? rules[to] : rules[to].nextSibling);
  save(list, rule, by);
}

function isAfter(rule, event) {
  const box = rule.getBoundingClientRect();
  return event.clientY > box.top + box.height / 2;
}

function unmark(list) {
  for (const rule of rulesOf(list)) {
    rule.classList.remove("is-target", "is-target-after", "is-dragged");
  }
}

function startRule(list, rule) {
  // Only the grip is dragged, so that text can still be selected and links followed.
  const grip = rule.querySelector("[data-grip]");
  grip.draggable = true;
  grip.addEventListener("dragstart", (event) => {
    dragged = rule;
    rule.classList.add("is-dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", rule.dataset.key);
    event.dataTransfer.setDragImage(rule, 0, 0);
  });
  rule.addEventListener("dragover", (event) => {
    if (!dragged || dragged.parentElement !== list) {
      return;
    }
    event.preventDefault();
    for (const other of rulesOf(list)) {
      other.classList.remove("is-target", "is-target-after");
    }
    if (rule !== dragged) {
      rule.classList.add(isAfter(rule, event) ? "is-target-after" : "is-target");
    }
  });
  rule.addEventListener("drop", (event) => {
    if (!dragged || dragged.parentElement !== list) {
      return;
    }
    event.preventDefault();
    if (rule !== dragged) {
      const before = rulesOf(list).indexOf(dragged);
      list.insertBefore(dragged, isAfter(rule, event) ? rule.nextSibling : rule);
      if (rulesOf(list).indexOf(dragged) !== before) {
        save(list, dragged, -1);
      }
    }
    unmark(list);
  });
  grip.addEventListener("dragend", () => {
    dragged = null;
    unmark(list);
  });
  rule.addEventListener("keydown", (event) => {
    if (event.altKey && !event.isComposing && ["ArrowUp", "ArrowDown"].includes(event.code)) {
      event.preventDefault();
      move(rule, event.code === "ArrowUp" ? -1 : 1);
    }
  });
  for (const button of rule.querySelectorAll("[data-move]")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      move(rule, Number(button.dataset.move));
    });
  }
}

function start(list) {
  for (const rule of rulesOf(list)) {
    startRule(list, rule);
  }
}

document.documentElement.classList.add("rs-ready");
for (const list of page.querySelectorAll("[data-layer]")) {
  start(list);
}
