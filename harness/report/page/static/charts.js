// Expected and observed with the tolerance band, and their difference below: one figure a channel, drawn when it is seen.
"use strict";

closet.makeCharts = (data, cursor) => {
  const host = document.getElementById("charts");
  const GUTTER_PX = 62;
  const RIGHT_PX = 14;
  const HEIGHT_PX = 138;
  const BELOW_PX = 74;
  let figures = [];
  let ink = {};
  let trial = null;

  function readInk() {
    ink = Object.fromEntries(["baseline", "candidate", "driven", "band", "line", "dim", "text", "fail"].map((name) => [name, closet.colour(name)]));
  }

  function number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
    return value.toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const figure = figures.find((each) => each.element === entry.target);
      if (figure && entry.isIntersecting && !figure.plots) waiting.push(figure);
    }
    drawNext();
  }, { rootMargin: "300px" });

  // One figure a turn, so that a slow machine stays awake while they come.
  const waiting = [];
  let drawing = false;
  function drawNext() {
    if (drawing || !waiting.length) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      const figure = waiting.shift();
      if (!figure.plots && figures.includes(figure)) draw(figure);
      drawNext();
    });
  }

  function valuesOf(chart) {
    const t = Array.from(trial.t);
    const known = (packed) => packed && Array.from(closet.unpack(packed), (value) => (Number.isNaN(value) ? null : value));
    const baseline = known(chart.baseline);
    const candidate = known(chart.candidate);
    const limit = known(chart.limit);
    const wide = limit && limit.some((value) => value > 0);
    return {
      t,
      baseline,
      candidate,
      driven: known(chart.driven),
      limit: wide ? limit : null,
      above: wide ? baseline.map((value, i) => (value === null || limit[i] === null ? null : value + limit[i])) : null,
      below: wide ? baseline.map((value, i) => (value === null || limit[i] === null ? null : value - limit[i])) : null,
      difference: baseline.map((value, i) => (value === null || candidate[i] === null ? null : candidate[i] - value)),
      judged: Boolean(chart.limit),
    };
  }

  function axis(more) {
    return { stroke: ink.dim, grid: { stroke: ink.line, width: 1 }, ticks: { stroke: ink.line, size: 4 }, font: "11px system-ui, sans-serif", ...more };
  }

  function options(width, height, series, bands, bottom) {
    return {
      width,
      height,
      padding: [6, RIGHT_PX, bottom ? 0 : 4, 0],
      legend: { show: false },
      cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: () => cursor.zoom }, y: { range: (_, low, high) => span(low, high) } },
      axes: [
        axis({ show: bottom, size: 26, values: (_, ticks) => ticks.map((tick) => `${Number(tick.toFixed(2))} s`) }),
        axis({ size: GUTTER_PX, values: (_, ticks) => ticks.map(number), space: bottom ? 24 : 30 }),
      ],
      series,
      bands,
      hooks: {
        setSelect: [(plot) => {
          if (plot.select.width > 4) {
            cursor.setZoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"));
          }
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
      },
    };
  }

  function span(low, high) {
    if (low === null || high === null) return [-1, 1];
    const room = high - low || Math.abs(high) * 0.1 || 1;
    return [low - room * 0.08, high + room * 0.08];
  }

  function draw(figure) {
    const width = figure.body.clientWidth;
    if (!width) return;
    const values = figure.values || (figure.values = valuesOf(figure.chart));
    const faint = { stroke: "transparent", points: { show: false } };
    const series = [{}];
    const columns = [values.t];
    const bands = [];
    if (values.limit) {
      series.push(faint, faint);
      columns.push(values.above, values.below);
      bands.push({ series: [1, 2], fill: ink.band });
    }
    if (values.driven) {
      series.push({ stroke: ink.driven, width: 1.5, dash: [2, 3], points: { show: false } });
      columns.push(values.driven);
    }
    series.push({ stroke: ink.candidate, width: 1.75, points: { show: false } });
    series.push({ stroke: ink.baseline, width: 1.75, dash: [7, 4], points: { show: false } });
    columns.push(values.candidate, values.baseline);
    const below = [{}];
    const belowColumns = [values.t];
    const belowBands = [];
    if (values.limit) {
      below.push(faint, faint);
      belowColumns.push(values.limit, values.limit.map((value) => (value === null ? null : -value)));
      belowBands.push({ series: [1, 2], fill: ink.band });
    }
    below.push({ stroke: ink.text, width: 1.25, points: { show: false } });
    belowColumns.push(values.difference);
    figure.body.replaceChildren();
    figure.plots = [
      new uPlot(options(width, HEIGHT_PX, series, bands, false), columns, figure.body),
      new uPlot(options(width, BELOW_PX, below, belowBands, true), belowColumns, figure.body),
    ];
    figure.lines = figure.plots.map((plot) => {
      const line = document.createElement("div");
      line.className = "chart-cursor";
      plot.over.append(line);
      plot.over.addEventListener("click", (event) => {
        if (!plot.select.width) cursor.setSeconds(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x"));
      });
      plot.over.addEventListener("dblclick", () => cursor.setZoom(...cursor.whole));
      return line;
    });
    figure.width = width - GUTTER_PX - RIGHT_PX;
    move(figure);
  }

  function move(figure) {
    if (!figure.plots) return;
    const [from, to] = cursor.zoom;
    const share = (cursor.seconds - from) / (to - from);
    for (const line of figure.lines) {
      line.hidden = share < 0 || share > 1;
      line.style.transform = `translateX(${share * figure.width}px)`;
    }
    const { baseline, candidate, difference, limit, judged } = figure.values;
    const row = cursor.row;
    figure.expected.data = `expected ${number(baseline[row])}`;
    figure.observed.data = `observed ${number(candidate[row])}`;
    figure.apart.data = `Δ ${number(difference[row])}`;
    const beyond = judged && Math.abs(difference[row] || 0) > (limit ? limit[row] : 0);
    figure.apartElement.classList.toggle("beyond", beyond);
  }

  function text(parent, className, content) {
    const element = document.createElement("span");
    element.className = className;
    const node = document.createTextNode(content);
    element.append(node);
    parent.append(element);
    return [node, element];
  }

  function build() {
    trial = cursor.trial;
    seen.disconnect();
    waiting.length = 0;
    figures.forEach((figure) => figure.plots && figure.plots.forEach((plot) => plot.destroy()));
    host.replaceChildren();
    figures = trial.charts.map((chart) => {
      const element = document.createElement("figure");
      element.className = chart.first !== null && chart.blocks ? "chart wrong" : "chart";
      const caption = document.createElement("figcaption");
      text(caption, "chart-name", chart.name);
      text(caption, "dim", [chart.unit, chart.note].filter(Boolean).join(" · "));
      const values = document.createElement("span");
      values.className = "chart-values";
      caption.append(values);
      const [expected] = text(values, "baseline", "");
      const [observed] = text(values, "candidate", "");
      const [apart, apartElement] = text(values, "apart", "");
      const body = document.createElement("div");
      body.setAttribute("role", "img");
      body.setAttribute("aria-label", `${chart.name}: expected and observed over time, and their difference`);
      element.append(caption, body);
      host.append(element);
      return { element, body, chart, expected, observed, apart, apartElement };
    });
    if (!figures.length) {
      const nothing = document.createElement("p");
      nothing.className = "notice";
      nothing.textContent = "This trial has no two traces with numbers to draw.";
      host.append(nothing);
    }
    figures.forEach((figure) => seen.observe(figure.element));
  }

  function redraw() {
    for (const figure of figures) {
      if (!figure.plots) continue;
      figure.plots.forEach((plot) => plot.destroy());
      draw(figure);
    }
  }

  readInk();
  build();
  closet.onTheme(() => { readInk(); redraw(); });
  cursor.follow(() => (cursor.trial === trial ? figures.forEach(move) : build()));
  cursor.followZoom(() => {
    for (const figure of figures) {
      if (figure.plots) figure.plots.forEach((plot) => plot.setScale("x", { min: cursor.zoom[0], max: cursor.zoom[1] }));
      move(figure);
    }
  });
  let wide = host.clientWidth;
  new ResizeObserver(() => {
    if (host.clientWidth === wide) return;
    wide = host.clientWidth;
    redraw();
  }).observe(host);
};
