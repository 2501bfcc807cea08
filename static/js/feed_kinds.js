// The picker of kinds: ticks that write themselves into the filter's text fields, and follow what
// is typed there. Without this file the picker is a list to read and the fields are typed.

const picker = document.querySelector("[data-picker]");
const kinds = document.querySelector('[name="kinds"]');
const fields = document.querySelector('[name="fields"]');
if (picker && kinds && fields) start();

function start() {
  for (const box of picker.querySelectorAll("input[disabled]")) box.disabled = false;
  for (const part of picker.querySelectorAll("[data-live]")) part.hidden = false;
  for (const input of [kinds, fields]) {
    input.addEventListener("input", show);
    input.addEventListener("change", show);
  }
  picker.addEventListener("change", ({ target }) => {
    if (target.dataset.all) chooseFamily(target);
    else if (target.dataset.kind) chooseKind(target);
    else if (target.dataset.field) write(fields, withWord(wordsOf(fields), target.dataset.field, target.checked));
  });
  const find = picker.querySelector("[data-find]");
  find.addEventListener("input", () => narrow(find.value));
  // Enter in a search would submit the form around it.
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  show();
}

function wordsOf(input) {
  return input.value.split(/[\s,，、;；]+/).filter(Boolean);
}

function withWord(words, word, wanted) {
  const others = words.filter((one) => one !== word);
  return wanted ? [...others, word] : others;
}

function write(input, words) {
  input.value = words.join(", ");
  // What listens to typing takes this for typing.
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function boxesOf(family) {
  return [...family.querySelectorAll("[data-kind]")];
}

function chooseFamily(box) {
  const names = boxesOf(box.closest("[data-family]")).map((one) => one.dataset.kind);
  const others = wordsOf(kinds).filter((word) => !names.includes(word));
  write(kinds, withWord(others, box.dataset.all, box.checked));
}

// Taking one out of a family that is chosen whole leaves the others, each by its name.
function chooseKind(box) {
  const family = box.closest("[data-family]");
  const all = family.querySelector("[data-all]").dataset.all;
  let words = wordsOf(kinds);
  if (words.includes(all)) {
    words = words.filter((word) => word !== all);
    for (const one of boxesOf(family)) words = withWord(words, one.dataset.kind, one !== box);
  } else {
    words = withWord(words, box.dataset.kind, box.checked);
  }
  write(kinds, words);
}

function show() {
  const words = new Set(wordsOf(kinds));
  let chosen = 0;
  for (const family of picker.querySelectorAll("[data-family]")) {
    const all = family.querySelector("[data-all]");
    const boxes = boxesOf(family);
    all.checked = words.has(all.dataset.all);
    for (const box of boxes) box.checked = all.checked || words.has(box.dataset.kind);
    const count = boxes.filter((box) => box.checked).length;
    all.indeterminate = !all.checked && count > 0;
    const some = family.querySelector("[data-some-of]");
    some.hidden = !all.indeterminate;
    some.querySelector("b").textContent = count;
    chosen += count;
  }
  const marked = new Set(wordsOf(fields));
  for (const box of picker.querySelectorAll("[data-field]")) box.checked = marked.has(box.dataset.field);
  picker.querySelector("[data-chosen]").textContent = chosen;
  picker.querySelector("[data-when-none]").hidden = words.size > 0;
  picker.querySelector("[data-when-some]").hidden = words.size === 0;
}

// Shows the kinds whose name, label or sentence holds the text, and opens their families.
function narrow(text) {
  const wanted = text.trim().toLowerCase();
  let found = false;
  for (const family of picker.querySelectorAll("[data-family]")) {
    const entries = [...family.querySelectorAll("[data-entry]")];
    for (const entry of entries) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
    const some = entries.some((entry) => !entry.hidden);
    family.hidden = !some;
    found ||= some;
    if (wanted) family.querySelector("details").open = some;
  }
  picker.querySelector("[data-none-found]").hidden = found;
}
