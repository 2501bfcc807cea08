// Keeps the funnel of today up to date. Figures change in place at any time; rows move only
// while nobody points at them or has the focus among them. Without this file a reload does it.

const page = document.querySelector("[data-funnel]");
const part = page.querySelector("[data-part]");
const fresh = page.querySelector("[data-fresh]");
const seconds = Number(page.dataset.seconds || 0);
let waiting = null;

const isBusy = () => part.matches(":hover") || part.contains(document.activeElement);

function figuresOf(root) {
  return new Map([...root.querySelectorAll("[data-figure]")].map((at) => [at.dataset.figure, at]));
}

function renewFigures(next) {
  const now = figuresOf(part);
  for (const [key, at] of figuresOf(next)) {
    const shown = now.get(key);
    if (shown && shown.textContent !== at.textContent) shown.textContent = at.textContent;
  }
}

function replaceAll(next) {
  const open = [...part.querySelectorAll("details[open]")].map((at) => at.dataset.fold);
  part.replaceChildren(...next.childNodes);
  for (const at of part.querySelectorAll("details")) at.open = open.includes(at.dataset.fold);
}

function show(next) {
  if (isBusy()) {
    renewFigures(next);
    waiting = next;
  } else {
    waiting = null;
    replaceAll(next);
  }
}

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch("?part=1", { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const next = document.createElement("div");
    next.innerHTML = await answer.text();
    const { asOf, day } = next.querySelector("[data-as-of]").dataset;
    if (day !== page.dataset.day && !isBusy()) window.location.reload();
    show(next);
    fresh.textContent = asOf;
    page.removeAttribute("data-is-stale");
  } catch {
    if (!page.hasAttribute("data-is-stale")) {
      fresh.textContent = page.dataset.stale.replace("%s", fresh.textContent);
      page.setAttribute("data-is-stale", "");
    }
  }
}

const settle = () => {
  if (waiting && !isBusy()) show(waiting);
};
part.addEventListener("pointerleave", settle);
part.addEventListener("focusout", () => setTimeout(settle));

if (seconds) {
  setInterval(renew, seconds * 1000);
  document.addEventListener("visibilitychange", renew);
}
