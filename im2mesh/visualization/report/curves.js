"use strict";
// Draws the curves of a report over frames or iterations, and tells values at the pointer or by arrow keys.
(() => {
  const WIDTH = 560, HEIGHT = 250, LEFT = 62, RIGHT = 24, TOP = 10, BOTTOM = 36, NUM_COLORS = 6;
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const place of document.querySelectorAll(".curves"))
    for (const curve of data[place.id]) place.append(drawCurve(curve));

  // 1, 2 or 5 times a power of ten, so that about eight marks fit.
  function roundStep(length) {
    const power = 10 ** Math.floor(Math.log10(Math.max(length / 8, 1)));
    return power * [1, 2, 5, 10].find(k => k * power >= length / 8);
  }

  function svg(name, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  function drawCurve({title, axis, digits, lines}) {
    const values = lines.flatMap(line => [...line.low, ...line.high, ...line.mean]);
    const places = [...new Set(lines.flatMap(line => line.x))].sort((a, b) => a - b);
    const [x0, x1] = [places[0], places[places.length - 1]];
    const margin = (Math.max(...values) - Math.min(...values)) * 0.06 || 1e-6;
    const [y0, y1] = [Math.min(...values) - margin, Math.max(...values) + margin];
    const x = at => LEFT + (WIDTH - LEFT - RIGHT) * (at - x0) / (x1 - x0 || 1);
    const y = value => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - y0) / (y1 - y0);
    const color = k => `var(--c${k % NUM_COLORS})`;
    const path = (line, key) => line.x.map((at, k) => `${x(at).toFixed(1)},${y(line[key][k]).toFixed(1)}`);
    const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, tabindex: 0, role: "img", "aria-label": title});
    for (let k = 0; k <= 4; k++) {
      const value = y0 + (y1 - y0) * k / 4;
      picture.append(
        svg("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), stroke: "var(--line)"}),
        svg("text", {x: LEFT - 8, y: y(value) + 4, "text-anchor": "end"}, value.toFixed(digits)));
    }
    const step = roundStep(x1 - x0);
    for (let at = Math.ceil(x0 / step) * step; at <= x1; at += step)
      picture.append(svg("text", {x: x(at), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle"}, at));
    picture.append(svg("text", {x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 2, "text-anchor": "middle"}, axis));
    lines.forEach((line, k) => {
      const area = [...path(line, "low"), ...path(line, "high").reverse()].join(" ");
      const dash = k < NUM_COLORS ? "none" : "6 4";
      picture.append(
        svg("polygon", {points: area, fill: color(k), opacity: 0.16}),
        svg("polyline", {points: path(line, "mean").join(" "), fill: "none", stroke: color(k),
          "stroke-width": 2.5, "stroke-dasharray": dash}));
    });
    const mark = svg("line", {y1: TOP, y2: HEIGHT - BOTTOM, stroke: "var(--ink)", visibility: "hidden"});
    picture.append(mark);
    const legend = document.createElement("div");
    legend.className = "legend";
    let shown = null;
    function tell(at) {
      shown = at;
      mark.setAttribute("visibility", at === null ? "hidden" : "visible");
      if (at !== null) for (const end of ["x1", "x2"]) mark.setAttribute(end, x(at));
      legend.replaceChildren(...lines.map((line, k) => {
        const entry = document.createElement("span"), i = line.x.indexOf(at), show = v => v.toFixed(digits);
        const range = i >= 0 && line.low[i] < line.high[i] ? ` (${show(line.low[i])} to ${show(line.high[i])})` : "";
        const value = i < 0 ? "" : ` ${show(line.mean[i])}${range}`;
        entry.textContent = `${k < NUM_COLORS ? "━" : "╍"} ${line.name}${value}`;
        entry.style.color = color(k);
        return entry;
      }));
      if (at !== null) legend.prepend(`${axis} ${at}`);
    }
    tell(null);
    picture.addEventListener("pointermove", event => {
      const box = picture.getBoundingClientRect();
      const pointed = (event.clientX - box.left) * WIDTH / box.width;
      tell(places.reduce((best, at) => Math.abs(x(at) - pointed) < Math.abs(x(best) - pointed) ? at : best));
    });
    picture.addEventListener("pointerleave", () => tell(null));
    picture.addEventListener("blur", () => tell(null));
    picture.addEventListener("keydown", event => {
      const move = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!move) return;
      event.preventDefault();
      const next = shown === null ? 0 : places.indexOf(shown) + move;
      tell(places[Math.min(Math.max(next, 0), places.length - 1)]);
    });
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.textContent = title;
    figure.append(caption, picture, legend);
    return figure;
  }
})();
