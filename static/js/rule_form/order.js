// The order in which rules are asked, with the rule being written at its place in it.

import { fill, make } from "./dom.js";

const BESIDE = 2;

export function startOrder(form, guide) {
  const { words } = guide;
  const box = form.querySelector("[data-order]");
  const list = box.querySelector("[data-order-list]");
  const says = box.querySelector("[data-order-says]");
  const { priority, key, layer, name, was } = form.elements;

  const others = () => guide.rules[layer.value].filter((rule) => rule.key !== was.value);
  const ownKey = () => key.value || "\uffff";
  const isBefore = (rule, number) =>
    rule.priority < number || (rule.priority === number && rule.key < ownKey());

  function place() {
    const number = Number(priority.value);
    return others().filter((rule) => isBefore(rule, number)).length;
  }

  // The number that puts this rule behind `index` of the others; null where none is left.
  function numberFor(index) {
    const all = others();
    const [before, after] = [all[index - 1], all[index]];
    const low = before ? before.priority + (before.key < ownKey() ? 0 : 1) : 0;
    const high = after ? after.priority - (after.key > ownKey() ? 0 : 1) : Infinity;
    if (low > high || high < 0) return null;
    const roomy = before && after ? Math.floor((before.priority + after.priority) / 2) : null;
    if (roomy !== null && roomy > before.priority && roomy < after.priority) return roomy;
    if (!after && before) return Math.max(low, before.priority + 10);
    if (!before && after && after.priority > 0) return Math.floor(after.priority / 2);
    return Math.min(Math.max(low, 0), high);
  }

  function moveTo(index) {
    if (index < 0 || index > others().length) return;
    const number = numberFor(index);
    if (number === null) {
      says.textContent = words.noRoom;
      return;
    }
    priority.value = number;
    priority.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function line(rule, index) {
    const isIdle = rule.status !== "live";
    const node = make(
      "li",
      { class: `rf-order-rule ${isIdle ? "is-idle" : ""}` },
      make("span", { class: "rf-priority" }, String(rule.priority)),
      make("a", { href: rule.url, target: "_blank", rel: "noopener" }, rule.name),
      isIdle ? make("span", { class: "rf-about" }, words.status[rule.status]) : null,
    );
    node.addEventListener("dragover", (event) => event.preventDefault());
    node.addEventListener("drop", (event) => {
      event.preventDefault();
      moveTo(index < place() ? index : index + 1);
    });
    return node;
  }

  function self() {
    const node = make(
      "li",
      { class: "rf-order-rule is-this", draggable: "true", "aria-current": "true" },
      make("span", { class: "rf-priority" }, priority.value || "?"),
      make("span", {}, name.value || words.thisRule),
      make("span", { class: "rf-about" }, words.thisRule),
    );
    node.addEventListener("dragstart", (event) => {
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", name.value);
    });
    return node;
  }

  function draw() {
    const all = others();
    const at = place();
    const from = Math.max(0, at - BESIDE);
    const until = Math.min(all.length, at + BESIDE);
    const note = (count, text) =>
      count > 0 ? make("li", { class: "rf-order-note" }, fill(text, { count })) : "";
    list.replaceChildren(
      note(from, words.moreBefore),
      ...all.slice(from, at).map((rule, index) => line(rule, from + index)),
      self(),
      ...all.slice(at, until).map((rule, index) => line(rule, at + index)),
      note(all.length - until, words.moreAfter),
    );
    const values = { before: all[at - 1]?.name, after: all[at]?.name };
    const text = all.length
      ? words[at === 0 ? "askedFirst" : at === all.length ? "askedLast" : "askedBetween"]
      : words.askedAlone;
    says.textContent = fill(text, values);
    const [up, down] = ["up", "down"].map((way) => form.querySelector(`[data-priority=${way}]`));
    up.disabled = at === 0;
    down.disabled = at === all.length;
  }

  form.querySelectorAll("[data-priority]").forEach((button) => {
    button.addEventListener("click", () => moveTo(place() + (button.dataset.priority === "up" ? -1 : 1)));
  });
  [priority, key, name].forEach((input) => input.addEventListener("input", draw));
  box.hidden = false;
  draw();
  return { draw };
}
