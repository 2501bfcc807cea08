// The endpoint's page: the plot of its lag, and a test message whose answer appears in place.

const plot = document.querySelector("[data-lag]");
if (plot && window.Chart) drawWithTheme(plot);

function drawWithTheme(box) {
  const data = JSON.parse(document.getElementById(box.dataset.lag).textContent);
  box.classList.add("is-drawn");
  let chart = draw(box.querySelector("canvas"), data);
  // Unfold changes the theme by a class of the root element.
  new MutationObserver(() => {
    chart.destroy();
    chart = draw(box.querySelector("canvas"), data);
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
}

function draw(canvas, data) {
  const style = window.getComputedStyle(document.documentElement);
  const paint = (name) => style.getPropertyValue(name).trim();
  const quiet = paint("--desk-quiet");
  const axis = { grid: { color: paint("--desk-rule") }, ticks: { color: quiet } };
  const highest = Math.max(0, ...data.seconds.filter((value) => value !== null));
  const datasets = [
    {
      label: data.words.lag,
      data: data.seconds,
      borderColor: paint("--desk-accent"),
      backgroundColor: paint("--desk-accent"),
      borderWidth: 2,
      pointRadius: data.seconds.map((_, place) => (isAlone(data.seconds, place) ? 2 : 0)),
      pointHitRadius: 8,
      spanGaps: false,
    },
  ];
  // Far below the threshold its line would only flatten the curve.
  if (highest * 3 >= data.alert) {
    datasets.push({
      label: data.words.alert,
      data: data.labels.map(() => data.alert),
      borderColor: quiet,
      borderWidth: 1,
      pointRadius: 0,
      pointHitRadius: 0,
    });
  }
  return new window.Chart(canvas, {
    type: "line",
    data: { labels: data.labels, datasets },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { ...axis, ticks: { color: quiet, autoSkipPadding: 24, maxRotation: 0 } },
        y: {
          ...axis,
          beginAtZero: true,
          suggestedMax: 5,
          title: { display: true, text: data.words.seconds, color: quiet },
          ticks: { color: quiet, precision: 0, maxTicksLimit: 6 },
        },
      },
      plugins: {
        legend: { position: "bottom", labels: { color: paint("--desk-ink"), boxWidth: 24, boxHeight: 0 } },
        tooltip: {
          filter: (item) => item.datasetIndex === 0,
          callbacks: { label: (item) => `${data.words.lag}: ${data.written[item.dataIndex]}` },
        },
      },
    },
  });
}

function isAlone(values, place) {
  const missing = (value) => value === null || value === undefined;
  return !missing(values[place]) && missing(values[place - 1]) && missing(values[place + 1]);
}

const ping = document.querySelector("[data-ping]");
if (ping) ping.addEventListener("submit", sendPing);

async function sendPing(event) {
  event.preventDefault();
  const button = ping.querySelector("button");
  const box = document.querySelector("[data-ping-answer]");
  const show = (verdict, text) => {
    box.hidden = false;
    box.querySelector("[data-ping-verdict]").textContent = verdict;
    box.querySelector("[data-ping-text]").textContent = text;
  };
  button.disabled = true;
  show(ping.dataset.waiting, "");
  try {
    const answer = await fetch(ping.action, {
      method: "POST",
      body: new FormData(ping),
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) throw new Error(answer.status);
    const { verdict, text } = await answer.json();
    show(verdict, text);
  } catch {
    show(ping.dataset.lost, "");
  }
  button.disabled = false;
}
