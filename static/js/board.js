// The quarantine board's script: keys, the pane, acts without leaving the page, and polling.
// Every act is a form that also works without this file; nothing here decides anything.

const board = document.querySelector("[data-board]");
const WIDE = window.matchMedia("(min-width: 1024px)");
const KEYS_SETTING = "boardKeys";
const LAST_REASON = "boardReason";
const ACTIVE_MS = 3_000;
const IDLE_MS = 60_000;
const CHUNK = 20;

if (board) start();

function start() {
  const rows = board.querySelector("[data-rows]");
  const pane = board.querySelector("[data-pane]");
  const toast = board.querySelector("[data-toast]");
  const fresh = board.querySelector("[data-new]");
  const bulk = board.querySelector("[data-bulk]");
  const help = board.querySelector("[data-help-dialog]");
  const helpButton = board.querySelector("[data-help]");
  const keysSwitch = board.querySelector("[data-keys-switch]");
  const say = board.dataset;
  let current = rows.querySelector("[aria-current]");
  let newest = Number(say.newest);
  let lastReleased = null;
  let armed = null;
  let busy = false;
  let paneRequest = 0;
  let toastTimer = 0;
  let activeAt = performance.now();
  let pollTimer = 0;
  let renewTimer = 0;

  const mayDecide = say.mayDecide === "1";
  const keysOn = () => localStorage.getItem(KEYS_SETTING) !== "off";
  const allRows = () => [...rows.querySelectorAll("[data-hold]")];
  const openRows = () => allRows().filter((row) => !row.classList.contains("is-done"));
  const box = (row) => row?.querySelector("input[name=hold]");

  helpButton.hidden = false;
  keysSwitch.checked = keysOn();

  // --- talking to the server -----------------------------------------------------------------

  async function ask(url, options = {}) {
    let response;
    try {
      response = await fetch(url, {
        credentials: "same-origin",
        redirect: "error",
        ...options,
        headers: { Accept: "application/json", ...options.headers },
      });
    } catch {
      return { ok: false, message: say.noNetwork };
    }
    const type = response.headers.get("Content-Type") ?? "";
    if (!type.includes("json")) return { ok: false, message: say.lost };
    return response.json();
  }

  async function loadPane(row) {
    const mine = ++paneRequest;
    const url = new URL(row.querySelector("[data-open]").href);
    url.searchParams.set("part", "pane");
    try {
      const response = await fetch(url, { credentials: "same-origin", redirect: "error" });
      const html = await response.text();
      if (mine !== paneRequest) return;
      if (response.ok) showPane(html);
      else tell(say.lost);
    } catch {
      if (mine === paneRequest) tell(say.noNetwork);
    }
  }

  function showPane(html) {
    disarm();
    const parsed = new DOMParser().parseFromString(html, "text/html");
    pane.replaceChildren(...parsed.body.childNodes);
    pane.scrollTop = 0;
  }

  // --- the list ------------------------------------------------------------------------------

  function choose(row, { focus = true } = {}) {
    if (!row) return;
    current?.removeAttribute("aria-current");
    current = row;
    row.setAttribute("aria-current", "true");
    if (focus) row.querySelector("[data-open]").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    loadPane(row);
  }

  function step(by) {
    const list = allRows();
    const place = list.indexOf(current);
    const next = list[Math.min(Math.max(place + by, 0), list.length - 1)];
    if (next && next !== current) choose(next);
    if (by > 0 && place >= list.length - 5) loadMore();
  }

  function nextOpen() {
    const list = allRows();
    const place = list.indexOf(current);
    const isOpen = (row) => !row.classList.contains("is-done");
    return list.slice(place + 1).find(isOpen) ?? list.slice(0, Math.max(place, 0)).find(isOpen);
  }

  function showState(row, state) {
    if (!row || !state) return;
    const claim = row.querySelector("[data-claim]");
    claim.textContent = state.claim;
    claim.classList.toggle("is-mine", state.mine);
    row.querySelector("[data-outcome]").textContent = state.outcome;
    const clock = row.querySelector("[data-clock]");
    clock.textContent = state.outcome ? "" : state.clock;
    clock.className = `board-clock is-${state.level}`;
    const done = state.state !== "open" && Boolean(mayDecide ? box(row) : state.outcome);
    if (done && !row.classList.contains("is-done")) {
      row.classList.add("is-done");
      box(row)?.replaceWith(Object.assign(document.createElement("span"), { className: "board-nobox" }));
      countSelected();
    }
    if (row === current) {
      const shown = pane.querySelector("[data-pane-claim]");
      if (shown) {
        shown.textContent = state.claim;
        shown.classList.toggle("is-mine", state.mine);
      }
      showClaimButton(state.mine);
    }
  }

  function showClaimButton(mine) {
    const form = pane.querySelector("[data-act=claim]");
    if (!form) return;
    form.action = mine ? form.dataset.unclaimUrl : form.dataset.claimUrl;
    const button = form.querySelector("button");
    button.querySelector("span").textContent = mine
      ? button.dataset.unclaimLabel
      : button.dataset.claimLabel;
  }

  let loadingMore = false;
  async function loadMore() {
    const more = board.querySelector("[data-more]");
    if (!more || loadingMore) return;
    loadingMore = true;
    const url = new URL(more.href);
    url.searchParams.set("part", "rows");
    const answer = await ask(url);
    loadingMore = false;
    if (!answer.html) return;
    const seen = new Set(allRows().map((row) => row.dataset.hold));
    const parsed = new DOMParser().parseFromString(`<ol>${answer.html}</ol>`, "text/html");
    for (const row of parsed.querySelectorAll("[data-hold]")) {
      if (!seen.has(row.dataset.hold)) rows.append(row);
    }
    if (answer.after) {
      const next = new URL(more.href);
      next.searchParams.set("after", answer.after);
      more.href = next;
    } else more.remove();
  }

  async function reload() {
    const chosen = new Set([...rows.querySelectorAll("input:checked")].map((one) => one.value));
    const answer = await ask(`?${say.view}&part=rows`);
    if (!answer.html) return tell(answer.message);
    const parsed = new DOMParser().parseFromString(`<ol>${answer.html}</ol>`, "text/html");
    const kept = current?.dataset.hold;
    rows.replaceChildren(...parsed.querySelectorAll("[data-hold]"));
    for (const one of rows.querySelectorAll("input[name=hold]")) one.checked = chosen.has(one.value);
    newest = answer.newest;
    fresh.hidden = true;
    board.querySelector("[data-empty]")?.toggleAttribute("hidden", rows.children.length > 0);
    showCounts(answer.counts);
    countSelected();
    const again = kept && rows.querySelector(`[data-hold="${kept}"]`);
    current = null;
    if (again) {
      current = again;
      again.setAttribute("aria-current", "true");
    } else if (rows.firstElementChild) choose(rows.firstElementChild, { focus: false });
  }

  // --- acts ----------------------------------------------------------------------------------

  async function act(form) {
    if (busy || form.querySelector("button:disabled")) return;
    busy = true;
    const kind = form.dataset.act;
    const row = rows.querySelector(`[data-hold="${pane.querySelector("[data-pane-hold]")?.dataset.paneHold}"]`);
    const body = new FormData(form);
    form.setAttribute("aria-busy", "true");
    if (kind === "release") remember(body);
    const answer = await ask(form.action, { method: "POST", body });
    form.removeAttribute("aria-busy");
    busy = false;
    active();
    showState(row, answer.row);
    if (kind === "claim") return claimed(answer, row);
    if (kind === "note" && answer.ok) {
      tell(answer.message);
      return row && loadPane(row);
    }
    if (!answer.ok) return refused(answer, row);
    disarm();
    if (kind === "again") {
      lastReleased = null;
      tell(answer.message);
      return row && loadPane(row);
    }
    lastReleased = answer.again
      ? { url: form.action.replace(/[\w-]+\/$/, "hold-again/"), body }
      : null;
    tell(answer.message, answer.again ? holdAgain : null);
    const next = nextOpen();
    if (next) choose(next);
    else {
      tell(`${answer.message} ${say.allDone}`, answer.again ? holdAgain : null);
      if (row) loadPane(row);
    }
    poll();
  }

  function refused(answer, row) {
    tell(answer.message);
    if (answer.code !== "already_done") return;
    const next = nextOpen();
    if (next && next !== row) choose(next);
    else if (row) loadPane(row);
    poll();
  }

  function claimed(answer, row) {
    clearInterval(renewTimer);
    tell(answer.message);
    if (!answer.ok) return refused(answer, row);
    if (!answer.row.mine) return;
    const url = pane.querySelector("[data-act=claim]")?.dataset.claimUrl;
    const token = new FormData(pane.querySelector("[data-act=claim]"));
    renewTimer = setInterval(async () => {
      if (current !== row) return clearInterval(renewTimer);
      if (document.hidden) return;
      const again = await ask(url, { method: "POST", body: token });
      showState(row, again.row);
      if (!again.ok || row?.classList.contains("is-done")) clearInterval(renewTimer);
    }, 25_000);
  }

  async function holdAgain() {
    if (!lastReleased || busy) return;
    busy = true;
    const { url, body } = lastReleased;
    body.delete("quick");
    body.set("reason", "");
    const answer = await ask(url, { method: "POST", body });
    busy = false;
    if (answer.ok) lastReleased = null;
    tell(answer.message);
    poll();
  }

  // Arming an act puts the focus on its quick reasons: a digit or Enter then does it.
  function arm(kind, followUp) {
    if (kind === "uphold") {
      const more = pane.querySelector("[data-uphold]");
      if (!more) return;
      more.open = true;
    }
    const form = pane.querySelector(`[data-act=${kind}]`);
    if (!form) return;
    disarm();
    if (form.querySelector("button:disabled")) {
      tell(form.querySelector(".desk-notice")?.textContent ?? "");
      return;
    }
    armed = form;
    form.classList.add("is-armed");
    if (followUp) form.querySelector(`[name=follow_up][value=${followUp}]`).checked = true;
    const chips = [...form.querySelectorAll("[name=quick]")];
    const last = kind === "release" ? localStorage.getItem(LAST_REASON) : null;
    const chip = chips.find((one) => one.value === last) ?? chips[0];
    if (!form.querySelector("[name=reason]").value) chip.checked = true;
    chip.focus();
    form.scrollIntoView({ block: "nearest" });
  }

  function disarm() {
    armed?.classList.remove("is-armed");
    armed = null;
  }

  function remember(body) {
    const quick = body.get("quick");
    if (quick && !body.get("reason")) localStorage.setItem(LAST_REASON, quick);
  }

  // --- many ----------------------------------------------------------------------------------

  const selected = () => [...rows.querySelectorAll("input[name=hold]:checked")];

  function countSelected() {
    const label = board.querySelector("[data-selected-count]");
    if (label) label.textContent = selected().length ? say.selected.replace("%s", selected().length) : "";
  }

  async function releaseMany() {
    const boxes = selected();
    if (busy) return;
    busy = true;
    const label = board.querySelector("[data-selected-count]");
    const keys = boxes.map((one) => one.value);
    const failures = [];
    let done = 0;
    for (let at = 0; at < Math.max(keys.length, 1); at += CHUNK) {
      const body = new FormData(bulk);
      body.delete("hold");
      for (const key of keys.slice(at, at + CHUNK)) body.append("hold", key);
      const answer = await ask(bulk.action, { method: "POST", body });
      if (!answer.results) {
        busy = false;
        return tell(answer.message);
      }
      for (const one of answer.results) {
        const row = rows.querySelector(`[data-hold="${one.id}"]`);
        showState(row, one.row);
        row?.classList.toggle("is-failed", !one.ok);
        if (one.ok) done += 1;
        else failures.push(`${one.number}: ${one.message}`);
      }
      label.textContent = say.working.replace("%s", Math.min(at + CHUNK, keys.length)).replace("%s", keys.length);
    }
    busy = false;
    countSelected();
    const parts = [say.bulkDone.replace("%s", done)];
    if (failures.length) parts.push(say.bulkFailed.replace("%s", failures.length), ...failures.slice(0, 5));
    tell(parts.join(" · "), null, failures.length ? 20_000 : 6_000);
    if (current?.classList.contains("is-done") && nextOpen()) choose(nextOpen());
    poll();
  }

  // --- telling -------------------------------------------------------------------------------

  function tell(message, again = null, time = 8_000) {
    if (!message) return;
    clearTimeout(toastTimer);
    toast.textContent = message;
    if (again) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-keyshortcuts", "u");
      button.textContent = `${say.holdAgain} (U)`;
      button.addEventListener("click", again);
      toast.append(button);
    }
    toast.hidden = false;
    toastTimer = setTimeout(() => { toast.hidden = true; }, time);
  }

  function showCounts(counts) {
    for (const [key, count] of Object.entries(counts ?? {})) {
      const label = board.querySelector(`[data-count="${key}"]`);
      if (!label) continue;
      label.textContent = count;
      if (key === "overdue") label.toggleAttribute("data-alarm", count > 0);
    }
  }

  // --- polling: quick after activity, slow when idle, not at all while hidden ----------------

  function active() {
    const wasIdle = performance.now() - activeAt > ACTIVE_MS * 5;
    activeAt = performance.now();
    if (wasIdle) plan();
  }

  function plan() {
    clearTimeout(pollTimer);
    if (document.hidden) return;
    const idle = performance.now() - activeAt;
    const wait = Math.min(Math.max(ACTIVE_MS, idle / 2), IDLE_MS);
    pollTimer = setTimeout(poll, wait);
  }

  async function poll() {
    clearTimeout(pollTimer);
    const ids = openRows().slice(0, 300).map((row) => row.dataset.hold).join(",");
    const answer = await ask(`${say.poll}?${say.view}&newest=${newest}&ids=${ids}`);
    if (answer.rows) {
      for (const [key, state] of Object.entries(answer.rows)) {
        showState(rows.querySelector(`[data-hold="${key}"]`), state);
      }
      showCounts(answer.counts);
      fresh.hidden = answer.new === 0;
      fresh.textContent = answer.new === 1 ? say.newOne : say.newMany.replace("%s", answer.new);
    }
    plan();
  }

  // --- keys ----------------------------------------------------------------------------------

  const TYPING = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]";

  function onKey(event) {
    active();
    if (event.isComposing || event.keyCode === 229) return;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const typing = event.target.closest?.(TYPING);
    if (event.code === "Escape" && (typing || armed)) {
      disarm();
      document.activeElement.blur();
      current?.querySelector("[data-open]").focus({ preventScroll: true });
      return;
    }
    if (typing || !keysOn()) return;
    if (armed && chipKey(event)) return;
    const key = event.shiftKey ? `Shift+${event.code}` : event.code;
    const known = KEYS[key];
    if (!known) return;
    if (key === "Space" && event.target.closest("button, a:not([data-open]), summary, input")) return;
    if (key.startsWith("Arrow") && event.target.matches("[type=radio]")) return;
    event.preventDefault();
    known();
  }

  function chipKey(event) {
    const chips = [...armed.querySelectorAll("[name=quick]")];
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    if (digit && !event.shiftKey && chips[digit[1] - 1]) {
      event.preventDefault();
      chips[digit[1] - 1].checked = true;
      armed.querySelector("[name=reason]").value = "";
      act(armed);
      return true;
    }
    if ((event.code === "Enter" || event.code === "NumpadEnter") && event.target.matches("[type=radio]")) {
      event.preventDefault();
      act(armed);
      return true;
    }
    return false;
  }

  const KEYS = {
    KeyJ: () => step(1),
    KeyK: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    KeyR: () => mayDecide && arm("release"),
    KeyH: () => mayDecide && arm("uphold", "correction"),
    KeyX: () => mayDecide && arm("uphold", "cancel"),
    KeyC: () => mayDecide && pane.querySelector("[data-act=claim]")?.requestSubmit(),
    KeyU: () => holdAgain(),
    KeyE: () => pane.querySelector("[data-correct]")?.click(),
    KeyN: () => pane.querySelector("[data-act=note] [name=reason]")?.focus(),
    Space: () => {
      const one = box(current);
      if (one) {
        one.checked = !one.checked;
        countSelected();
      }
    },
    "Shift+Slash": () => help.showModal(),
  };

  // --- wiring --------------------------------------------------------------------------------

  document.addEventListener("keydown", onKey);
  document.addEventListener("pointerdown", active, { passive: true });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(pollTimer) : poll()));

  rows.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open]");
    if (!link || !WIDE.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(link.closest("[data-hold]"));
  });

  board.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const one of rows.querySelectorAll("input[name=hold]")) one.checked = event.target.checked;
    }
    if (event.target.matches("[data-keys-switch]")) {
      localStorage.setItem(KEYS_SETTING, event.target.checked ? "on" : "off");
    }
    countSelected();
  });

  pane.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("[data-act]")) {
      event.preventDefault();
      act(form);
    } else if (form.matches("[data-reveal]")) {
      event.preventDefault();
      const body = new FormData(form);
      body.set("part", "pane");
      const response = await fetch(form.action, { method: "POST", body, redirect: "error" });
      if (response.ok) showPane(await response.text());
      else tell(say.lost);
    }
  });

  bulk.addEventListener("submit", (event) => {
    event.preventDefault();
    releaseMany();
  });
  board.querySelector("[data-more]")?.addEventListener("click", (event) => {
    event.preventDefault();
    loadMore();
  });
  fresh.addEventListener("click", reload);
  helpButton.addEventListener("click", () => help.showModal());
  countSelected();
  plan();
}
