// The mask playground. Tokens only ever become textContent, never markup.

const { title, tokens, short, scores, orders, most, start } = JSON.parse(document.getElementById("data").textContent);
const T = tokens.length, places = [...tokens.keys()];
const begin = () => ({ ...start, shuffled: 0, order: [...orders[0]] });
const state = begin();

// ---- who may look at whom, as in course_lib.attention: row i looks at column j -----------------------------------
const rankOf = (order) => places.map((i) => order.indexOf(i));
const KINDS = {
  BERT: { says: () => "Everyone sees everyone.", allows: () => true },
  GPT: { says: () => "Oneself, and what stands before.", allows: (i, j) => j <= i },
  UniLM: {
    says: () => "The prefix is seen by all; behind it, oneself and what stands before.",
    allows: (i, j) => j <= i || j < state.prefix,
  },
  XLNet: {
    says: () => `Those whose turn came before${state.stream ? ", not oneself" : ", and oneself"}.`,
    allows: (i, j, rank, stream) => rank[i] > rank[j] || (i === j && !stream),
  },
  banded: { says: () => "Oneself, and the last few before.", allows: (i, j) => j <= i && j > i - state.width },
};
function maskOf(stream) {
  const rank = rankOf(state.order), { allows } = KINDS[state.kind];
  return places.map((i) => places.map((j) => allows(i, j, rank, stream) && j < T - state.padding));
}
const sum = (numbers) => numbers.reduce((one, two) => one + two, 0);
const follow = (path, step) => path.map((row) => places.map((j) => row.some((yes, k) => yes && step[k][j])));

function look() {
  const mask = maskOf(state.stream), below = maskOf(false);
  let reach = mask;
  for (let layer = 1; layer < state.layers; layer++) reach = follow(reach, below);
  const weights = mask.map((row, i) => {
    const peak = Math.max(...scores[i].filter((_, j) => row[j]));
    const raised = row.map((yes, j) => (yes ? Math.exp(scores[i][j] - peak) : 0)), total = sum(raised);
    return raised.map((one) => (total ? one / total : 0));  // nothing allowed: zeros
  });
  return { mask, weights, reach };
}
const kindOf = ({ mask, reach }, i, j) => (mask[i][j] ? "direct" : reach[i][j] ? "through" : "unseen");

// ---- elements ------------------------------------------------------------------------------------------------------
function fill(node, attributes, children) {
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
function button(text, act, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", () => { act(); show(); });
  return node;
}
function slider(name, label, min, max) {
  const input = make("input", { type: "range", min, max, step: 1, "aria-label": label }), output = make("output");
  input.addEventListener("input", () => { state[name] = +input.value; show(); });
  return { node: make("label", {}, label, input, output), set: () => { input.value = output.value = state[name]; } };
}
const sliders = { prefix: slider("prefix", "Prefix", 0, T), width: slider("width", "Width", 1, T),
  padding: slider("padding", "Padding", 0, T), layers: slider("layers", "Layers", 1, most) };

function move(by) {
  const { order, at } = state, turn = order.indexOf(at), other = order[turn + by];
  if (other === undefined) return;
  [order[turn], order[turn + by]] = [other, at];
}
function shuffle() {
  state.shuffled = (state.shuffled + 1) % orders.length;
  state.order = [...orders[state.shuffled]];
}
const stream = make("input", { type: "checkbox" });
stream.addEventListener("change", () => { state.stream = stream.checked; show(); });
const turns = make("div", { class: "turns", role: "group", "aria-label": "Order of the turns" }, button("Shuffle", shuffle),
  button("◂ Earlier", () => move(-1), { "aria-label": "Earlier turn" }),
  button("Later ▸", () => move(1), { "aria-label": "Later turn" }), make("label", {}, stream, " query stream"));
const kinds = Object.keys(KINDS).map((kind) => button(kind, () => { state.kind = kind; }));

const words = tokens.map((token, i) => {
  const turn = make("b"), share = make("small");
  const node = button("", () => { state.at = i; }, { title: token });
  node.append(make("small", {}, i, turn), make("span", {}, token), share);
  return { node, turn, share };
});
const sentence = make("div", { class: "words", role: "group", "aria-label": "The tokens; choose the one that looks" },
  ...words.map(({ node }) => node));
const svg = draw("svg", { role: "img" }), stage = make("div", { class: "stage" }, svg);
const note = make("p", { class: "note" }), live = make("div", { class: "live", role: "status" });
const LEGEND = { looks: "looks", direct: "sees directly", through: "sees through other tokens", unseen: "cannot see" };
const root = make("div", { class: "view" },
  make("div", { class: "top" }, make("h2", { title }, title),
    make("div", { class: "kinds", role: "group", "aria-label": "Mask" }, ...kinds)),
  make("div", { class: "controls" }, sliders.prefix.node, sliders.width.node, turns, sliders.padding.node, sliders.layers.node,
    button("Reset", () => Object.assign(state, begin()), { class: "reset" })),
  sentence,
  make("div", { class: "legend", "aria-hidden": true },
    ...Object.entries(LEGEND).map(([kind, says]) => make("span", {}, make("i", { class: kind }), says)),
    make("span", {}, make("s", {}, "token"), "padding")),
  stage, note, live);
document.getElementById("view").append(root);

// ---- the three matrices ----------------------------------------------------------------------------------------------
const ruler = document.createElement("canvas").getContext("2d");
const HEAD = 36, BIGGEST = 44;
let rowAt = () => undefined;  // the row at a height

function paint(found) {
  const width = stage.clientWidth, height = stage.clientHeight;
  if (!width || !height) return;  // a hidden tab has no size
  ruler.font = `600 11.5px ${getComputedStyle(root).fontFamily}`;
  const narrow = width < 560, gap = narrow ? 10 : 28, names = places.map((i) => (narrow ? `${i}` : `${short[i]}\u2002${i}`));
  const labels = Math.max(...names.map((name) => ruler.measureText(name).width)) + 8;
  const cell = Math.max(2, Math.floor(Math.min((width - labels - 2 * gap - 4) / (3 * T), (height - HEAD - 4) / T, BIGGEST)));
  const side = cell * T, pitch = Math.max(side + gap, narrow ? 0 : 155);  // no heading meets its neighbour
  const left = Math.max(0, (width - labels - 2 * pitch - Math.max(side, pitch - gap)) / 2) + labels, inset = cell > 9 ? 1 : 0.5;
  const size = cell - 2 * inset, y = (i) => HEAD + i * cell, middle = (i) => y(i) + cell / 2;
  rowAt = (at) => places[Math.floor((at - HEAD) / cell)];
  const layers = state.layers === 1 ? "1 layer" : `${state.layers} layers`;
  const matrices = [
    { name: "mask", head: "Mask", of: (i, j) => [found.mask[i][j] ? "direct" : "no", 1] },
    { name: "weights", head: narrow ? "Weights" : "Softmax weights", of: (i, j) => (found.mask[i][j] ? ["share", found.weights[i][j]] : ["no", 1]) },
    { name: "reach", head: narrow ? layers : `Reach through ${layers}`,
      of: (i, j) => [found.reach[i][j] ? kindOf(found, i, j) : "no", 1] },
  ];
  const every = Math.ceil(15 / cell);
  const drawn = matrices.map(({ name, head, of }, n) => {
    const x0 = left + n * pitch, group = draw("g", { class: name }, draw("text", { class: "head", x: x0, y: 13 }, head));
    for (const j of places) {
      if (j % every === 0) group.append(draw("text", { class: "number", x: x0 + (j + 0.5) * cell, y: HEAD - 7 }, j));
    }
    for (const i of places) {
      for (const j of places) {
        const [kind, opacity] = of(i, j), box = { x: x0 + j * cell + inset, y: y(i) + inset, width: size, height: size, rx: cell > 9 ? 2 : 0 };
        if (kind === "share") group.append(draw("rect", { ...box, class: "yes" }));
        const rect = draw("rect", { ...box, class: `cell ${kind}`, "fill-opacity": opacity });
        if (name === "weights") rect.append(draw("title", {}, `${tokens[i]} → ${tokens[j]}: ${kind === "no" ? "not allowed" : opacity.toFixed(3)}`));
        group.append(rect);
      }
      if (!found.mask[i].some(Boolean) && cell > 4) {
        const says = name === "weights" ? "all zero" : "sees nothing";
        group.append(draw("text", { class: "nothing", x: x0 + side / 2, y: middle(i) + 4 }, cell > 12 && side > 80 ? says : "∅"));
      }
    }
    group.append(draw("rect", { class: "looks", x: x0 - 1, y: y(state.at) - 1, width: side + 2, height: cell + 2, rx: 3 }));
    return group;
  });
  const rows = places.filter((i) => cell > 10 || i % every === 0 || i === state.at).map((i) =>
    draw("text", { class: `row${i === state.at ? " on" : ""}`, x: left - 7, y: middle(i) + 4 }, names[i]));
  const stripes = draw("pattern", { id: "stripes", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    draw("rect", { width: 5, height: 5, fill: "#fff6e2" }), draw("rect", { width: 2.5, height: 5, fill: "#f3c66b" }));
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.replaceChildren(draw("defs", {}, stripes), ...rows, ...drawn);
}

// ---- show ----------------------------------------------------------------------------------------------------------
const SEEN = { direct: "seen directly", through: "seen through other tokens", unseen: "not seen" };
function ordinal(n) {
  const end = n % 100 > 10 && n % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${end}`;
}
function tell({ mask, weights, reach }) {
  const { kind, at, layers, padding } = state, direct = sum(mask[at]), through = sum(reach[at]);
  const knob = { UniLM: `, prefix ${state.prefix}`, banded: `, width ${state.width}`,
    XLNet: `, ${ordinal(state.order.indexOf(at) + 1)} turn${state.stream ? ", query stream" : ""}` }[kind] ?? "";
  const who = `${kind}${knob}${padding ? `, padding ${padding}` : ""}: position ${at} “${short[at]}”`;
  const own = at >= T - padding ? " It is padding itself." : "";
  if (!direct) return `${who} sees nothing: all its weights are zero.${own}`;
  const best = weights[at].indexOf(Math.max(...weights[at]));
  return `${who} sees ${direct} of ${T} tokens directly${layers > 1 ? `, ${through} through ${layers} layers` : ""}. `
    + `Largest weight: ${weights[at][best].toFixed(2)} on ${best} “${short[best]}”.${own}`;
}
let later = 0;
function show() {
  const found = look(), { kind, at } = state, rank = rankOf(state.order), said = tell(found);
  for (const one of kinds) one.setAttribute("aria-pressed", one.textContent === kind);
  sliders.prefix.node.hidden = kind !== "UniLM";
  sliders.width.node.hidden = kind !== "banded";
  turns.hidden = kind !== "XLNet";
  stream.checked = state.stream;
  Object.values(sliders).forEach(({ set }) => set());
  words.forEach(({ node, turn, share }, j) => {
    const seen = kindOf(found, at, j), weight = found.weights[at][j].toFixed(2), isPadding = j >= T - state.padding;
    node.className = `${seen}${isPadding ? " padding" : ""}`;
    node.tabIndex = j === at ? 0 : -1;
    node.setAttribute("aria-pressed", j === at);
    node.setAttribute("aria-label", [`position ${j}, ${tokens[j]}: ${SEEN[seen]}`, ...(seen === "direct" ? [`weight ${weight}`] : []),
      ...(kind === "XLNet" ? [`${ordinal(rank[j] + 1)} turn`] : []), ...(isPadding ? ["padding"] : [])].join(", "));
    turn.textContent = kind === "XLNet" ? ordinal(rank[j] + 1) : "";
    share.textContent = seen === "direct" ? weight : "–";
  });
  note.replaceChildren(make("b", {}, `${KINDS[kind].says()}${state.padding ? " Nobody sees padding." : ""}`), ` ${said}`);
  svg.setAttribute("aria-label", `Three matrices, row looks at column: mask, weights, reach. ${said}`);
  paint(found);
  const { order, prefix, width, padding, layers, stream: query } = state;
  for (const [name, given] of Object.entries({ kind, order, prefix, width, padding, layers, query, position: at, ...found })) {
    root.dataset[name] = JSON.stringify(given);
  }
  clearTimeout(later);  // speak when the hand rests
  later = setTimeout(() => { live.textContent = said; }, 250);
}
sentence.addEventListener("keydown", (event) => {
  const to = { ArrowLeft: state.at - 1, ArrowUp: state.at - 1, ArrowRight: state.at + 1, ArrowDown: state.at + 1, Home: 0, End: T - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!words[to]) return;
  state.at = to;
  show();
  words[to].node.focus();
});
svg.addEventListener("click", (event) => {
  const row = rowAt(event.clientY - svg.getBoundingClientRect().top);
  if (row === undefined) return;
  state.at = row;
  show();
});
show();
new ResizeObserver(() => paint(look())).observe(stage);
