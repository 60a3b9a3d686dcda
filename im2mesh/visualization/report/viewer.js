"use strict";
// Plays the windows of a report: WebGL 1, one canvas behind all panes of a window, no library.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const place = document.getElementById("windows");
const FRAMES_A_SECOND = 12, POINT = 3.2, TRAIL_STEPS = 6, PICK_PIXELS = 14, CLICK_PIXELS = 4, TITLE = 34;
const ARRAYS = {u1: Uint8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array};
const VERTEX = `
attribute vec3 position, normal, color; uniform mat4 view; uniform mat3 turn; uniform float diameter;
varying vec3 shade, facing;
void main() {
  gl_Position = view * vec4(position, 1.0); gl_PointSize = diameter;
  shade = color; facing = turn * normal;
}`;
const FRAGMENT = `
precision mediump float; uniform float lit; uniform bool round; varying vec3 shade, facing;
void main() {
  if (round && length(gl_PointCoord - 0.5) > 0.5) discard;
  vec3 n = normalize(facing + vec3(0.0, 0.0, 1e-6)); if (n.z < 0.0) n = -n;
  float key = max(dot(n, normalize(vec3(-0.5, 0.65, 0.75))), 0.0), fill = max(dot(n, vec3(0.8, 0.1, 0.6)), 0.0);
  float light = mix(1.0, 0.36 + 0.66 * key + 0.14 * fill, lit);
  gl_FragColor = vec4(shade * light, 1.0);
}`;

// The arrays of a window, which are packed as one zlib stream in base64.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  return ([kind, start, count]) => new ARRAYS[kind](buffer, start, count);
}

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

// A mesh or cloud that moves: its vertices are a base plus weighted shapes (see layers.py).
class Part {
  constructor(stored, array) {
    Object.assign(this, stored);
    if (!this.vertices) return;
    const base = array(this.base);
    this.base = Float32Array.from(base, (v, i) => this.low[i % 3] + this.step * v);
    for (const key of ["faces", "colors", "shapes", "errors"]) if (this[key]) this[key] = array(this[key]);
  }
  covers(frame) {
    const last = this.frames.length - 1;
    return this.frames[0] <= frame && frame <= this.frames[last] || last === 0 && Math.round(frame) === this.frames[0];
  }
  weightsAt(frame) {
    let after = this.frames.findIndex(f => f >= frame);
    if (after < 0) after = this.frames.length - 1;
    const before = Math.max(after - 1, 0), length = this.frames[after] - this.frames[before];
    const share = length ? (frame - this.frames[before]) / length : 0;
    return this.weights[before].map((w, k) => w + share * (this.weights[after][k] - w));
  }
  // Four shapes at a time, which takes a tenth of the time of one after the other.
  positionsAt(frame, first = 0, count = this.vertices) {
    const out = this.base.slice(3 * first, 3 * (first + count)), {shapes} = this, length = out.length;
    const weights = this.weightsAt(frame).map(weight => weight * this.shape_step);
    for (let k = 0; k < weights.length; k += 4) {
      const [a, b = 0, c = 0, d = 0] = weights.slice(k, k + 4);
      const [p, q, r, s] = [0, 1, 2, 3].map(j => 3 * (Math.min(k + j, weights.length - 1) * this.vertices + first));
      for (let i = 0; i < length; i++)
        out[i] += a * shapes[p + i] + b * shapes[q + i] + c * shapes[r + i] + d * shapes[s + i];
    }
    return out;
  }
  normalsOf(p) {
    const n = new Float32Array(p.length), f = this.faces;
    for (let t = 0; t < f.length; t += 3) {
      const a = 3 * f[t], b = 3 * f[t + 1], c = 3 * f[t + 2];
      const x1 = p[b] - p[a], y1 = p[b + 1] - p[a + 1], z1 = p[b + 2] - p[a + 2];
      const x2 = p[c] - p[a], y2 = p[c + 1] - p[a + 1], z2 = p[c + 2] - p[a + 2];
      const x = y1 * z2 - z1 * y2, y = z1 * x2 - x1 * z2, z = x1 * y2 - y1 * x2;
      n[a] += x; n[a + 1] += y; n[a + 2] += z;
      n[b] += x; n[b + 1] += y; n[b + 2] += z;
      n[c] += x; n[c + 1] += y; n[c + 2] += z;
    }
    return n;
  }
  errorsAt(frame) {
    let at = 0;
    this.frames.forEach((f, k) => { if (Math.abs(f - frame) < Math.abs(this.frames[at] - frame)) at = k; });
    return this.errors.subarray(at * this.vertices, (at + 1) * this.vertices);
  }
  errorColors(frame) {
    const colors = data.errors.colors, out = new Uint8Array(3 * this.vertices);
    this.errorsAt(frame).forEach((e, i) => out.set(colors[Math.round(e / 255 * (colors.length - 1))], 3 * i));
    return out;
  }
}

class Viewer {
  constructor(stored) {
    Object.assign(this, {stored, frame: 0, azimuth: 28, elevation: 8, zoom: 1, picked: null, playing: 0,
      panes: [], aside: [0, 0], rate: FRAMES_A_SECOND});
    this.build();
  }
  get help() { return "Drag to turn, scroll with Ctrl to zoom, click a point for its trail."; }
  start() { return this.started || (this.started = this.prepare()); }
  async prepare() {
    this.gl = this.canvas.getContext("webgl", {antialias: true, preserveDrawingBuffer: true});
    if (!this.gl) { this.tell("This browser shows no WebGL."); return; }
    this.gl.getExtension("OES_element_index_uint");
    this.program = link(this.gl);
    const array = await unpack(this.stored.blob);
    for (const layer of this.stored.layers) layer.parts = (layer.parts || []).map(part => new Part(part, array));
    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.ready = true;
    this.show(0);
  }
  build() {
    const {caption, title, frames} = this.stored;
    this.canvas = element("canvas", {tabIndex: 0});
    this.canvas.setAttribute("aria-label", `${title}: arrow keys turn, + and - zoom, space plays`);
    this.grid = element("div", {className: "panes"});
    this.toggles = element("div", {className: "bar"});
    this.stage = element("div", {className: "stage"}, this.grid, this.canvas);
    this.slider = element("input", {type: "range", min: 0, max: frames - 1, step: 1, value: 0});
    this.slider.setAttribute("aria-label", `frame of ${title}`);
    this.slider.oninput = () => { this.pause(); this.show(+this.slider.value); };
    this.button = element("button", {textContent: "Play", onclick: () => this.playing ? this.pause() : this.play()});
    this.output = element("output");
    this.status = element("p", {className: "note", textContent: this.help});
    this.status.setAttribute("role", "status");
    const bar = element("div", {className: "bar"}, this.button, this.slider, this.output);
    this.scale = errorScale();
    this.box = element("div", {className: "window"}, element("h3", {textContent: `${caption}: ${title}`}),
      this.stage, bar, this.scale, this.toggles, this.status);
    this.fill();
    this.listen();
  }
  // A pane for each layer, and one more for its errors; those that were hidden stay so.
  fill() {
    const hidden = new Set(this.panes.filter(pane => pane.box.hidden).map(pane => pane.title));
    this.panes = this.stored.layers.flatMap(layer => {
      const shown = [{layer, title: layer.name}];
      if (layer.errors) shown.push({layer, errors: true, title: `error of ${layer.name} (${layer.errors})`});
      return shown;
    });
    for (const pane of this.panes) {
      pane.box = element("div", {className: "pane", hidden: hidden.has(pane.title)},
        element("span", {textContent: pane.title}));
      pane.toggle = element("button", {textContent: pane.title});
      pane.toggle.setAttribute("aria-pressed", !pane.box.hidden);
      pane.toggle.onclick = () => {
        pane.box.hidden = !pane.box.hidden;
        pane.toggle.setAttribute("aria-pressed", !pane.box.hidden);
        this.arrange();
      };
    }
    this.grid.replaceChildren(...this.panes.map(pane => pane.box));
    this.toggles.replaceChildren(...this.panes.map(pane => pane.toggle));
    this.scale.hidden = !this.panes.some(pane => pane.errors);
    this.arrange();
  }
  arrange() {
    this.grid.style.setProperty("--columns", Math.max(1, this.panes.filter(pane => !pane.box.hidden).length));
    this.draw();
  }
  listen() {
    let from = null, moved = 0;
    const canvas = this.canvas;
    canvas.onpointerdown = event => { from = event; moved = 0; canvas.setPointerCapture(event.pointerId); };
    canvas.onpointermove = event => {
      if (!from) return;
      const dx = event.clientX - from.clientX, dy = event.clientY - from.clientY;
      moved += Math.abs(dx) + Math.abs(dy);
      from = event;
      this.turn(-0.5 * dx, 0.5 * dy);
    };
    canvas.onpointerup = event => { if (from && moved < CLICK_PIXELS) this.pick(event); from = null; };
    canvas.onpointercancel = () => { from = null; };
    canvas.addEventListener("wheel", event => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.enlarge(Math.exp(-0.002 * event.deltaY));
    }, {passive: false});
    canvas.onkeydown = event => {
      const turns = {ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, 6], ArrowDown: [0, -6]};
      if (turns[event.key]) this.turn(...turns[event.key]);
      else if (event.key === "+" || event.key === "-") this.enlarge(event.key === "+" ? 1.15 : 1 / 1.15);
      else if (event.key === " ") this.button.click();
      else return;
      event.preventDefault();
    };
  }
  turn(azimuth, elevation) {
    this.azimuth += azimuth;
    this.elevation = Math.min(89, Math.max(-89, this.elevation + elevation));
    this.draw();
  }
  enlarge(factor) { this.zoom = Math.min(20, Math.max(0.4, this.zoom * factor)); this.draw(); }
  tell(text) { this.status.textContent = text; }
  play() {
    if (!this.ready) return;
    let before = performance.now();
    const step = now => {
      this.show(this.later((now - before) / 1000));
      before = now;
      this.playing = requestAnimationFrame(step);
    };
    this.playing = requestAnimationFrame(step);
    this.button.textContent = "Pause";
  }
  // Where it has come to after some seconds; from the end it goes on at the start.
  later(seconds) { return (this.frame + seconds * this.rate) % (this.stored.frames - 1 || 1); }
  pause() { cancelAnimationFrame(this.playing); this.playing = 0; this.button.textContent = "Play"; }
  show(frame) {
    this.frame = frame;
    this.slider.value = this.slider.step === "any" ? frame : Math.round(frame);
    this.output.value = this.label();
    this.draw();
  }
  label() { return `frame ${Math.round(this.frame)} of ${this.stored.frames - 1}`; }
  partOf(layer) { return layer.parts.find(part => part.vertices && part.covers(this.frame)); }

  // Axes of the camera as rows: right, up, towards the viewer; a parallel projection, as in the pictures.
  axes() {
    const a = this.azimuth * Math.PI / 180, e = this.elevation * Math.PI / 180;
    const toward = [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
    const right = [Math.cos(a), 0, -Math.sin(a)];
    const up = [toward[1] * right[2] - toward[2] * right[1], toward[2] * right[0] - toward[0] * right[2],
      toward[0] * right[1] - toward[1] * right[0]];
    return [right, up, toward];
  }
  // The matrix from positions to the pane, by columns, and its inner part for normals.
  view(width, height) {
    const {low, high} = this.stored, rows = this.axes();
    const center = low.map((v, i) => (v + high[i]) / 2), size = high.map((v, i) => v - low[i]);
    const radius = Math.hypot(...size) / 2 || 1;
    const tall = Math.max(size[1] / 2, Math.hypot(size[0], size[2]) / 2 * height / width);
    const half = Math.min(radius, 1.12 * tall) / this.zoom;
    const scales = [height / width / half, 1 / half, -1 / (2 * radius)];
    const matrix = new Float32Array(16), aside = [...this.aside, 0];
    rows.forEach((row, r) => {
      row.forEach((v, c) => { matrix[4 * c + r] = scales[r] * v; });
      matrix[12 + r] = aside[r] - scales[r] * row.reduce((sum, v, c) => sum + v * center[c], 0);
    });
    matrix[15] = 1;
    return {matrix, turn: new Float32Array([0, 1, 2].flatMap(c => rows.map(row => row[c])))};
  }
  areaOf(pane) {
    const outer = this.stage.getBoundingClientRect(), box = pane.box.getBoundingClientRect();
    return {x: box.left - outer.left, y: outer.bottom - box.bottom, width: box.width, height: box.height - TITLE};
  }
  draw() {
    if (!this.ready) return;
    const {gl, canvas, stage} = this, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    gl.enable(gl.DEPTH_TEST);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(this.program);
    for (const pane of this.panes) {
      if (pane.box.hidden) continue;
      if (pane.layer.images) { this.drawImage(pane); continue; }
      const area = this.areaOf(pane), part = this.partOf(pane.layer);
      if (!part) continue;
      gl.viewport(...[area.x, area.y, area.width, area.height].map(v => Math.round(v * ratio)));
      const {matrix, turn} = this.view(area.width, area.height);
      gl.uniformMatrix4fv(this.at("view"), false, matrix);
      gl.uniformMatrix3fv(this.at("turn"), false, turn);
      this.drawPart(part, pane.errors, ratio);
      if (this.picked && this.picked.part === part) this.drawTrail(part, ratio);
      this.drawMarks(pane, part, ratio);
    }
  }
  drawMarks() {}  // for pages that show more than a report
  at(name) {
    const places = this.places || (this.places = {});
    return places[name] || (places[name] = this.gl.getUniformLocation(this.program, name));
  }
  drawImage(pane) {
    const frame = pane.layer.images[Math.round(this.frame)];
    const image = pane.image || (pane.image = pane.box.appendChild(element("img", {alt: "input image"})));
    image.hidden = !frame;
    if (frame && image.src !== frame) image.src = frame;
  }
  drawPart(part, errors, ratio) {
    const {gl} = this;
    const shape = this.moved(part);
    this.feed("position", shape.position, gl.FLOAT);
    this.feed("normal", shape.normal, gl.FLOAT);
    this.feed("color", errors && part.errors ? this.buffer(part.errorColors(this.frame), part, "error") : shape.color, gl.UNSIGNED_BYTE);
    gl.uniform1f(this.at("diameter"), this.diameterOf(part) * ratio);
    gl.uniform1i(this.at("round"), part.faces.length ? 0 : 1);
    gl.uniform1f(this.at("lit"), part.faces.length ? (errors ? 0.45 : 1) : 0);
    if (!part.faces.length) { gl.drawArrays(gl.POINTS, 0, part.vertices); return; }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, shape.index);
    const kind = part.faces instanceof Uint32Array ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT;
    gl.drawElements(gl.TRIANGLES, part.faces.length, kind, 0);
  }
  // The buffers of a part at this frame; those of the last frame are used again.
  moved(part) {
    const {gl} = this;
    if (part.shown && part.shown.frame === this.frame) return part.shown;
    const positions = this.positionsOf(part);
    const shown = part.shown || {color: this.buffer(part.colors, part, "color")};
    shown.frame = this.frame;
    shown.positions = positions;
    shown.position = this.buffer(positions, part, "position");
    shown.normal = this.buffer(part.faces.length ? part.normalsOf(positions) : positions, part, "normal");
    if (!shown.index && part.faces.length) shown.index = this.buffer(part.faces, part, "index", gl.ELEMENT_ARRAY_BUFFER);
    return part.shown = shown;
  }
  diameterOf(part) { return POINT * Math.max(1, Math.min(2.2, Math.sqrt(3000 / part.vertices))); }
  positionsOf(part) { return part.positionsAt(this.frame); }
  buffer(values, owner, name, target = this.gl.ARRAY_BUFFER) {
    const {gl} = this, buffers = owner.buffers || (owner.buffers = {});
    const buffer = buffers[name] || (buffers[name] = gl.createBuffer());
    gl.bindBuffer(target, buffer);
    gl.bufferData(target, values, gl.DYNAMIC_DRAW);
    return buffer;
  }
  feed(name, buffer, kind) {
    const {gl} = this, place = gl.getAttribLocation(this.program, name);
    if (place < 0) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 3, kind, kind === gl.UNSIGNED_BYTE, 0, 0);
  }
  // The path of the clicked point as dots: dark to now, light after.
  drawTrail(part, ratio) {
    const {gl} = this, last = part.frames.length - 1, [first, end] = [part.frames[0], part.frames[last]];
    const count = Math.max(1, (end - first) * TRAIL_STEPS), points = [], colors = [];
    const [ink, pale] = ["--ink", "--lead"].map(name => rgb(getComputedStyle(this.stage).getPropertyValue(name)));
    for (let k = 0; k <= count; k++) {
      const frame = first + (end - first) * k / count;
      points.push(...part.positionsAt(frame, this.picked.vertex, 1));
      colors.push(...(frame <= this.frame ? ink : pale));
    }
    const here = part.positionsAt(this.frame, this.picked.vertex, 1);
    this.feed("position", this.buffer(new Float32Array([...points, ...here]), part, "trail"), gl.FLOAT);
    this.feed("normal", this.buffer(new Float32Array([...points, ...here]), part, "trail normals"), gl.FLOAT);
    this.feed("color", this.buffer(new Uint8Array([...colors, ...ink]), part, "trail colors"), gl.UNSIGNED_BYTE);
    gl.disable(gl.DEPTH_TEST);
    gl.uniform1i(this.at("round"), 1);
    gl.uniform1f(this.at("lit"), 0);
    gl.uniform1f(this.at("diameter"), 4 * ratio);
    gl.drawArrays(gl.POINTS, 0, count + 1);
    gl.uniform1f(this.at("diameter"), 10 * ratio);
    gl.drawArrays(gl.POINTS, count + 1, 1);
    gl.enable(gl.DEPTH_TEST);
  }
  pick(event) {
    if (!this.ready) return;
    const outer = this.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - outer.left, outer.bottom - event.clientY];
    const inside = a => a.x <= x && x < a.x + a.width && a.y <= y && y < a.y + a.height;
    const pane = this.panes.find(p => !p.box.hidden && inside(this.areaOf(p)));
    const part = pane && pane.layer.parts && this.partOf(pane.layer);
    this.picked = part ? this.nearest(part, this.areaOf(pane), x, y) : null;
    this.tell(this.picked ? this.describe(pane) : "No point there.");
    this.draw();
  }
  nearest(part, area, x, y) {
    const {matrix: m} = this.view(area.width, area.height), p = this.moved(part).positions;
    let best = null, least = Infinity;
    for (let v = 0; v < part.vertices; v++) {
      const q = [0, 1, 2].map(r => m[r] * p[3 * v] + m[4 + r] * p[3 * v + 1] + m[8 + r] * p[3 * v + 2] + m[12 + r]);
      const away = Math.hypot(area.x + (q[0] + 1) / 2 * area.width - x, area.y + (q[1] + 1) / 2 * area.height - y);
      const cost = away + 60 * q[2];  // of points at the same place the one in front
      if (away < PICK_PIXELS && cost < least) { least = cost; best = {part, vertex: v}; }
    }
    return best;
  }
  describe(pane) {
    const {part, vertex} = this.picked, last = part.frames[part.frames.length - 1];
    const [a, b] = [part.frames[0], last].map(frame => part.positionsAt(frame, vertex, 1));
    const error = part.errors ? `, error ${(part.errorsAt(this.frame)[vertex] / 255 * data.errors.maximum).toFixed(4)} now` : "";
    const moved = Math.hypot(...a.map((v, i) => b[i] - v)).toFixed(3);
    return `Point ${vertex} of ${pane.layer.name}: ${moved} from its first to its last place${error}.`;
  }
}

function link(gl) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}
function rgb(hex) { return [1, 3, 5].map(k => parseInt(hex.trim().slice(k, k + 2), 16)); }
function errorScale() {
  const bar = element("i"), {maximum, colors} = data.errors;
  bar.style.background = `linear-gradient(to right, ${colors.map(c => `rgb(${c})`).join()})`;
  return element("div", {className: "scale"}, "error: 0", bar, `${maximum} and more of the longest side`);
}

const viewers = place ? data.windows.map(stored => new Viewer(stored)) : [];
const starts = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) entry.target.viewer.start();
}, {rootMargin: "50%"});
for (const viewer of viewers) {
  viewer.box.viewer = viewer;
  place.append(viewer.box);
  starts.observe(viewer.box);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => viewers.forEach(v => v.draw()));
Object.assign(window, {viewers, viewing: {Viewer, Part, unpack, element}});
})();
