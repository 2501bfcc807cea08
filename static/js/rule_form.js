// The rule form: groups and rows that move, fields that follow the fact, and what it would do.
// Everything is kept in the plain fields that the form has without this script.

import { isComposing, make, parts } from "./rule_form/dom.js";
import { startOrder } from "./rule_form/order.js";
import { picker } from "./rule_form/picker.js";
import { startPreview } from "./rule_form/preview.js";
import { valueField } from "./rule_form/values.js";

const form = document.querySelector("[data-rule-form]");
const guide = JSON.parse(document.getElementById("rule-guide").textContent);
const { words } = guide;
const LAYER_ACTIONS = {
  intercept: ["hold"],
  allocate: ["assign"],
  tag: ["tag", "effect"],
  dispatch: ["dispatch"],
};
const ACTION_PARTS = {
  hold: ["risk", "text"],
  assign: ["slot", "text"],
  tag: ["text"],
  effect: ["text"],
};
const RANKS = "0123456789";

const field = (row, name) => row.querySelector(`[name$="-${name}"]`);
const part = (name, within = form) => within.querySelector(`[data-${name}]`);
const rowsOf = (group) => [...group.querySelectorAll("[data-row]")];
const groups = () => [...form.querySelectorAll("[data-group]")];
const allRows = () => [...form.querySelectorAll("[data-row]")];

function changed(node) {
  node.dispatchEvent(new Event("input", { bubbles: true }));
}

function fresh(kind) {
  const holder = document.createElement("div");
  holder.innerHTML = part(`${kind}-template`).innerHTML;
  return holder.firstElementChild;
}

// Fields are numbered in the order in which they stand, as the server reads them.
function number(prefix, nodes) {
  nodes.forEach((node, index) => {
    [node, ...node.querySelectorAll("*")].forEach((each) => {
      ["name", "id", "for"].forEach((name) => {
        const value = each.getAttribute(name);
        const now = value?.replace(new RegExp(`${prefix}-(\\d+|__prefix__)-`), `${prefix}-${index}-`);
        if (now !== undefined && now !== value) each.setAttribute(name, now);
      });
    });
  });
  form.querySelector(`[name="${prefix}-TOTAL_FORMS"]`).value = nodes.length;
}

function renumber() {
  const all = groups();
  all.forEach((group, index) => {
    const name = `${words.group} ${index + 1}`;
    part("group-name", group).textContent = name;
    group.classList.toggle("is-alternative", index > 0);
    group.querySelector("[data-move-group=up]").disabled = index === 0;
    group.querySelector("[data-move-group=down]").disabled = index === all.length - 1;
    group.querySelectorAll("[data-move-group], [data-remove-group]").forEach((button) => {
      button.hidden = all.length === 1;
    });
    rowsOf(group).forEach((row) => {
      field(row, "group").value = index + 1;
    });
  });
  number("rows", allRows());
  number("actions", [...form.querySelectorAll("[data-action]")]);
}

// --- groups and rows ----------------------------------------------------------------------------

function newGroup(after = null) {
  const group = part("group-template").content.firstElementChild.cloneNode(true);
  if (after) after.after(group);
  else part("groups").append(group);
  return group;
}

function addRow(group, row = fresh("row"), after = null) {
  if (after) after.after(row);
  else part("group-rows", group).append(row);
  wireRow(row);
  return row;
}

function copyRow(source, group, after = null) {
  const row = fresh("row");
  const select = field(row, "fact");
  const value = field(source, "fact").value;
  if (value && ![...select.options].some((option) => option.value === value)) {
    select.append(new Option(value, value));
  }
  select.value = value;
  fillOperators(row, field(source, "op").value);
  field(row, "value").value = field(source, "value").value;
  return addRow(group, row, after);
}

function arrange() {
  const byNumber = new Map();
  [...form.querySelectorAll("[data-groups] > [data-row]")].forEach((row) => {
    const isBlank = !field(row, "fact").value && !field(row, "op").value;
    if (isBlank && !row.classList.contains("is-wrong")) {
      row.remove();
      return;
    }
    const key = field(row, "group").value;
    if (!byNumber.has(key)) byNumber.set(key, newGroup());
    addRow(byNumber.get(key), row);
  });
  if (!byNumber.size) addRow(newGroup());
}

function removeRow(row) {
  const group = row.closest("[data-group]");
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (next) return firstField(next);
  if (groups().length > 1) return removeGroup(group);
  return firstField(addRow(group));
}

function removeGroup(group) {
  const next = group.nextElementSibling ?? group.previousElementSibling;
  group.remove();
  return firstField(rowsOf(next)[0]);
}

function copyGroup(group) {
  const copy = newGroup(group);
  rowsOf(group).forEach((row) => copyRow(row, copy));
  return firstField(rowsOf(copy)[0]);
}

// Past the end of its group a row goes on into the next one.
function moveRow(row, by) {
  const group = row.closest("[data-group]");
  const beside = by < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (beside) {
    if (by < 0) beside.before(row);
    else beside.after(row);
    return true;
  }
  const other = by < 0 ? group.previousElementSibling : group.nextElementSibling;
  if (!other) return false;
  if (by < 0) part("group-rows", other).append(row);
  else part("group-rows", other).prepend(row);
  if (!rowsOf(group).length) group.remove();
  return true;
}

function moveGroup(group, by) {
  const beside = by < 0 ? group.previousElementSibling : group.nextElementSibling;
  if (!beside) return false;
  if (by < 0) beside.before(group);
  else beside.after(group);
  return true;
}

const firstField = (row) => row.querySelector(".rf-pick input") ?? field(row, "fact");

// --- one condition ------------------------------------------------------------------------------

const operators = [...fresh("row").querySelectorAll('[name$="-op"] option')].map((option) => [
  option.value,
  option.textContent,
]);

function wireRow(row) {
  if (row.dataset.wired) return;
  row.dataset.wired = "1";
  const select = field(row, "fact");
  const options = [...select.options]
    .filter((option) => option.value)
    .map((option) => [
      option.value,
      option.textContent,
      option.parentElement.label ?? "",
      guide.facts[option.value]?.unit,
    ]);
  const label = select.closest("label").querySelector(".rf-label").textContent;
  const pick = picker({
    label,
    options,
    words,
    single: true,
    placeholder: words.chooseFact,
    chosen: [select.value].filter(Boolean),
    changed: ([value]) => {
      if ((value ?? "") === select.value) return;
      const before = guide.facts[select.value];
      select.value = value ?? "";
      const now = guide.facts[select.value];
      const isAlike = before && now && before.type === now.type && !before.options?.length
        && before.options !== null && now.options !== null && before.widget === now.widget;
      if (!isAlike) field(row, "value").value = "";
      fillOperators(row);
      showValue(row);
      changed(select);
    },
  });
  select.hidden = true;
  select.after(pick);
  const op = field(row, "op");
  let takes = guide.takes[op.value];
  op.addEventListener("change", () => {
    const plain = field(row, "value");
    const now = guide.takes[op.value];
    if (now !== takes && [now, takes].includes("list")) plain.value = "";
    else if (now === "one" && takes !== "one") plain.value = parts(plain.value)[0] ?? "";
    takes = now;
    showValue(row);
  });
  fillOperators(row, op.value);
  takes = guide.takes[op.value];
  showValue(row);
}

function fillOperators(row, wanted = field(row, "op").value) {
  const fact = guide.facts[field(row, "fact").value];
  const select = field(row, "op");
  const isBool = fact?.type === "bool";
  const shown = fact
    ? fact.operators.filter((name) => !isBool || !["eq", "ne"].includes(name) || name === wanted)
    : operators.map(([name]) => name);
  const texts = new Map(operators);
  select.replaceChildren(
    ...shown.map((name) => new Option((isBool && words.bool[name]) || texts.get(name), name)),
  );
  select.value = shown.includes(wanted) && wanted ? wanted : (shown[0] ?? "");
}

function showValue(row) {
  const plain = field(row, "value");
  const box = part("widget", row);
  const label = row.querySelector(".rf-cell-value .rf-label").textContent;
  const op = field(row, "op").value;
  if (guide.takes[op] === "nothing") plain.value = "";
  const nodes = valueField({
    guide,
    label,
    op,
    key: field(row, "fact").value,
    value: plain.value,
    set: (text) => {
      plain.value = text;
      changed(plain);
    },
    redraw: (text) => {
      plain.value = text;
      showValue(row);
      changed(plain);
    },
    splitRange: (low, high) => splitRange(row, low, high),
  });
  box.replaceChildren(...(nodes ?? []));
  plain.hidden = nodes !== null;
  const isFree = !field(row, "fact").value && !plain.value;
  row.classList.toggle("has-no-value", guide.takes[op] === "nothing" || isFree);
}

// A range over midnight: from the evening on in this group, until the morning in a copy of it.
function splitRange(row, low, high) {
  const group = row.closest("[data-group]");
  const place = rowsOf(group).indexOf(row);
  const copy = newGroup(group);
  rowsOf(group).forEach((each) => copyRow(each, copy));
  [[row, "gte", low], [rowsOf(copy)[place], "lte", high]].forEach(([each, op, value]) => {
    field(each, "value").value = value;
    fillOperators(each, op);
    showValue(each);
  });
  renumber();
  changed(field(row, "value"));
  firstField(rowsOf(copy)[place]).focus();
}

// --- actions ------------------------------------------------------------------------------------

function wireAction(action) {
  field(action, "do").addEventListener("change", () => showParts(action));
  field(action, "slot").addEventListener("change", () => {
    field(action, "text").value = "";
    showParts(action);
  });
  showParts(action);
}

function showParts(action) {
  const shown = ACTION_PARTS[field(action, "do").value] ?? [];
  action.querySelectorAll("[data-part]").forEach((cell) => {
    cell.hidden = !shown.includes(cell.dataset.part);
  });
  const text = field(action, "text");
  const kind = field(action, "do").value;
  const slot = field(action, "slot").value;
  const label = words.actionText[kind] ?? words.actionText.assign;
  action.querySelector("[data-part=text]").querySelector(".rf-label").textContent = label;
  const offered = offeredFor(kind, slot);
  part("widget", action).replaceChildren();
  text.hidden = offered !== null;
  if (offered === null) return;
  part("widget", action).append(
    picker({
      ...offered,
      label,
      words,
      single: true,
      placeholder: offered.isOpen ? words.typeValue : words.search,
      chosen: [text.value].filter(Boolean),
      changed: ([value]) => {
        text.value = value ?? "";
        changed(text);
      },
    }),
  );
}

function offeredFor(kind, slot) {
  const asOptions = (values) => values.map((value) => [value, value]);
  if (kind === "tag" || kind === "effect") return { options: asOptions(guide.used[kind]), isOpen: true };
  if (kind !== "assign" || !slot) return null;
  if (slot === "print_priority") return { options: asOptions([...RANKS]), isOpen: false };
  const values = guide.slots[slot] ?? [];
  if (values.length) {
    const options = values.map(([code, name]) => [code, code === name ? code : `${code} ${name}`]);
    return { options, isOpen: true };
  }
  return { options: asOptions(slot === "lane" ? guide.used.lane : []), isOpen: true };
}

function followLayer() {
  const layer = form.elements.layer.value;
  part("layer-hint").textContent = guide.layerHints[layer] ?? "";
  form.querySelectorAll("[data-action]").forEach((action) => {
    const select = field(action, "do");
    const allowed = LAYER_ACTIONS[layer] ?? [];
    [...select.options].forEach((option) => {
      option.hidden = option.disabled = !allowed.includes(option.value);
    });
    if (!allowed.includes(select.value)) [select.value] = allowed;
    select.closest(".rf-cell").classList.toggle("is-only", allowed.length === 1);
    showParts(action);
  });
  part("add-action").hidden = ["intercept", "dispatch"].includes(layer);
}

function addAction() {
  const action = fresh("action");
  part("actions").append(action);
  wireAction(action);
  followLayer();
  return action.querySelector(".rf-cell:not(.is-only):not([hidden]) :is(select, input):not([hidden])");
}

// --- the window ---------------------------------------------------------------------------------

guide.campaigns.forEach((campaign) => {
  const button = make("button", { type: "button", class: "rf-small" }, campaign.label);
  button.addEventListener("click", () => setWindow(campaign.from, campaign.until));
  part("window-presets").append(button);
});
const clear = make("button", { type: "button", class: "rf-small" }, words.always);
clear.addEventListener("click", () => setWindow("", ""));
part("window-presets").append(clear);

function setWindow(from, until) {
  form.elements.valid_from.value = from;
  form.elements.valid_until.value = until;
  changed(form.elements.valid_until);
}

// --- start --------------------------------------------------------------------------------------

document.documentElement.classList.add("rf-ready");
arrange();
[...form.querySelectorAll("[data-action]")].forEach((action, index) => {
  const isBlank = !field(action, "do").value && !field(action, "text").value;
  if (isBlank && index && !action.classList.contains("is-wrong")) action.remove();
  else wireAction(action);
});
followLayer();
renumber();

const preview = startPreview(form, guide);
const order = startOrder(form, guide);
const written = () => new URLSearchParams(new FormData(form)).toString();
const begin = written();
let isLeaving = false;

form.addEventListener("submit", () => {
  isLeaving = true;
});
form.querySelector("[data-leave]")?.addEventListener("click", () => {
  isLeaving = true;
});
window.addEventListener("beforeunload", (event) => {
  if (!isLeaving && (form.dataset.unsaved === "1" || written() !== begin)) event.preventDefault();
});
window.addEventListener("pageshow", () => {
  isLeaving = false;
});

const ACTS = {
  "add-group": () => firstField(addRow(newGroup())),
  "add-row": (button) => firstField(addRow(button.closest("[data-group]"))),
  "remove-row": (button) => removeRow(button.closest("[data-row]")),
  "copy-row": (button) => {
    const row = button.closest("[data-row]");
    return firstField(copyRow(row, row.closest("[data-group]"), row));
  },
  "move-row": (button) => {
    moveRow(button.closest("[data-row]"), button.dataset.moveRow === "up" ? -1 : 1);
    return button;
  },
  "remove-group": (button) => removeGroup(button.closest("[data-group]")),
  "copy-group": (button) => copyGroup(button.closest("[data-group]")),
  "move-group": (button) => {
    moveGroup(button.closest("[data-group]"), button.dataset.moveGroup === "up" ? -1 : 1);
    return button;
  },
  "add-action": () => addAction(),
  "remove-action": (button) => {
    const others = form.querySelectorAll("[data-action]").length > 1;
    if (others) button.closest("[data-action]").remove();
    return part("add-action");
  },
};

form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const name = Object.keys(ACTS).find((each) => button?.matches(`[data-${each}]`));
  if (!name) return;
  const focus = ACTS[name](button);
  renumber();
  focus?.focus();
  preview.soon();
});

// Alt with an arrow moves the condition in which one is typing.
form.addEventListener("keydown", (event) => {
  if (isComposing(event) || !event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  const row = event.target.closest("[data-row]");
  if (!row) return;
  event.preventDefault();
  const focused = document.activeElement;
  if (!moveRow(row, event.key === "ArrowUp" ? -1 : 1)) return;
  renumber();
  focused.focus();
  preview.soon();
});

form.addEventListener("input", preview.soon);
form.addEventListener("change", preview.soon);
form.elements.layer.addEventListener("change", () => {
  followLayer();
  order.draw();
});
preview.now();
