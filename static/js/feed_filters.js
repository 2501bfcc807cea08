// The endpoint's filters: what they would send, kept up to date while somebody types, and words
// of the preview that put themselves into the filter. Without this file a button does it.

const SETTLE_MS = 300;

const preview = document.querySelector("[data-preview]");
if (preview) start();

function start() {
  const part = preview.querySelector("[data-preview-part]");
  const button = preview.querySelector("[data-preview-button]");
  const inputs = Object.fromEntries(
    ["kinds", "fields", "source"].map((name) => [name, document.querySelector(`[name="${name}"]`)]),
  );
  let timer = 0;
  let latest = 0;

  preview.dataset.isLive = "";
  button.type = "button";
  button.hidden = true;
  for (const input of Object.values(inputs)) {
    input?.addEventListener("input", () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(renew, SETTLE_MS);
    });
  }
  part.addEventListener("click", (event) => {
    const word = event.target.closest("[data-toggle]");
    const input = word && inputs[word.dataset.toggle];
    if (!input) return;
    toggle(input, word.dataset.word);
    renew(word.dataset);
  });

  async function renew(pressed) {
    const mine = ++latest;
    preview.dataset.isStale = "";
    const query = new URLSearchParams();
    for (const [name, input] of Object.entries(inputs)) query.set(name, input?.value ?? "");
    try {
      const answer = await fetch(`${preview.dataset.preview}?${query}`, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const text = await answer.text();
      if (mine !== latest) return;
      // Escaped by the server's template; nothing of it is put together here.
      part.innerHTML = text;
      delete preview.dataset.isStale;
      if (pressed?.word) refocus(pressed);
    } catch {
      // What is shown stays faint; the button asks again, and saving does not need it.
      if (mine === latest) button.hidden = false;
    }
  }

  function refocus({ toggle: kind, word }) {
    for (const one of part.querySelectorAll("[data-toggle]")) {
      if (one.dataset.toggle === kind && one.dataset.word === word) one.focus();
    }
  }

  button.addEventListener("click", () => {
    button.hidden = true;
    renew();
  });
}

function toggle(input, word) {
  const words = input.value.split(/[\s,，、;；]+/).filter(Boolean);
  const place = words.indexOf(word);
  if (place < 0) words.push(word);
  else words.splice(place, 1);
  input.value = words.join(", ");
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
