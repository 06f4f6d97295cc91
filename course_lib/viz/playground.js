// The attention playground. Words only ever become textContent, never markup.

const given = JSON.parse(document.getElementById("state").textContent);
const { title, words, short, query: start, key, value, hull, size } = given;
const state = { query: [...start], sharpness: 1 };
const TRAIL = 120;
let trail = [], moved = false;

const sum = (numbers) => numbers.reduce((one, two) => one + two, 0);
const clamp = (low, x, high) => Math.max(low, Math.min(high, x));
const round = (x, unit) => +(Math.round(x / unit) * unit).toFixed(6);
// Two decimals, and never a minus before zero.
const number = (x, digits = 2) => (Math.abs(x) < 0.5 / 10 ** digits ? 0 : x).toFixed(digits).replace("-", "−");
const point = (v, digits) => `${number(v[0], digits)}, ${number(v[1], digits)}`;

function attend() {
  const scores = key.map((k) => state.sharpness * (k[0] * state.query[0] + k[1] * state.query[1]));
  const peak = Math.max(...scores), raised = scores.map((s) => Math.exp(s - peak)), total = sum(raised);
  const weights = raised.map((r) => r / total);
  return { scores, weights, output: [0, 1].map((axis) => sum(weights.map((w, j) => w * value[j][axis]))) };
}

// ---- elements ----------------------------------------------------------------------------------------------------
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
const hue = (color, text) => make("b", { class: color }, text);

const slider = make("input", { type: "range", id: "sharpness", min: 0, max: 8, step: 0.1 });
const sharpness = make("output", { for: "sharpness" }), reset = make("button", { type: "button" }, "Reset");
const live = make("div", { class: "live", role: "status" });
const queryText = make("span", { class: "at" }), outputText = make("span", { class: "at" });
const scoreTitle = make("h3"), weightTitle = make("h3", {}, "Weights = softmax of the scores");
const left = draw("svg", { role: "group", "aria-label": "Keys as arrows, and the query" });
const right = draw("svg", { role: "img", "aria-label": "Values as points, and the output among them" });
const ground = [draw("g"), draw("g")], stage = [draw("g"), draw("g")];
const help = "Tip of the query. Arrow keys move it, Shift: finer steps.";
const tip = draw("g", { class: "tip", tabindex: 0, role: "slider", "aria-label": help },
  draw("title", {}, "Drag it, or use the arrow keys"),
  ...Object.entries({ reach: 22, pulse: 9, ring: 14, knob: 7 }).map(([css, r]) => draw("circle", { class: css, r })));
left.append(ground[0], stage[0], tip);
right.append(ground[1], stage[1]);

function rows(kind) {
  return words.map((word) => {
    const bar = make("i"), text = make("b");
    const node = make("li", {}, make("span", { title: word }, word), make("div", { class: kind }, bar), text);
    return { node, bar, text };
  });
}
const scoreRows = rows("score"), weightRows = rows("weight");
const root = make("div", { class: "playground" },
  make("div", { class: "top" }, make("h2", { title }, title),
    make("label", { for: "sharpness", title: "Multiplies every score" }, "Sharpness"), slider, sharpness, reset),
  make("div", { class: "panels" },
    make("section", {}, make("h3", {}, hue("blue", "Keys"), " and ", hue("vermillion", "query"), queryText), left),
    make("section", {}, make("h3", {}, hue("blue", "Values"), " and ", hue("vermillion", "output"), outputText), right),
    make("section", {}, scoreTitle, make("ul", {}, ...scoreRows.map((row) => row.node))),
    make("section", {}, weightTitle, make("ul", {}, ...weightRows.map((row) => row.node)))),
  live);
document.getElementById("playground").append(root);

// ---- planes: numbers to pixels, one unit as long across as up -------------------------------------------------------
const ruler = document.createElement("canvas").getContext("2d");

function tickOf(span) {
  const unit = 10 ** Math.floor(Math.log10(span));
  return [0.1, 0.2, 0.5, 1].map((part) => part * unit).find((tick) => span / tick <= 7) ?? unit;
}
function plane(svg, low, high, across, up) {
  const width = svg.parentNode.clientWidth, spans = [0, 1].map((axis) => high[axis] - low[axis]);
  const least = (Math.max(...spans) || 1) / 20, [wide, tall] = spans.map((span) => Math.max(span, least));
  const scale = Math.max(1e-3, Math.min((width - 2 * across) / wide, (size - 2 * up) / tall));
  const middle = [0, 1].map((axis) => (low[axis] + high[axis]) / 2);
  return { svg, width, scale, tick: tickOf(size / scale),
    at: (v) => [width / 2 + (v[0] - middle[0]) * scale, size / 2 - (v[1] - middle[1]) * scale],
    from: (x, y) => [middle[0] + (x - width / 2) / scale, middle[1] - (y - size / 2) / scale] };
}
function paper({ svg, width, tick, at, from }, group) {
  svg.setAttribute("width", width);
  svg.setAttribute("height", size);
  const [low, high] = [from(0, size), from(width, 0)], lines = [], texts = [];
  const taken = [[0, 0, 100, 17], [width - 80, size - 17, 80, 17]];  // the names of the axes
  const digits = Math.max(0, -Math.floor(Math.log10(tick) + 1e-9));
  for (const axis of [0, 1])
    for (let i = Math.ceil(low[axis] / tick); i * tick <= high[axis]; i++) {
      const [x, y] = at([i * tick, i * tick]), css = i ? "grid" : "axis";
      lines.push(draw("line", axis ? { class: css, x2: width, y1: y, y2: y } : { class: css, x1: x, x2: x, y2: size }));
      if (axis ? y < 26 || y > size - 20 : x < 24 || x > width - 100) continue;
      const [left, base] = axis ? [4, y - 3] : [x + 3, size - 5];
      texts.push(draw("text", { class: "tick", x: left, y: base }, number(i * tick, digits)));
      taken.push([left, base - 9, 20, 11]);
    }
  texts.push(draw("text", { class: "tick name", x: width - 4, y: size - 5 }, "first number →"),
    draw("text", { class: "tick", x: 4, y: 13 }, "↑ second number"));
  group.replaceChildren(...lines, ...texts);
  return taken;
}

// Each label takes the first place beside its point that is free of all others, and keeps it while it stays free.
let kept = {};
function label(id, { width }, taken, [x, y], away, gap, text, css) {
  const w = ruler.measureText(text).width, h = 15;
  const side = away[0] >= 0 ? 1 : -1, rise = away[1] >= 0 ? 1 : -1;
  const places = [[side, 0], [side, rise], [0, rise], [side, -rise], [0, -rise], [-side, rise], [-side, 0], [-side, -rise]];
  const boxes = places.map(([dx, dy]) => {
    const near = dx && dy ? 0.75 : 1;
    return [clamp(3, x + dx * gap * near - (dx < 0 ? w : dx ? 0 : w / 2), width - w - 3),
      clamp(3, y + dy * (gap * near + 8) - h / 2, size - h - 3)];
  });
  const free = ([a, b]) => taken.every(([c, d, v, u]) => a > c + v || c > a + w || b > d + u || d > b + h);
  const place = [kept[id] ?? 0, ...boxes.keys()].find((i) => free(boxes[i])) ?? 0, [a, b] = boxes[place];
  kept[id] = place;
  taken.push([a, b, w, h]);
  return draw("text", { class: css, x: a, y: b + 12 }, text);
}
function arrow(from, end, css, gap = 0) {
  const whole = Math.hypot(end[0] - from[0], end[1] - from[1]), length = whole - gap;
  if (length < 1) return draw("g");
  const [ux, uy] = [(end[0] - from[0]) / whole, (end[1] - from[1]) / whole], head = Math.min(11, length);
  const to = [end[0] - ux * gap, end[1] - uy * gap];
  const [bx, by] = [to[0] - ux * head, to[1] - uy * head];
  return draw("g", { class: `arrow ${css}` }, draw("line", { x1: from[0], y1: from[1], x2: bx, y2: by }),
    draw("polygon", { points: [to, [bx - uy * 5, by + ux * 5], [bx + uy * 5, by - ux * 5]].join(" ") }));
}

// ---- what moves ----------------------------------------------------------------------------------------------------
// How far the query may go: wider than high, like its panel.
const reach = Math.max(...[...key, start].flat().map(Math.abs)) * 1.12 || 1, bounds = [1.25 * reach, reach];
const fine = 10 ** Math.floor(Math.log10(reach)) / 100, digits = Math.max(2, Math.round(-Math.log10(fine)));
const corner = (pick) => [0, 1].map((axis) => pick(...value.map((v) => v[axis])));
const centre = [0, 1].map((axis) => sum(value.map((v) => v[axis])) / value.length);
let planes = null, later = 0;

function lay() {
  if (!root.clientWidth) return;  // a hidden tab has no width
  ruler.font = `12.5px ${getComputedStyle(root).fontFamily}`;
  const widest = Math.max(...short.map((word) => ruler.measureText(`${word} 0.00`).width));
  const room = Math.min(80, root.clientWidth / 11, 18 + 0.6 * widest);
  kept = {};
  planes = [plane(left, bounds.map((x) => -x), bounds, 14, 14), plane(right, corner(Math.min), corner(Math.max), room, 54)];
  planes.forEach((one, i) => { one.taken = paper(one, ground[i]); });
  show();
}

function show() {
  if (!planes) return;  // a hidden frame has nothing to draw on yet
  const { scores, weights, output } = attend(), [one, two] = planes;
  const origin = one.at([0, 0]), end = one.at(state.query), square = sum(state.query.map((x) => x * x));
  // The shadow of a key on the query's line: its length times the query's is the score.
  const shadows = square ? key.map((k) => {
    const part = (k[0] * state.query[0] + k[1] * state.query[1]) / square, [x1, y1] = one.at(k);
    const [x2, y2] = one.at(state.query.map((x) => x * part));
    return draw("line", { class: "shadow", x1, y1, x2, y2 });
  }) : [];
  const taken = [...one.taken], screen = ([x, y]) => [x, -y];
  const away = square ? screen(state.query) : [1, 1];
  const keyLabels = key.map((k, j) => label(`key${j}`, one, taken, one.at(k), screen(k), 8, short[j], "word blue"));
  kept.query = 0;  // its way out turns with it
  const queryLabel = label("query", one, taken, end, away, 18, "query", "word vermillion");
  stage[0].replaceChildren(...shadows, ...key.map((k) => arrow(origin, one.at(k), "blue")),
    arrow(origin, end, "vermillion", 8), ...keyLabels, queryLabel);
  tip.setAttribute("transform", `translate(${end})`);

  const places = value.map(two.at), cross = two.at(output), radius = weights.map((w) => Math.sqrt(16 + 300 * w));
  const wide = radius.map((r) => r + 3);  // a label keeps off the points
  const full = [...two.taken, ...places.map(([x, y], j) => [x - wide[j], y - wide[j], 2 * wide[j], 2 * wide[j]])];
  const shares = value.map((v, j) => label(`value${j}`, two, full, places[j], screen([v[0] - centre[0], v[1] - centre[1]]),
    radius[j] + 5, `${short[j]} ${number(weights[j])}`, "word"));
  stage[1].replaceChildren(
    draw("polygon", { class: "hull", points: hull.map((i) => places[i]).join(" ") }),
    draw("polyline", { class: "trail", points: trail.map(two.at).join(" ") }),
    ...places.map(([x1, y1], j) => draw("line",
      { class: "pull", x1, y1, x2: cross[0], y2: cross[1], "stroke-width": 0.5 + 6 * weights[j] })),
    ...places.map(([cx, cy], j) => draw("circle", { class: "value", cx, cy, r: radius[j] })),
    ...shares,
    ...["halo", "cross"].map((css) =>
      draw("path", { class: css, d: `M${cross[0] - 6} ${cross[1] - 6}l12 12m0 -12l-12 12` })));

  const limit = Math.max(reach * reach, ...scores.map(Math.abs));
  scores.forEach((s, j) => {
    const { bar, text } = scoreRows[j], half = (Math.abs(s) / limit) * 50;
    Object.assign(bar.style, { left: `${s < 0 ? 50 - half : 50}%`, width: `${half}%` });
    text.textContent = number(s);
  });
  weights.forEach((w, j) => { weightRows[j].bar.style.width = `${100 * w}%`; weightRows[j].text.textContent = number(w); });
  const times = state.sharpness === 1 ? "" : `${number(state.sharpness, 1)} × `;
  scoreTitle.replaceChildren(`Scores = ${times}`, hue("vermillion", "query"), " · ", hue("blue", "key"));
  queryText.textContent = `query (${point(state.query, digits)})`;
  outputText.textContent = `output (${point(output)})`;
  slider.value = state.sharpness;
  sharpness.value = number(state.sharpness, 1);
  const [x, farthest] = [state.query[0], bounds[0]], valuetext = point(state.query, digits);
  for (const [name, given] of Object.entries({ valuenow: x, valuemin: -farthest, valuemax: farthest, valuetext }))
    tip.setAttribute(`aria-${name}`, given);
  root.classList.toggle("fresh", !moved);
  for (const [name, given] of Object.entries({ ...state, scores, weights, output }))
    root.dataset[name] = JSON.stringify(given);
  clearTimeout(later);  // speak when the hand rests
  later = setTimeout(() => {
    const shared = words.map((word, j) => `${word} ${number(weights[j])}`).join(", ");
    live.textContent = `output ${point(output)}; weights ${shared}`;
  }, 250);
}

function change(next) {
  if (!trail.length) trail.push(attend().output);
  moved = true;
  Object.assign(state, next);
  trail = [...trail, attend().output].slice(-TRAIL);
  show();
}
const inside = (query) => query.map((x, axis) => round(clamp(-bounds[axis], x, bounds[axis]), fine));

// ---- hands ---------------------------------------------------------------------------------------------------------
let grip = null;
tip.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const [x, y] = planes[0].at(state.query);
  grip = [x - event.clientX, y - event.clientY];
  tip.setPointerCapture(event.pointerId);
});
tip.addEventListener("pointermove", (event) => {
  if (grip) change({ query: inside(planes[0].from(event.clientX + grip[0], event.clientY + grip[1])) });
});
// Without this a finger would scroll the page: not every browser reads touch-action on a part of a drawing.
tip.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) tip.addEventListener(name, () => { grip = null; });
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
tip.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const unit = event.shiftKey ? fine : 10 * fine;
  change({ query: inside(state.query.map((x, axis) => x + step[axis] * unit)) });
});
slider.addEventListener("input", () => change({ sharpness: +slider.value }));
reset.addEventListener("click", () => {
  trail = [];
  Object.assign(state, { query: [...start], sharpness: 1 });
  show();
});
lay();
let seen = root.clientWidth;
new ResizeObserver(() => { if (root.clientWidth !== seen) { seen = root.clientWidth; lay(); } }).observe(root);
