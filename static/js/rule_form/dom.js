// Small helpers of the rule form. Text from the server enters the page as text only.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  });
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  return make("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, name);
}

export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_whole, name) => String(values[name] ?? ""));
}

export const isComposing = (event) => event.isComposing || event.keyCode === 229;

const SEPARATORS = /[,，、]/;

export function parts(text) {
  const found = text.includes("\n") ? text.split("\n") : text.split(SEPARATORS);
  return found.map((item) => item.trim()).filter(Boolean);
}

export function joined(values) {
  if (!values.some((value) => SEPARATORS.test(value))) return values.join(", ");
  return values.join("\n") + (values.length === 1 ? "\n" : "");
}
