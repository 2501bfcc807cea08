// A field in which values are picked by typing: chips, a list that filters, or a tree of places.
// Arrow keys move, Enter takes, Backspace gives back, Escape closes; nothing is taken while an
// input method is still composing.

import { fill, icon, isComposing, make, parts } from "./dom.js";

const SHOWN_OPTIONS = 200;
const SHOWN_CHIPS = 60;
const STEP = " / ";
let count = 0;

const plain = (text) => text.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, "");

// setting: {label, options: [[value, label, group?]] or a promise of them, chosen: [values],
//   single, isOpen: any text goes, isTree, placeholder, words, read: text → value, changed(values)}
export function picker(setting) {
  const { words, single = false, isOpen = false } = setting;
  count += 1;
  const listId = `rf-pick-${count}`;
  let options = [];
  let labels = new Map();
  let known = new Map();
  let chosen = [...setting.chosen];
  let items = [];
  let active = -1;
  let showsAllChips = false;
  let isLoading = setting.options instanceof Promise;
  let early = [];
  let isWanted = false;
  const opened = new Set();

  const input = make("input", {
    type: "text",
    role: "combobox",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-label": setting.label,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": listId,
    placeholder: setting.placeholder ?? "",
  });
  const box = make("div", { class: "rf-pick-box" }, input);
  const list = make("ul", {
    id: listId,
    class: "rf-pick-list",
    role: setting.isTree ? "tree" : "listbox",
    "aria-label": setting.label,
    "aria-multiselectable": single ? "false" : "true",
    hidden: true,
  });
  const root = make("div", { class: `rf-pick ${single ? "is-single" : ""}` }, box, list);

  const labelOf = (value) => labels.get(value) ?? value;
  const isShown = () => !list.hidden;

  // --- what is chosen ---------------------------------------------------------------------------

  function drawChosen() {
    box.querySelectorAll(".rf-chip").forEach((chip) => chip.remove());
    if (single) {
      if (document.activeElement !== input) input.value = chosen.length ? labelOf(chosen[0]) : "";
      return;
    }
    const shown = showsAllChips ? chosen : chosen.slice(0, SHOWN_CHIPS);
    shown.forEach((value) => input.before(chip(value)));
    if (shown.length < chosen.length) {
      const rest = chosen.length - shown.length;
      const more = make("button", { type: "button", class: "rf-chip" }, fill(words.moreChips, { count: rest }));
      more.addEventListener("click", () => {
        showsAllChips = true;
        drawChosen();
        input.focus();
      });
      input.before(more);
    }
    input.placeholder = chosen.length ? "" : (setting.placeholder ?? "");
  }

  function chip(value) {
    const text = labelOf(value).split(STEP).pop();
    const remove = make(
      "button",
      { type: "button", tabindex: "-1", "aria-label": fill(words.removeValue, { value: text }) },
      icon("close"),
    );
    remove.addEventListener("click", () => {
      drop(value);
      input.focus();
    });
    return make("span", { class: "rf-chip", title: labelOf(value) }, make("span", {}, text), remove);
  }

  function tell() {
    drawChosen();
    setting.changed([...chosen]);
    if (isShown()) draw();
  }

  function drop(...values) {
    chosen = chosen.filter((value) => !values.includes(value));
    tell();
  }

  function take(...values) {
    const had = new Set(chosen);
    const fresh = [...new Set(values)].filter((value) => value && !had.has(value));
    if (single) chosen = values.slice(0, 1);
    else chosen = [...chosen, ...fresh];
    // With the text the list changes; a second Enter must not take what now stands in its place.
    if (input.value) active = -1;
    input.value = single && chosen.length ? labelOf(chosen[0]) : "";
    tell();
  }

  const isKnown = (text) => known.get(plain(text));

  // Text typed or pasted: a known label or value, else itself where any text goes.
  function read(text) {
    const option = isKnown(text);
    if (option) return option[0];
    return isOpen ? (setting.read ?? ((same) => same))(text.trim()) : "";
  }

  function takeTyped(text = input.value) {
    const values = (single ? [text] : parts(text)).map(read).filter(Boolean);
    if (values.length) take(...values);
    return values.length > 0;
  }

  // --- the list ---------------------------------------------------------------------------------

  function visible() {
    const typed = single && input.value === labelOf(chosen[0] ?? "") ? "" : plain(input.value);
    if (!typed) return setting.isTree ? branches() : grouped(options);
    return matching(typed).map((option) => leaf(option, 0, option[1]));
  }

  // Options that contain the text, those that begin with it first.
  function matching(typed) {
    const starts = [];
    const contains = [];
    options.forEach((option) => {
      const [value, label, group] = option;
      const name = plain(label.split(STEP).pop());
      if (name.startsWith(typed) || plain(value).startsWith(typed)) starts.push(option);
      else if (plain(`${label} ${value} ${group ?? ""}`).includes(typed)) contains.push(option);
    });
    return [...starts, ...contains];
  }

  const leaf = (option, depth, text) => ({ value: option[0], hint: option[3], text, depth });

  function grouped(all) {
    const found = [];
    let last = "";
    all.forEach((option) => {
      if (option[2] && option[2] !== last) {
        last = option[2];
        found.push({ heading: last });
      }
      found.push(leaf(option, 0, option[1]));
    });
    return found;
  }

  function branches() {
    const top = { children: new Map(), leaves: [] };
    const had = new Set(chosen);
    options.forEach((option) => {
      const names = option[1].split(STEP);
      let node = top;
      names.slice(0, -1).forEach((name, depth) => {
        const path = names.slice(0, depth + 1).join(STEP);
        if (!node.children.has(path)) {
          node.children.set(path, { name, path, children: new Map(), leaves: [], all: [] });
        }
        node = node.children.get(path);
        node.all.push(option[0]);
      });
      node.leaves.push([option, names.at(-1)]);
    });
    const found = [];
    const walk = (node, depth) => {
      node.children.forEach((child) => {
        const isUnfolded = opened.has(child.path);
        const picked = child.all.filter((value) => had.has(value)).length;
        found.push({ branch: child.path, text: child.name, depth, isUnfolded, picked });
        if (!isUnfolded) return;
        if (!single && child.all.length > 1) {
          const text = fill(words.all, { count: child.all.length });
          found.push({ values: child.all, text, depth: depth + 1 });
        }
        walk(child, depth + 1);
      });
      node.leaves.forEach(([option, name]) => found.push(leaf(option, depth, name)));
    };
    walk(top, 0);
    return found;
  }

  const isPicked = (item) =>
    item.values ? item.values.every((value) => chosen.includes(value)) : chosen.includes(item.value);

  function draw() {
    const all = visible();
    const typed = input.value.trim();
    const isTyped = typed && typed !== labelOf(chosen[0] ?? "");
    items = all.slice(0, SHOWN_OPTIONS);
    if (isOpen && isTyped && !isKnown(typed)) {
      items.push({ free: true, text: fill(words.takeText, { value: typed }) });
    }
    const rows = items.map((item, index) => row(item, index));
    if (all.length > SHOWN_OPTIONS) {
      rows.push(make("li", { class: "rf-pick-note", role: "presentation" }, words.keepTyping));
    }
    if (!items.length && options.length) {
      rows.push(make("li", { class: "rf-pick-note", role: "presentation" }, words.nothingFound));
    }
    list.replaceChildren(...rows);
    list.hidden = !rows.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    point(Math.min(active, items.length - 1), false);
  }

  function row(item, index) {
    if (item.heading) return make("li", { class: "rf-pick-heading", role: "presentation" }, item.heading);
    const isBranch = item.branch !== undefined;
    const node = make(
      "li",
      {
        id: `${listId}-${index}`,
        class: `rf-pick-option ${isBranch ? "is-branch" : ""}`,
        role: setting.isTree ? "treeitem" : "option",
        "aria-level": setting.isTree ? item.depth + 1 : null,
        "aria-expanded": isBranch ? String(item.isUnfolded) : null,
        "aria-selected": isBranch ? null : String(isPicked(item)),
      },
      icon(isBranch ? (item.isUnfolded ? "expand_more" : "chevron_right") : "check"),
      make("span", {}, item.text),
    );
    node.style.setProperty("--depth", item.depth);
    if (item.picked) node.append(make("span", { class: "rf-pick-count" }, String(item.picked)));
    if (item.hint) node.append(make("span", { class: "rf-pick-count" }, item.hint));
    node.addEventListener("mousedown", (event) => event.preventDefault());
    node.addEventListener("click", () => {
      active = index;
      act(item);
    });
    return node;
  }

  function point(index, scroll = true) {
    list.querySelector(".is-active")?.classList.remove("is-active");
    active = index;
    const node = active < 0 ? null : document.getElementById(`${listId}-${active}`);
    if (!node) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    node.classList.add("is-active");
    input.setAttribute("aria-activedescendant", node.id);
    if (scroll) node.scrollIntoView({ block: "nearest" });
  }

  function pointFirst() {
    const first = items.findIndex((item) => item.value !== undefined || item.free);
    if (input.value.trim() && first >= 0) point(first);
  }

  function step(by) {
    let next = active;
    do next += by;
    while (items[next]?.heading);
    if (next >= 0 && next < items.length) point(next);
  }

  function act(item) {
    if (item.free) {
      takeTyped();
      if (single) close();
    } else if (item.branch !== undefined) {
      if (!opened.delete(item.branch)) opened.add(item.branch);
      draw();
    } else if (item.values) {
      if (isPicked(item)) drop(...item.values);
      else take(...item.values);
    } else if (!single && chosen.includes(item.value)) drop(item.value);
    else {
      take(item.value);
      if (single) close();
    }
  }

  function open() {
    if (isShown()) return;
    active = -1;
    isWanted = true;
    draw();
    if (single && chosen.length) {
      const place = items.findIndex((item) => item.value === chosen[0]);
      if (place >= 0) point(place);
    }
  }

  function close() {
    isWanted = false;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  }

  // --- keys -------------------------------------------------------------------------------------

  input.addEventListener("keydown", (event) => {
    if (isComposing(event) || event.altKey || event.ctrlKey || event.metaKey) return;
    const item = items[active];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!isShown()) open();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      if (isLoading && input.value.trim()) keepForLater();
      else if (isShown() && item) act(item);
      else if (input.value.trim()) takeTyped();
      else open();
    } else if (event.key === "Escape" && isShown()) {
      event.stopPropagation();
      close();
    } else if (event.key === "Backspace" && !input.value && early.length) {
      early.pop();
    } else if (event.key === "Backspace" && !input.value && !single && chosen.length) {
      drop(chosen.at(-1));
    } else if (isShown() && item?.branch !== undefined && !input.value
      && event.key === (item.isUnfolded ? "ArrowLeft" : "ArrowRight")) {
      act(item);
    } else return;
    event.preventDefault();
  });
  input.addEventListener("input", (event) => {
    event.stopPropagation();
    if (isComposing(event)) return;
    active = -1;
    if (isShown()) draw();
    else open();
    pointFirst();
  });
  input.addEventListener("compositionend", () => {
    if (isShown()) draw();
    else open();
    pointFirst();
  });
  input.addEventListener("change", (event) => event.stopPropagation());
  input.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (single || parts(text).length < 2) return;
    event.preventDefault();
    takeTyped(text);
  });
  input.addEventListener("focus", () => {
    if (single) input.select();
  });
  box.addEventListener("click", (event) => {
    if (event.target.closest("button")) return;
    input.focus();
    open();
  });
  root.addEventListener("focusout", (event) => {
    if (root.contains(event.relatedTarget)) return;
    const typed = input.value.trim();
    const isNew = typed && typed !== labelOf(chosen[0] ?? "");
    // A part of a known value, left behind, is not taken for a value of its own.
    if (isNew && isLoading) keepForLater();
    else if (isNew && (isKnown(typed) || !visible().length)) takeTyped();
    else if (single && !typed && chosen.length && isOpen) drop(chosen[0]);
    close();
    input.value = single && chosen.length ? labelOf(chosen[0]) : "";
  });

  // What is entered before the known values have arrived is looked up among them then.
  function keepForLater() {
    early.push(input.value);
    input.value = "";
  }

  function offer(found) {
    options = found;
    isLoading = false;
    labels = new Map();
    known = new Map();
    found.forEach((option) => {
      const [value, label] = option;
      if (!labels.has(value)) labels.set(value, label);
      [plain(label), plain(value)].forEach((text) => {
        if (!known.has(text)) known.set(text, option);
      });
    });
    drawChosen();
    // Opened before there was anything to show, it shows it now.
    if (isWanted) draw();
    const texts = single ? early : early.flatMap(parts);
    early = [];
    const values = texts.map((text) => (isKnown(text) ?? matching(plain(text))[0])?.[0] ?? read(text));
    const typed = input.value;
    if (values.some(Boolean)) take(...values.filter(Boolean));
    if (!single && typed) {
      input.value = typed;
      draw();
      pointFirst();
    }
  }

  if (setting.options instanceof Promise) setting.options.then(offer);
  else offer(setting.options ?? []);
  return root;
}
