// Backtests: the bar that moves while one runs, the start form, and the plots of a sweep.

const POLL_MS = 1000;

const watched = document.querySelector("[data-progress]");
if (watched) poll(watched);

async function poll(card) {
  try {
    const answer = await fetch(card.dataset.progress, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const progress = await answer.json();
    if (progress.is_over) {
      window.location.reload();
      return;
    }
    card.querySelector("[data-state]").textContent = progress.label;
    card.querySelector("[data-bar]").value = progress.share;
    card.querySelector("[data-text]").textContent = progress.text;
  } catch {
    // The network was away for a moment; the next look tells.
  }
  window.setTimeout(poll, POLL_MS, card);
}

const versions = document.querySelector("[data-choose-version]");
if (versions) {
  versions.querySelector("[data-choose-button]").hidden = true;
  versions.addEventListener("change", () => versions.submit());
}

const days = document.querySelector("[data-own-days]");
if (days) {
  const radios = [...document.querySelectorAll('input[name="period"]')];
  const show = () => {
    days.hidden = !radios.some((radio) => radio.checked && radio.value === "own");
  };
  radios.forEach((radio) => radio.addEventListener("change", show));
  show();
}

const plots = document.querySelector("[data-sweep]");
if (plots && window.Chart) drawAll();

function drawAll() {
  const data = JSON.parse(document.getElementById(plots.dataset.sweep).textContent);
  plots.classList.add("is-drawn");
  let charts = draw(data);
  // Unfold changes the theme by a class of the root element.
  new MutationObserver(() => {
    charts.forEach((chart) => chart.destroy());
    charts = draw(data);
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
}

function draw(data) {
  return [...plots.querySelectorAll("[data-plot]")].map((canvas) =>
    canvas.dataset.plot === "orders" ? ordersPlot(canvas, data) : sharePlot(canvas, data),
  );
}

function colours() {
  const style = window.getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    ink: named("--desk-ink") || "#222",
    quiet: named("--desk-quiet") || "#777",
    rule: named("--desk-rule") || "#ddd",
    accent: named("--desk-accent") || "#36c",
  };
}

function points(data, values) {
  return data.values.map((x, place) => ({ x, y: values[place] }));
}

function level(data, y, label, style) {
  const [first, last] = [data.values[0], data.values[data.values.length - 1]];
  return { label, data: [{ x: first, y }, { x: last, y }], pointRadius: 0, borderWidth: 1.5, ...style };
}

function ordersPlot(canvas, data) {
  const paint = colours();
  const sets = [curve(data, data.orders, paint)];
  if (data.live_orders !== null) {
    sets.push(level(data, data.live_orders, data.words.live, { borderColor: paint.ink }));
  }
  return plot(canvas, data, sets, data.words.orders, paint, (y) => y.toLocaleString());
}

function sharePlot(canvas, data) {
  const paint = colours();
  const edge = { pointRadius: 0, borderWidth: 0, spanGaps: false };
  const sets = [
    curve(data, data.share, paint),
    { ...edge, label: "", data: points(data, data.low) },
    {
      ...edge,
      label: data.words.interval,
      data: points(data, data.high),
      fill: "-1",
      backgroundColor: `color-mix(in oklab, ${paint.accent} 18%, transparent)`,
    },
    level(data, data.target, data.words.target, { borderColor: paint.quiet }),
  ];
  if (data.live_share !== null) {
    sets.push(level(data, data.live_share, data.words.live, { borderColor: paint.ink }));
  }
  const percent = (y) => `${(100 * y).toFixed(1)}%`;
  return plot(canvas, data, sets, data.words.share, paint, percent);
}

function curve(data, values, paint) {
  return {
    label: data.words.tried,
    data: points(data, values),
    borderColor: paint.accent,
    backgroundColor: paint.accent,
    borderDash: [6, 4],
    borderWidth: 2,
    pointRadius: 2,
    spanGaps: false,
  };
}

function plot(canvas, data, datasets, title, paint, written) {
  const axis = { grid: { color: paint.rule }, ticks: { color: paint.quiet } };
  return new window.Chart(canvas, {
    type: "line",
    data: { datasets },
    plugins: [currentLine(data, paint)],
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: true,
      interaction: { mode: "nearest", axis: "x", intersect: false },
      layout: { padding: { top: 20 } },
      scales: {
        x: { ...axis, type: "linear", title: { display: true, text: data.words.axis, color: paint.quiet } },
        y: {
          ...axis,
          beginAtZero: true,
          title: { display: true, text: title, color: paint.quiet },
          ticks: { color: paint.quiet, callback: written },
        },
      },
      plugins: {
        legend: {
          position: "bottom",
          labels: {
            color: paint.ink,
            boxWidth: 24,
            boxHeight: 0,
            filter: (item) => item.text !== "",
            generateLabels: (chart) => legend(chart, data),
          },
        },
        tooltip: {
          filter: (item) => item.datasetIndex === 0,
          callbacks: {
            title: (items) => (items.length ? data.labels[items[0].dataIndex] : ""),
            label: (item) => `${title}: ${written(item.parsed.y)}`,
          },
        },
      },
    },
  });
}

// The interval is an area: its sample in the legend is a thick line.
function legend(chart, data) {
  return window.Chart.defaults.plugins.legend.labels.generateLabels(chart).map((item) => {
    if (item.text !== data.words.interval) return item;
    return { ...item, lineWidth: 10, strokeStyle: chart.data.datasets[item.datasetIndex].backgroundColor };
  });
}

function currentLine(data, paint) {
  return {
    id: "current",
    afterDatasetsDraw(chart) {
      const { ctx, chartArea, scales } = chart;
      const x = scales.x.getPixelForValue(data.current);
      ctx.save();
      ctx.strokeStyle = paint.ink;
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(x, chartArea.top - 4);
      ctx.lineTo(x, chartArea.bottom);
      ctx.stroke();
      ctx.fillStyle = paint.ink;
      ctx.font = "12px sans-serif";
      const width = ctx.measureText(data.words.current).width;
      const left = Math.min(Math.max(x - width / 2, chartArea.left), chartArea.right - width);
      ctx.fillText(data.words.current, left, chartArea.top - 8);
      ctx.restore();
    },
  };
}
