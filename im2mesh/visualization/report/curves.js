"use strict";
// Draws the metrics of a report over frames, and tells the values at the pointer or by arrow keys.
(() => {
  const WIDTH = 560, HEIGHT = 250, LEFT = 62, RIGHT = 12, TOP = 10, BOTTOM = 36, NUM_COLORS = 6;
  const data = JSON.parse(document.getElementById("data").textContent);
  const place = document.getElementById("curves");
  for (const curve of place ? data.curves : []) place.append(drawCurve(curve));

  function svg(name, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  function drawCurve({title, digits, lines}) {
    const values = lines.flatMap(line => [...line.low, ...line.high, ...line.mean]);
    const frames = lines.flatMap(line => line.frames);
    const [x0, x1] = [Math.min(...frames), Math.max(...frames)];
    const margin = (Math.max(...values) - Math.min(...values)) * 0.06 || 1e-6;
    const [y0, y1] = [Math.min(...values) - margin, Math.max(...values) + margin];
    const x = frame => LEFT + (WIDTH - LEFT - RIGHT) * (frame - x0) / (x1 - x0 || 1);
    const y = value => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - y0) / (y1 - y0);
    const color = k => `var(--c${k % NUM_COLORS})`;
    const path = (line, key) => line.frames.map((f, k) => `${x(f).toFixed(1)},${y(line[key][k]).toFixed(1)}`);
    const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, tabindex: 0, role: "img", "aria-label": title});
    for (let k = 0; k <= 4; k++) {
      const value = y0 + (y1 - y0) * k / 4;
      picture.append(
        svg("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), stroke: "var(--line)"}),
        svg("text", {x: LEFT - 8, y: y(value) + 4, "text-anchor": "end"}, value.toFixed(digits)));
    }
    const step = Math.max(1, Math.ceil((x1 - x0) / 8));
    for (let f = x0; f <= x1; f += step)
      picture.append(svg("text", {x: x(f), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle"}, f));
    picture.append(svg("text", {x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 2, "text-anchor": "middle"}, "frame"));
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
    function tell(frame) {
      shown = frame;
      mark.setAttribute("visibility", frame === null ? "hidden" : "visible");
      if (frame !== null) for (const end of ["x1", "x2"]) mark.setAttribute(end, x(frame));
      legend.replaceChildren(...lines.map((line, k) => {
        const entry = document.createElement("span"), at = line.frames.indexOf(frame);
        const value = at < 0 ? "" : ` ${line.mean[at].toFixed(digits)}` +
          ` (${line.low[at].toFixed(digits)} to ${line.high[at].toFixed(digits)})`;
        entry.textContent = `${k < NUM_COLORS ? "━" : "╍"} ${line.name}${value}`;
        entry.style.color = color(k);
        return entry;
      }));
      if (frame !== null) legend.prepend(`frame ${frame}`);
    }
    tell(null);
    picture.addEventListener("pointermove", event => {
      const box = picture.getBoundingClientRect();
      const at = ((event.clientX - box.left) * WIDTH / box.width - LEFT) / (WIDTH - LEFT - RIGHT);
      tell(Math.round(Math.min(Math.max(x0 + at * (x1 - x0), x0), x1)));
    });
    picture.addEventListener("pointerleave", () => tell(null));
    picture.addEventListener("blur", () => tell(null));
    picture.addEventListener("keydown", event => {
      const move = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!move) return;
      event.preventDefault();
      tell(shown === null ? x0 : Math.min(Math.max(shown + move, x0), x1));
    });
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.textContent = title;
    figure.append(caption, picture, legend);
    return figure;
  }
})();
