// Searching the rules of a trace by typing; without this file all of them stand in folds.

for (const trace of document.querySelectorAll("[data-trace]")) start(trace);

function start(trace) {
  const search = trace.querySelector("[data-trace-search]");
  if (!search) return;
  const input = search.querySelector("input");
  const none = search.querySelector("[data-trace-none]");
  const rules = [...trace.querySelectorAll("[data-trace-rule]")].map((item) => ({
    item,
    text: item.textContent.toLowerCase(),
  }));
  const folds = [...trace.querySelectorAll("details")];
  const openBefore = new Map(folds.map((fold) => [fold, fold.open]));
  let wasSearching = false;

  search.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const searching = words.length > 0;
    if (searching && !wasSearching) for (const fold of folds) openBefore.set(fold, fold.open);
    for (const { item, text } of rules) item.hidden = !words.every((word) => text.includes(word));
    for (const layer of trace.querySelectorAll("[data-trace-layer]")) {
      layer.hidden = searching && !layer.querySelector("[data-trace-rule]:not([hidden])");
    }
    for (const fold of folds) {
      const found = fold.querySelector("[data-trace-rule]:not([hidden])") !== null;
      fold.hidden = !found;
      fold.open = searching ? found : openBefore.get(fold);
    }
    none.hidden = !searching || rules.some(({ item }) => !item.hidden);
    wasSearching = searching;
  });
}
