// The field for a condition's value: it follows the fact and the operator, and writes into the
// plain field that the form has without any script.

import { fill, icon, isComposing, joined, make, parts } from "./dom.js";
import { picker } from "./picker.js";

const asked = new Map();

function choicesOf(guide, key) {
  const { options } = guide.facts[key];
  if (options) return options;
  if (!asked.has(key)) {
    const url = new URL(guide.choicesUrl, location.href);
    url.searchParams.set("fact", key);
    asked.set(
      key,
      fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } })
        .then((response) => (response.ok ? response.json() : { options: [] }))
        .then((answer) => answer.options)
        .catch(() => {
          asked.delete(key);
          return [];
        }),
    );
  }
  return asked.get(key);
}

// Digits as people type them: full width, with thousands separators, with a currency sign.
export const number = (text) =>
  text.normalize("NFKC").trim().replace(/^[¥￥]/, "").replaceAll(/(?<=\d),(?=\d{3}(\D|$))/g, "");

export function clockText(hours) {
  const minutes = Number(hours) * 60;
  const whole = Math.round(minutes);
  if (String(hours).trim() === "" || !(Math.abs(minutes - whole) < 0.001)) return null;
  if (whole < 0 || whole > 24 * 60) return null;
  return `${String(Math.floor(whole / 60)).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
}

export function clockHours(text) {
  const found = text.normalize("NFKC").trim().match(/^(\d{1,2})(?::?(\d{2}))?$/);
  if (!found) return null;
  const minutes = Number(found[1]) * 60 + Number(found[2] ?? 0);
  if (Number(found[2] ?? 0) > 59 || minutes > 24 * 60) return null;
  return String(Number((minutes / 60).toFixed(6)));
}

// context: {guide, key, op, value, label, set(text), splitRange(low, high)} → nodes, or null where
// the plain field itself is best
export function valueField(context) {
  const { guide, key, op, value, set } = context;
  const fact = guide.facts[key];
  const takes = guide.takes[op];
  if (!fact || !takes) return null;
  if (takes === "nothing") return [make("span", { class: "rf-none" }, "—")];
  if (takes === "list") return listField(context);
  if (fact.type === "bool") return [yesOrNo(context)];
  const isNumber = ["number", "money"].includes(fact.type);
  if (takes === "range") return rangeField(context, fact);
  if (isNumber && takes === "one") return [oneNumber(context, fact, value.trim(), set)];
  if (isNumber) return [pick(context, { options: [], isOpen: true, read: number }), ...unit(fact)];
  const hasOptions = fact.options === null || fact.options.length > 0;
  if (takes === "many") {
    return [pick(context, { options: hasOptions ? choicesOf(guide, key) : [], isOpen: fact.isOpen })];
  }
  if (op === "contains_text" || !hasOptions) return null;
  return [pick(context, { options: choicesOf(guide, key), isOpen: fact.isOpen, single: true })];
}

function pick({ guide, key, value, label, set }, { single = false, ...setting }) {
  const text = value.trim();
  return picker({
    ...setting,
    label,
    single,
    words: guide.words,
    isTree: guide.facts[key].widget === "region",
    placeholder: setting.isOpen ? guide.words.typeValues : guide.words.search,
    chosen: single ? [text].filter(Boolean) : parts(value),
    changed: (values) => set(single ? (values[0] ?? "") : joined(values)),
  });
}

function select(options, chosen, label, set) {
  const known = options.some(([key]) => key === chosen);
  const node = make("select", { "aria-label": label });
  const extra = chosen && !known ? [[chosen, chosen]] : [];
  [["", "—"], ...options, ...extra].forEach(([key, text]) => {
    node.append(new Option(text, key, false, key === chosen));
  });
  node.addEventListener("change", () => set(node.value));
  return node;
}

function yesOrNo({ guide, value, label, set }) {
  const answers = [["true", guide.words.yes], ["false", guide.words.no]];
  return select(answers, value.trim(), label, set);
}

function listField({ guide, value, label, set }) {
  const about = make("span", { class: "rf-about" });
  const show = (key) => {
    const list = guide.lists[key];
    about.replaceChildren();
    if (!list) return;
    const link = make("a", { class: "rf-link", href: list.url, target: "_blank", rel: "noopener" }, list.entries);
    if (list.isEmpty) about.append(icon("warning"));
    about.append(link);
  };
  const options = Object.entries(guide.lists).map(([key, list]) => [key, `${list.name} (${key})`]);
  show(value.trim());
  const field = select(options, value.trim(), label, (key) => {
    show(key);
    set(key);
  });
  return [field, about];
}

const unit = (fact) => (fact.unit ? [make("span", { class: "rf-unit" }, fact.unit)] : []);

function oneNumber(context, fact, value, changed, label = context.label) {
  const { guide } = context;
  if (fact.widget === "clock" && (value === "" || clockText(value) !== null)) {
    return typed({ value: clockText(value) ?? "", label, placeholder: "00:00", class: "rf-clock" }, (text) =>
      clockHours(text) ?? text.trim(), changed, (text) => clockText(clockHours(text) ?? "") ?? text);
  }
  const input = typed({ value, label, class: "rf-number" }, number, changed, number);
  const isMoney = fact.type === "money";
  const sign = isMoney ? make("span", { class: "rf-sign", "aria-hidden": "true" }, guide.currency) : null;
  const wrap = make("span", { class: `rf-affix ${isMoney ? "is-money" : ""}` }, sign, input);
  if (!isMoney) wrap.append(...unit(fact));
  else input.setAttribute("aria-label", `${label} (${fact.unit})`);
  return wrap;
}

// A text field whose text means something else: written while typing, tidied when left.
function typed({ value, label, placeholder = "", class: name = "" }, meaning, changed, tidy) {
  const input = make("input", {
    type: "text",
    inputmode: name === "rf-clock" ? "text" : "decimal",
    autocomplete: "off",
    class: name,
    placeholder,
    "aria-label": label,
  });
  input.value = value;
  input.addEventListener("input", (event) => {
    event.stopPropagation();
    if (!isComposing(event)) changed(meaning(input.value));
  });
  input.addEventListener("compositionend", () => changed(meaning(input.value)));
  input.addEventListener("change", () => {
    input.value = tidy(input.value);
    changed(meaning(input.value));
  });
  return input;
}

function rangeField(context, fact) {
  const { guide, value, label, set, splitRange } = context;
  const { words } = guide;
  const ends = [...parts(value), "", ""].slice(0, 2);
  const hint = make("span", { class: "rf-range-hint", role: "status", hidden: true });
  const isClock = fact.widget === "clock";
  // Built once: a button that is drawn anew while the field is being left would miss the press.
  const fix = make("button", { type: "button", class: "rf-small" }, isClock ? words.split : words.swap);
  fix.addEventListener("click", () => {
    if (isClock) splitRange(...ends);
    else context.redraw(joined([ends[1], ends[0]]));
  });
  hint.append(isClock ? words.overMidnight : words.reversed, " ", fix);
  const check = () => {
    hint.hidden = !(ends.every((text) => text !== "") && Number(ends[0]) > Number(ends[1]));
  };
  const end = (place) => (text) => {
    ends[place] = text;
    set(ends.some(Boolean) ? ends.map((each) => each || " ").join("\n").trimEnd() : "");
    check();
  };
  const fields = [
    oneNumber(context, fact, ends[0], end(0), fill(words.from, { field: label })),
    make("span", { class: "rf-unit" }, words.to),
    oneNumber(context, fact, ends[1], end(1), fill(words.until, { field: label })),
    hint,
  ];
  check();
  return fields;
}
