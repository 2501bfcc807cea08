// What the rule says and would do, kept up to date beside the form while one types.

import { icon, make } from "./dom.js";

const WAIT_MS = 400;
const LEVEL_ICONS = { error: "error", warning: "warning", info: "info" };

export function startPreview(form, guide) {
  const { words } = guide;
  const part = (name) => document.querySelector(`[data-${name}]`);
  let timer = 0;
  let running = null;
  let last = "";

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(now, WAIT_MS);
  }

  async function now() {
    clearTimeout(timer);
    const data = new FormData(form);
    const text = new URLSearchParams(data).toString();
    if (text === last) return;
    last = text;
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    part("preview").setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.dataset.previewUrl, {
        method: "POST",
        body: data,
        signal,
        credentials: "same-origin",
        redirect: "error",
        headers: { Accept: "application/json" },
      });
      if (!response.ok) throw new Error(String(response.status));
      show(await response.json());
      part("preview").removeAttribute("aria-busy");
    } catch (error) {
      if (error.name === "AbortError") return;
      last = "";
      part("preview").removeAttribute("aria-busy");
      part("summary").textContent = words.noPreview;
    }
  }

  // --- rendering, by text only ------------------------------------------------------------------

  function put(name, text) {
    const node = part(name);
    if (node.textContent !== text) node.textContent = text;
    node.hidden = !text;
  }

  function show(answer) {
    put("sentence", answer.sentence || words.broken);
    put("summary", answer.summary);
    part("meter").value = answer.share;
    part("meter").hidden = answer.share === null;
    part("lines").replaceChildren(...answer.lines.map((line) => make("li", {}, line)));
    part("missing").replaceChildren(...answer.missing.map((line) => make("li", {}, line)));
    part("missing-box").hidden = !answer.missing.length;
    showRows(answer);
    const warnings = answer.findings.filter((each) => each.level !== "info");
    const notes = answer.findings.filter((each) => each.level === "info");
    redraw("findings", warnings, finding);
    part("findings-box").hidden = !warnings.length;
    redraw("notes", notes, finding);
    part("notes-box").hidden = !notes.length;
    part("notes-title").textContent = answer.notes;
    put("calm", answer.calm);
    redraw("examples", answer.examples, example);
    part("examples-box").hidden = !answer.examples.length;
    put("bar-text", answer.bar);
  }

  // What stays the same is left alone, so that an opened witness stays open.
  function redraw(name, entries, drawn) {
    const node = part(name);
    const text = JSON.stringify(entries);
    if (node.dataset.drawn === text) return;
    node.dataset.drawn = text;
    node.replaceChildren(...entries.map(drawn));
  }

  function showRows(answer) {
    form.querySelectorAll("[data-row]").forEach((row, index) => {
      row.querySelector("[data-hits]").textContent = answer.rows[index] ?? "";
      const error = row.querySelector("[data-live-error]");
      const text = answer.errors[index] ?? "";
      if (error.textContent !== text) error.textContent = text;
      error.hidden = !text || row.querySelector(".rf-error[role], .rf-range-hint:not([hidden])") !== null;
    });
    form.querySelectorAll("[data-group]").forEach((group, index) => {
      group.querySelector("[data-group-hits]").textContent = answer.groups[index] ?? "";
    });
  }

  function facts(pairs) {
    const list = make("dl", { class: "rf-facts" });
    pairs.forEach(([label, value]) => list.append(make("dt", {}, label), make("dd", {}, value)));
    return list;
  }

  function finding(each) {
    const level = make("span", { class: "rf-level" }, icon(LEVEL_ICONS[each.level] ?? "info"), each.label);
    const node = make("li", { class: `rf-finding is-${each.level}` }, level, make("p", {}, each.sentence));
    each.rules.forEach((rule) => {
      const link = make("a", { class: "rf-link", href: rule.url, target: "_blank", rel: "noopener" }, rule.name);
      node.append(make("p", { class: "rf-finding-rule" }, link));
    });
    if (each.witness.length) {
      const box = make("details", { class: "rf-details" }, make("summary", {}, words.witness));
      box.append(facts(each.witness));
      if (each.decision.length) {
        box.append(make("p", { class: "rf-label" }, words.tried));
        box.append(make("ul", { class: "rf-lines" }, ...each.decision.map((line) => make("li", {}, line))));
      }
      node.append(box);
    }
    return node;
  }

  function example(each) {
    const link = make("a", { class: "rf-link", href: each.url, target: "_blank", rel: "noopener" }, each.reference);
    const head = make(
      "p",
      { class: "rf-example-head" },
      link,
      make("span", { class: "rf-amount" }, each.amount),
      make("time", { datetime: each.at, title: each.exact }, each.ago),
    );
    return make("li", {}, head, make("p", {}, each.why), make("p", { class: "rf-hint" }, each.note));
  }

  return { soon, now };
}
