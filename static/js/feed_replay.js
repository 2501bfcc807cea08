// The replay page: shows only the inputs of the chosen way, and follows replays that are under way.

const POLL_MS = 3000;

const form = document.querySelector("[data-replay]");
if (form) {
  const show = () => {
    const chosen = form.querySelector('[name="scope"]:checked')?.value;
    for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== chosen;
  };
  form.addEventListener("change", show);
  show();
}

const list = document.querySelector("[data-replays]");
if (list) follow();

function follow() {
  if (list.querySelector("[data-unfinished]")) window.setTimeout(renew, POLL_MS);
}

async function renew() {
  try {
    const answer = await fetch(window.location.pathname, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.querySelector("[data-replays]");
    if (next) list.replaceChildren(...next.childNodes);
  } catch {
    // The network was away for a moment; the next look tells.
  }
  follow();
}
