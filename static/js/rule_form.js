// The rule form: groups of conditions, value fields that follow the fact, the sentence beside it.
// Everything is kept in the plain fields that the form has without this script.

const form = document.querySelector("[data-rule-form]");
const guide = JSON.parse(document.getElementById("rule-guide").textContent);
const layerHints = JSON.parse(document.getElementById("rule-layer-hints").textContent);
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
const WAIT_MS = 300;

const field = (row, name) => row.querySelector(`[name$="-${name}"]`);
const part = (name) => form.querySelector(`[data-${name}]`);

function make(tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
  node.textContent = text;
  return node;
}

function fresh(kind, prefix) {
  const total = form.querySelector(`[name="${prefix}-TOTAL_FORMS"]`);
  const holder = document.createElement("div");
  holder.innerHTML = part(`${kind}-template`).innerHTML.replaceAll("__prefix__", total.value);
  total.value = Number(total.value) + 1;
  return holder.firstElementChild;
}

// --- groups -------------------------------------------------------------------------------------

function newGroup() {
  const group = part("group-template").content.firstElementChild.cloneNode(true);
  part("groups").append(group);
  return group;
}

function renumber() {
  const groups = [...form.querySelectorAll("[data-group]")];
  groups.forEach((group, index) => {
    const name = `${guide.words.group} ${index + 1}`;
    group.querySelector("[data-group-name]").textContent =
      index ? `${guide.words.or} · ${name}` : name;
    group.querySelectorAll("[data-row]").forEach((row) => {
      field(row, "group").value = index + 1;
    });
  });
}

function addRow(group, row = fresh("row", "rows")) {
  group.querySelector("[data-group-rows]").append(row);
  wireRow(row);
  return row;
}

function arrange() {
  const byNumber = new Map();
  [...form.querySelectorAll("[data-groups] > [data-row]")].forEach((row) => {
    const isBlank = !field(row, "fact").value && !field(row, "op").value;
    if (isBlank && !row.classList.contains("is-wrong")) {
      row.remove();
      return;
    }
    const number = field(row, "group").value;
    if (!byNumber.has(number)) byNumber.set(number, newGroup());
    addRow(byNumber.get(number), row);
  });
  if (!byNumber.size) addRow(newGroup());
  renumber();
}

// --- one condition ------------------------------------------------------------------------------

function wireRow(row) {
  field(row, "fact").addEventListener("change", () => {
    offerOperators(row);
    showWidget(row);
  });
  field(row, "op").addEventListener("change", () => showWidget(row));
  offerOperators(row);
  showWidget(row);
}

function offerOperators(row) {
  const fact = guide.facts[field(row, "fact").value];
  const select = field(row, "op");
  [...select.options].forEach((option) => {
    const fits = !option.value || !fact || fact.operators.includes(option.value);
    option.hidden = option.disabled = !fits;
  });
  if (select.selectedOptions[0]?.disabled) select.value = "";
  if (!select.value && fact) [select.value] = fact.operators;
}

function parts(text) {
  const found = text.includes("\n") ? text.split("\n") : text.split(/[,，、]/);
  return found.map((item) => item.trim()).filter(Boolean);
}

function joined(values) {
  if (!values.some((value) => /[,，、]/.test(value))) return values.join(", ");
  return values.join("\n") + (values.length === 1 ? "\n" : "");
}

function showWidget(row) {
  const plain = field(row, "value");
  const box = row.querySelector("[data-widget]");
  const fact = guide.facts[field(row, "fact").value];
  const takes = guide.takes[field(row, "op").value];
  const label = row.querySelector(".rf-cell-value .rf-label").textContent;
  const set = (value) => {
    plain.value = value;
    plain.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const widget = fact && takes ? widgetFor(fact, takes, plain.value, set) : null;
  box.replaceChildren(...(widget ?? []));
  box.querySelectorAll("input, select, textarea").forEach((input) => {
    input.setAttribute("aria-label", label);
  });
  plain.hidden = widget !== null;
  plain.placeholder = takes === "many" ? guide.words.values : "";
  if (takes === "nothing") plain.value = "";
}

function widgetFor(fact, takes, value, set) {
  if (takes === "nothing") return [make("span")];
  if (takes === "list") return [choose(["", "—"], guide.lists, [value.trim()], set)];
  if (fact.type === "bool") {
    const answers = [["true", guide.words.yes], ["false", guide.words.no]];
    return [choose(["", "—"], answers, [value.trim()], set)];
  }
  if (takes === "range") return range(fact, parts(value), set);
  if (fact.options.length && takes === "many") return [many(fact.options, parts(value), set)];
  if (fact.options.length) return [choose(["", "—"], fact.options, [value.trim()], set)];
  if (["number", "money"].includes(fact.type) && takes === "one") {
    return [number(value.trim(), (input) => set(input.value)), ...unit(fact)];
  }
  return null;
}

function choose(none, options, chosen, set) {
  const select = make("select");
  const missing = chosen.filter((value) => value && !options.some(([key]) => key === value));
  [none, ...options, ...missing.map((value) => [value, value])].forEach(([key, text]) => {
    select.append(new Option(text, key, false, chosen.includes(key)));
  });
  select.addEventListener("change", () => set(select.value));
  return select;
}

function many(options, chosen, set) {
  const select = make("select", { multiple: "", size: String(Math.min(6, options.length)) });
  const missing = chosen.filter((value) => !options.some(([key]) => key === value));
  [...options, ...missing.map((value) => [value, value])].forEach(([key, text]) => {
    select.append(new Option(text, key, false, chosen.includes(key)));
  });
  select.addEventListener("change", () => {
    set(joined([...select.selectedOptions].map((option) => option.value)));
  });
  return select;
}

function number(value, changed) {
  const input = make("input", { type: "text", inputmode: "decimal", value });
  input.addEventListener("input", () => changed(input));
  return input;
}

function range(fact, values, set) {
  const both = () => set(joined([low.value.trim(), high.value.trim()].filter(Boolean)));
  const low = number(values[0] ?? "", both);
  const high = number(values[1] ?? "", both);
  return [low, make("span", { class: "rf-unit" }, guide.words.to), high, ...unit(fact)];
}

function unit(fact) {
  return fact.unit ? [make("span", { class: "rf-unit" }, fact.unit)] : [];
}

// --- actions ------------------------------------------------------------------------------------

function wireAction(action) {
  field(action, "do").addEventListener("change", () => showParts(action));
  showParts(action);
}

function showParts(action) {
  const shown = ACTION_PARTS[field(action, "do").value] ?? [];
  action.querySelectorAll("[data-part]").forEach((cell) => {
    cell.hidden = !shown.includes(cell.dataset.part);
  });
}

function followLayer() {
  const layer = form.elements.layer.value;
  part("layer-hint").textContent = layerHints[layer] ?? "";
  form.querySelectorAll("[data-action]").forEach((action) => {
    const select = field(action, "do");
    [...select.options].forEach((option) => {
      option.hidden = Boolean(option.value) && !LAYER_ACTIONS[layer]?.includes(option.value);
    });
    if (select.value && !LAYER_ACTIONS[layer]?.includes(select.value)) {
      [select.value] = LAYER_ACTIONS[layer];
    }
    showParts(action);
  });
}

function addAction() {
  const action = fresh("action", "actions");
  part("actions").append(action);
  [field(action, "do").value] = LAYER_ACTIONS[form.elements.layer.value] ?? [""];
  wireAction(action);
  followLayer();
  return action;
}

// --- the sentence -------------------------------------------------------------------------------

let timer = 0;
let asked = 0;

function speakSoon() {
  clearTimeout(timer);
  timer = setTimeout(speak, WAIT_MS);
}

async function speak() {
  asked += 1;
  const mine = asked;
  let answer;
  try {
    const response = await fetch(form.dataset.sentenceUrl, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-Requested-With": "fetch" },
    });
    if (!response.ok) return;
    answer = await response.json();
  } catch {
    return;
  }
  if (mine !== asked) return;
  part("sentence").textContent = answer.sentence || guide.words.broken;
  part("mistakes").replaceChildren(...answer.errors.map((error) => make("li", {}, error)));
}

// --- start --------------------------------------------------------------------------------------

document.documentElement.classList.add("rf-ready");
arrange();
[...form.querySelectorAll("[data-action]")].forEach((action, index) => {
  const isBlank = !field(action, "do").value && !field(action, "text").value;
  if (isBlank && index && !action.classList.contains("is-wrong")) action.remove();
  else wireAction(action);
});
const firstAction = form.querySelector("[data-action]");
if (firstAction && !field(firstAction, "do").value && !firstAction.matches(".is-wrong")) {
  [field(firstAction, "do").value] = LAYER_ACTIONS[form.elements.layer.value] ?? [""];
}
followLayer();
speak();

form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  let focus = null;
  if (button.matches("[data-add-group]")) focus = field(addRow(newGroup()), "fact");
  else if (button.matches("[data-add-row]")) {
    focus = field(addRow(button.closest("[data-group]")), "fact");
  } else if (button.matches("[data-remove-row]")) removeRow(button.closest("[data-row]"));
  else if (button.matches("[data-add-action]")) focus = field(addAction(), "do");
  else if (button.matches("[data-remove-action]")) button.closest("[data-action]").remove();
  else return;
  renumber();
  focus?.focus();
  speakSoon();
});
form.addEventListener("input", speakSoon);
form.addEventListener("change", speakSoon);
form.elements.layer.addEventListener("change", followLayer);

function removeRow(row) {
  const group = row.closest("[data-group]");
  row.remove();
  if (!group.querySelector("[data-row]")) group.remove();
  if (!form.querySelector("[data-group]")) addRow(newGroup());
}
