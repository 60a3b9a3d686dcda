"use strict";
// The page of the live viewer: what there is to choose, and what the model answers (see desk.py).
(() => {
const {Viewer, Part, unpack, element} = window.viewing;
const NUM_MARKS = 160, TRAIL_FRAMES = 16, TRAIL_STEPS = 4, LONGEST = 0.13, SHORTEST = 0.018, SIDES = 6;
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const POST = {method: "POST", body: ""};
const at = id => document.getElementById(id);
const LARGEST = JSON.parse(at("data").textContent).largest;
const token = new URLSearchParams(location.search).get("token");

async function ask(path, values = {}, options = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams({...values, token})}`, options);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer;
}

// Rows of points that are far from each other: each is the farthest from those before it.
function spreadRows(points, count) {
  const total = points.length / 3, away = new Float32Array(total).fill(Infinity), rows = [];
  for (let next = 0; rows.length < Math.min(count, total);) {
    rows.push(next);
    const [x, y, z] = points.subarray(3 * next, 3 * next + 3);
    let farthest = 0;
    for (let i = 0; i < total; i++) {
      const d = (points[3 * i] - x) ** 2 + (points[3 * i + 1] - y) ** 2 + (points[3 * i + 2] - z) ** 2;
      if (d < away[i]) away[i] = d;
      if (away[i] > away[farthest]) farthest = i;
    }
    next = farthest;
  }
  return rows;
}

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const scaled = (a, s) => a.map(v => s * v);
const RING = Array.from({length: SIDES + 1}, (_, k) => 2 * Math.PI * k / SIDES).map(w => [Math.cos(w), Math.sin(w)]);

// Triangles and normals of arrows: a shaft and a closed head each. Short ones are thin; specks are left out.
class ArrowMesh {
  constructor(starts, vectors) {
    this.points = new Float32Array(starts.length / 3 * 3 * SIDES * 6 * 3);
    this.normals = new Float32Array(this.points.length);
    this.size = 0;
    for (let i = 0; i < starts.length; i += 3) {
      const vector = Array.from(vectors.subarray(i, i + 3)), length = Math.hypot(...vector);
      if (length > SHORTEST) this.add(starts.subarray(i, i + 3), scaled(vector, 1 / length), length);
    }
    [this.points, this.normals] = [this.points, this.normals].map(array => array.subarray(0, this.size));
  }
  add(start, axis, length) {
    const away = axis.map(Math.abs), least = [0, 0, 0];
    least[away.indexOf(Math.min(...away))] = 1;
    const crossed = cross(axis, least), side = scaled(crossed, 1 / Math.hypot(...crossed)), other = cross(axis, side);
    const head = Math.min(0.03, 0.5 * length), wide = 0.011 * head / 0.03, neck = length - head;
    const ring = (...heights) => this.cone(start, axis, side, other, ...heights);
    ring(0, 0.3 * wide, neck, 0.3 * wide);
    ring(neck, wide, length, 0);
    ring(neck + 0.02 * head, 0, neck, wide);
  }
  // A piece around the axis, between two heights with a radius each.
  cone(start, axis, side, other, low, r0, high, r1) {
    for (let k = 0; k < SIDES; k++)
      for (const [turn, height, radius] of [[k, low, r0], [k + 1, low, r0], [k + 1, high, r1],
        [k, low, r0], [k + 1, high, r1], [k, high, r1]]) {
        const [c, s] = RING[turn];
        for (let i = 0; i < 3; i++) {
          const normal = c * side[i] + s * other[i];
          this.normals[this.size] = normal;
          this.points[this.size++] = start[i] + height * axis[i] + radius * normal;
        }
      }
  }
}

class LiveViewer extends Viewer {
  build() {
    super.build();
    this.slider.step = "any";
    this.canvas.addEventListener("wheel", event => {
      if (event.ctrlKey) return;  // the viewer of reports has that one
      event.preventDefault();
      this.enlarge(Math.exp(-0.001 * event.deltaY));
    }, {passive: false});
    this.canvas.oncontextmenu = event => event.preventDefault();
    const turn = this.canvas.onpointermove;
    let from = null;
    this.canvas.addEventListener("pointerdown", event => { from = event; });
    this.canvas.onpointermove = event => {
      if (!from || !(event.buttons & 2 || event.buttons && event.shiftKey)) { from = event; turn(event); return; }
      const pane = this.panes.find(pane => !pane.box.hidden).box.getBoundingClientRect();
      this.aside[0] += 2 * (event.clientX - from.clientX) / pane.width;
      this.aside[1] -= 2 * (event.clientY - from.clientY) / pane.height;
      from = event;
      this.draw();
    };
    this.slider.addEventListener("input", () => this.onpause && this.onpause());
  }
  get help() {
    return "Drag to turn, scroll to zoom, drag with Shift or the right button to move; arrow keys, +, - and space, too. Click a point for its trail.";
  }
  // Points stay close to each other when the body is large.
  diameterOf(part) {
    const pane = this.panes.find(pane => !pane.box.hidden);
    const large = pane ? this.zoom * pane.box.clientHeight / 400 : 1;
    return super.diameterOf(part) * Math.max(1, Math.min(6, large));
  }
  // Time from 0 to 1 of a place between the frames, which may be unevenly spaced, and the reverse.
  timeOf(frame) {
    const {times} = this.stored, k = Math.max(0, Math.min(Math.floor(frame), times.length - 2));
    return times.length < 2 ? 0 : times[k] + (frame - k) * (times[k + 1] - times[k]);
  }
  frameOf(t) {
    const {times} = this.stored, last = times.length - 2;
    if (last < 0) return 0;
    let k = 0;
    while (k < last && times[k + 1] <= t) k++;
    return k + (t - times[k]) / (times[k + 1] - times[k]);
  }
  later(seconds) {
    const last = this.stored.frames - 1;
    return last ? this.frameOf((this.timeOf(this.frame) + seconds * this.rate / last) % 1) : 0;
  }
  // Frames a second, in the mean, in which the motion is as fast as it was.
  get realRate() {
    const {seconds, frames} = this.stored;
    return seconds ? (frames - 1) / seconds : 12;
  }
  label() {
    const {seconds, frames} = this.stored, t = this.timeOf(this.frame);
    return `t = ${t.toFixed(3)}${seconds ? `, ${(t * seconds).toFixed(3)} s` : ""}, frame ${this.frame.toFixed(1)} of ${frames - 1}`;
  }
  pause() { super.pause(); if (this.onpause) this.onpause(); }
  // Put layers in place of those of the same names, or behind them.
  async add(layers, blob) {
    const array = await unpack(blob);
    for (const layer of layers) {
      layer.parts = (layer.parts || []).map(part => new Part(part, array));
      const place = this.stored.layers.findIndex(old => old.name === layer.name);
      if (place >= 0) this.stored.layers[place].parts.forEach(part => this.forget(part));
      this.stored.layers.splice(place < 0 ? this.placeOf(layer) : place, place < 0 ? 0 : 1, layer);
    }
    this.picked = null;
    this.fill();
  }
  placeOf(layer) {
    if (layer.name === "input") return 0;
    const truth = this.stored.layers.findIndex(old => old.name === "truth");
    return truth < 0 ? this.stored.layers.length : truth;
  }
  forget(part) { Object.values(part.buffers || {}).forEach(buffer => this.gl.deleteBuffer(buffer)); }
  close() {
    cancelAnimationFrame(this.playing);
    if (this.gl) this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.box.remove();
  }
  // What the model said of this very time, or else what lies between the frames.
  positionsOf(part) {
    return part.exact && part.exact.frame === this.frame ? part.exact.positions : super.positionsOf(part);
  }
  rowsOf(part) { return part.rows || (part.rows = spreadRows(part.base, NUM_MARKS)); }
  // Base and shapes of some vertices alone.
  marksOf(part) {
    if (part.marks) return part.marks;
    const rows = this.rowsOf(part), of = (array, k) => rows.flatMap(row => [0, 1, 2].map(i => array[3 * (k * part.vertices + row) + i]));
    const shapes = part.weights[0].map((_, k) => Float32Array.from(of(part.shapes, k), v => v * part.shape_step));
    return part.marks = {base: Float32Array.from(of(part.base, 0)), shapes};
  }
  // Places of these vertices at a time, one after the other.
  placesAt(part, frame) {
    const {base, shapes} = this.marksOf(part), out = base.slice();
    part.weightsAt(frame).forEach((w, k) => {
      const shape = shapes[k];
      for (let i = 0; i < out.length; i++) out[i] += w * shape[i];
    });
    return out;
  }
  // Velocities in body lengths a second: of the model's field where it said them, else differences.
  velocitiesAt(part) {
    const a_second = this.stored.seconds ? 1 / this.stored.seconds : 1, last = this.stored.frames - 1;
    const exact = part.exact && part.exact.frame === this.frame && part.exact.velocities;
    if (exact && exact.length) return exact.map(v => v * a_second);
    const [before, after] = [Math.max(this.frame - 0.5, 0), Math.min(this.frame + 0.5, last)];
    const [a, b] = [this.placesAt(part, before), this.placesAt(part, after)];
    return b.map((v, i) => (v - a[i]) / (this.timeOf(after) - this.timeOf(before)) * a_second);
  }
  // Length of an arrow of speed 1: nearly the fastest one of all frames has the longest arrow.
  arrowLength(part) {
    if (part.arrow) return part.arrow;
    const speeds = [], frame = this.frame;
    for (let k = 0; k < part.frames.length; k += Math.max(1, Math.floor(part.frames.length / 40))) {
      this.frame = part.frames[k];
      const v = this.velocitiesAt(part);
      for (let i = 0; i < v.length; i += 3) speeds.push(Math.hypot(v[i], v[i + 1], v[i + 2]));
    }
    this.frame = frame;
    speeds.sort((a, b) => a - b);
    return part.arrow = LONGEST / Math.max(speeds[Math.floor(0.995 * (speeds.length - 1))], 1e-9);
  }
  get moving() { return this.stored.layers.flatMap(layer => layer.parts || []).filter(part => part.shapes); }
  legend() {
    const part = this.showArrows && this.moving[0];
    if (!part) return "";
    const speed = (LONGEST / this.arrowLength(part)).toPrecision(2);
    return `The longest arrows: ${speed} body lengths ${this.stored.seconds ? "a second" : "from t = 0 to 1"}.`;
  }
  drawMarks(pane, part, ratio) {
    if (!part.shapes) return;
    if (this.showTrails) this.drawTrails(part, ratio);
    if (this.showArrows) this.drawArrows(part);
  }
  drawTrails(part, ratio) {
    const rows = this.rowsOf(part), first = Math.max(0, this.frame - TRAIL_FRAMES);
    const steps = Math.ceil((this.frame - first) * TRAIL_STEPS), size = 3 * rows.length;
    const points = new Float32Array(size * (steps + 1)), colors = new Uint8Array(points.length);
    for (let k = 0; k <= steps; k++) {
      points.set(this.placesAt(part, steps ? first + (this.frame - first) * k / steps : first), size * k);
      const fade = steps ? 0.65 - 0.2 * k / steps : 0.45;
      rows.forEach((row, n) => {
        for (let i = 0; i < 3; i++) colors[size * k + 3 * n + i] = fade * part.colors[3 * row + i];
      });
    }
    this.drawPlain(part, "trails", points, points, colors, 3.2 * ratio);
  }
  drawArrows(part) {
    const length = this.arrowLength(part), ink = getComputedStyle(this.stage).getPropertyValue("--ink").trim();
    const {points, normals} = new ArrowMesh(this.placesNow(part), this.velocitiesAt(part).map(v => v * length));
    const rgb = [1, 3, 5].map(k => parseInt(ink.slice(k, k + 2), 16)), colors = new Uint8Array(points.length);
    for (let i = 0; i < colors.length; i++) colors[i] = rgb[i % 3];
    this.drawPlain(part, "arrows", points, normals, colors, 0);
  }
  placesNow(part) {
    const all = this.moved(part).positions;
    return Float32Array.from(this.rowsOf(part).flatMap(row => [all[3 * row], all[3 * row + 1], all[3 * row + 2]]));
  }
  // Triangles, or dots of a diameter.
  drawPlain(part, name, points, normals, colors, diameter) {
    const {gl} = this;
    this.feed("position", this.buffer(points, part, name), gl.FLOAT);
    this.feed("normal", this.buffer(normals, part, `normals of ${name}`), gl.FLOAT);
    this.feed("color", this.buffer(colors, part, `colors of ${name}`), gl.UNSIGNED_BYTE);
    gl.uniform1i(this.at("round"), diameter ? 1 : 0);
    gl.uniform1f(this.at("lit"), diameter ? 0 : 0.6);
    gl.uniform1f(this.at("diameter"), diameter);
    gl.drawArrays(diameter ? gl.POINTS : gl.TRIANGLES, 0, points.length / 3);
  }
}

// The whole page: one viewer at a time.
class Page {
  constructor() {
    this.viewer = null;
    this.flowing = false;
    this.waiting = null;
    at("filter").oninput = () => this.fillItems();
    at("item").onchange = () => this.show(+at("item").value);
    at("span").onchange = () => this.show(this.item, +at("span").value);
    at("speed").append(...SPEEDS.map(speed => element("option", {value: speed, textContent: `${speed} ×`, selected: speed === 1})));
    at("speed").onchange = () => this.setRate();
    for (const [id, key] of [["trails", "showTrails"], ["arrows", "showArrows"]])
      at(id).onchange = () => { if (this.viewer) { this.viewer[key] = at(id).checked; this.viewer.draw(); this.tellLegend(); } };
    at("reconstruct").onclick = () => this.reconstruct();
    at("grid").onchange = () => this.reconstructAgain();
    at("threshold").oninput = () => { at("level").value = (+at("threshold").value).toFixed(2); this.reconstructAgain(); };
    at("files").onchange = () => this.drop([...at("files").files]);
    at("path").onkeydown = event => { if (event.key === "Enter") this.open({path: at("path").value}); };
    at("openPath").onclick = () => this.open({path: at("path").value});
    addEventListener("dragover", event => event.preventDefault());
    addEventListener("drop", event => { event.preventDefault(); this.drop([...event.dataTransfer.files]); });
  }
  // Say what goes on; a refusal is said, too.
  async working(text, work) {
    this.tell(text);
    try { await work(); } catch (error) { this.tell(error.message, true); throw error; }
  }
  tell(text, is_error = false) { at("state").textContent = text; at("state").className = is_error ? "note wrong" : "note"; }
  async start() {
    this.items = await (await ask("/items")).json();
    at("filter").hidden = this.items.length < 20;
    this.fillItems();
    await this.show(+at("item").value);
  }
  fillItems() {
    const word = at("filter").value.toLowerCase(), groups = new Map();
    for (const item of this.items) if (`${item.group} ${item.name}`.toLowerCase().includes(word)) {
      if (!groups.has(item.group)) groups.set(item.group, element("optgroup", {label: item.group}));
      groups.get(item.group).append(element("option", {value: item.id, textContent: item.name, selected: item.id === this.item}));
    }
    at("item").replaceChildren(...groups.values());
  }
  show(item, span) {
    const number = this.asked = (this.asked || 0) + 1;
    return this.working("Reading …", async () => {
      const begun = performance.now();
      const stored = await (await ask("/show", span === undefined ? {item} : {item, span})).json();
      if (number !== this.asked) return;  // something else was chosen meanwhile
      this.item = item;
      at("item").value = item;
      await this.open_(stored);
      this.tell(`${stored.note} Read in ${((performance.now() - begun) / 1000).toFixed(2)} s.`.trim());
    });
  }
  async open_(stored) {
    const entry = this.items.find(item => item.id === this.item), old = this.viewer;
    at("span").replaceChildren(...stored.spans.map((name, k) => element("option", {value: k, textContent: name, selected: k === stored.span})));
    at("span").hidden = stored.spans.length < 2;
    this.stored = stored;
    this.moves = null;
    const viewer = this.viewer = new LiveViewer({caption: entry.group, ...stored});
    if (old) {
      Object.assign(viewer, {azimuth: old.azimuth, elevation: old.elevation});
      old.close();
    }
    for (const [id, key] of [["trails", "showTrails"], ["arrows", "showArrows"]]) viewer[key] = at(id).checked;
    viewer.onpause = () => this.flow();
    at("viewer").replaceChildren(viewer.box);
    this.setRate();
    this.fillModel(stored.model);
    await viewer.start();
    this.tellLegend();
  }
  setRate() { if (this.viewer) this.viewer.rate = this.viewer.realRate * at("speed").value; }
  tellLegend() { at("legend").textContent = this.viewer.legend(); }
  fillModel(model) {
    at("model").hidden = !model;
    at("nomodel").hidden = !!model;
    if (!model || model.name === this.model) return;
    this.model = model.name;
    at("modelName").textContent = model.name;
    at("grid").replaceChildren(...model.grids.map(n => element("option", {value: n, textContent: `${n}³`, selected: n === model.grid})));
    at("threshold").value = model.threshold;
    at("level").value = model.threshold.toFixed(2);
  }
  reconstructAgain() { if (this.moves !== null) { clearTimeout(this.soon); this.soon = setTimeout(() => this.reconstruct(), 150); } }
  // One reconstruction at a time; of those asked for meanwhile, only the last.
  async reconstruct() {
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    try {
      do {
        this.again = false;
        await this.working("The model reconstructs …", () => this.reconstructOnce());
      } while (this.again);
    } finally { this.busy = false; }
  }
  async reconstructOnce() {
    const viewer = this.viewer, begun = performance.now();
    const values = {item: this.item, span: this.stored.span, grid: at("grid").value, threshold: at("threshold").value};
    const made = await (await ask("/reconstruct", values, POST)).json();
    if (viewer !== this.viewer) return;
    await viewer.add(made.layers, made.blob);
    this.moves = made.moves;
    this.key = made.key;
    this.note = made.note;
    this.layer = made.layers[made.layers.length - 1];
    this.tellLegend();
    const part = this.layer.parts[0];
    this.tell(`${part.vertices} vertices in ${((performance.now() - begun) / 1000).toFixed(2)} s. ${this.note}`.trim());
    await this.flow();
  }
  // Ask the model for this very time, when time stands still; of many times, only for the last.
  async flow() {
    const viewer = this.viewer, part = this.moves && this.layer.parts.find(part => part.shapes);
    if (!part || viewer.playing) return;
    if (this.flowing) { this.waiting = true; return; }
    this.flowing = true;
    try {
      do {
        this.waiting = false;
        const frame = viewer.frame, begun = performance.now(), t = viewer.timeOf(frame);
        const values = {item: this.item, key: this.key, t, rows: viewer.rowsOf(part).join()};
        const numbers = new Float32Array(await (await ask("/flow", values)).arrayBuffer());
        const positions = numbers.slice(0, 3 * part.vertices);
        part.exact = {frame, positions, velocities: numbers.slice(3 * part.vertices)};
        if (part.shown) part.shown.frame = null;
        viewer.draw();
        this.tell(`The flow at t = ${t.toFixed(4)}, evaluated in ${Math.round(performance.now() - begun)} ms. ${this.note}`.trim());
      } while (this.waiting && viewer === this.viewer);
    } catch (error) { this.tell(error.message, true); } finally { this.flowing = false; }
  }
  drop(files) {
    if (!files.length) return Promise.resolve();
    return this.working(`Sending ${files.length} file${files.length > 1 ? "s" : ""} …`, async () => {
      const large = files.find(file => file.size > LARGEST);
      if (large) throw new Error(`${large.name} has ${Math.ceil(large.size / 2 ** 20)} MB, and a file may have at most ${LARGEST >> 20} MB; give its path instead`);
      const batch = `${Date.now()}_${Math.floor(1e9 * Math.random())}`;
      for (const file of files) await ask("/drop", {name: file.name, batch}, {...POST, body: file});
      await this.opened({batch});
    });
  }
  open(values) { return this.working("Reading …", () => this.opened(values)); }
  async opened(values) {
    const {id} = await (await ask("/open", values, POST)).json();
    this.items = await (await ask("/items")).json();
    at("filter").value = "";
    this.item = id;
    this.fillItems();
    await this.show(id);
    if (this.stored.model) await this.reconstruct();
  }
}

window.page = new Page();
window.page.started = window.page.start();
})();
