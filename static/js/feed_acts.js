// Acts on the feed's pages: their dialogs can be used from the keyboard, and nothing is sent twice.

const modal = document.getElementById("modal-content");
let opener = null;
let wasOpen = false;

// --- once ----------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.matches("[data-ping], [hx-post]")) return;
  if (form.dataset.isSent) event.preventDefault();
  form.dataset.isSent = "true";
});

// The browser may keep the page as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-is-sent]")) delete form.dataset.isSent;
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.target;
  if (!modal?.contains(form)) return;
  if (form.dataset.isSent) event.preventDefault();
  form.dataset.isSent = "true";
});

document.addEventListener("htmx:afterRequest", (event) => {
  // Leaving for another page: what is pressed until it is there must do nothing.
  if (event.detail.xhr?.getResponseHeader("HX-Redirect")) return;
  delete event.target.dataset?.isSent;
});

// --- dialogs -------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const pressed = event.target.closest?.("[hx-target='#modal-content']");
  if (pressed) opener = pressed;
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (!modal?.contains(event.target)) return;
  const dialog = modal.querySelector("#dialog");
  if (dialog) describe(dialog);
  // Alpine shows it in the next moment; what is hidden takes no focus.
  window.setTimeout(() => enter(dialog), 50);
});

if (modal) {
  new MutationObserver(leave).observe(modal.parentElement, { attributes: true, attributeFilter: ["style"] });
  modal.addEventListener("keydown", stay);
}

function describe(dialog) {
  dialog.setAttribute("role", "dialog");
  dialog.setAttribute("aria-modal", "true");
  dialog.tabIndex = -1;
  const title = dialog.querySelector("h1");
  if (title) {
    title.id = "dialog-title";
    dialog.setAttribute("aria-labelledby", title.id);
  }
  const close = dialog.firstElementChild;
  const cancel = dialog.querySelector("a[href='#']");
  if (!close?.querySelector(".material-symbols-outlined") || close.tagName !== "DIV") return;
  close.setAttribute("role", "button");
  close.setAttribute("aria-label", cancel?.textContent.trim() ?? "");
  close.tabIndex = 0;
  close.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    close.click();
  });
}

function enter(dialog) {
  wasOpen = true;
  const wrong = dialog?.querySelector("[aria-invalid=true], .errorlist ~ textarea");
  (wrong ?? dialog?.querySelector("textarea, input:not([type=hidden])") ?? dialog)?.focus();
}

function leave() {
  if (!wasOpen || modal.parentElement.style.display !== "none") return;
  wasOpen = false;
  opener?.focus();
}

function stay(event) {
  if (event.key !== "Tab") return;
  const all = [...modal.querySelectorAll("a[href], button, textarea, [tabindex='0'], input:not([type=hidden])")];
  const first = all[0];
  const last = all.at(-1);
  const here = document.activeElement;
  if (event.shiftKey && (here === first || here.id === "dialog")) {
    event.preventDefault();
    last?.focus();
  } else if (!event.shiftKey && here === last) {
    event.preventDefault();
    first?.focus();
  }
}
