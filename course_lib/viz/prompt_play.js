// The prompt playground. Texts and labels only ever become textContent, never markup.

const { title, examples, queries, labels, wordings, nothing, subsets, scores } =
  JSON.parse(document.getElementById("data").textContent);
const OUT = -1;  // in the sequence: what stands behind it is left out
const begin = () => ({ sequence: [...examples.keys(), ...(subsets ? [OUT] : [])], wording: 0, query: 0 });
const state = begin();
const order = () => (subsets ? state.sequence.slice(0, state.sequence.indexOf(OUT)) : state.sequence);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
const sum = (numbers) => numbers.reduce((one, two) => one + two, 0);
const argmax = (numbers) => numbers.indexOf(Math.max(...numbers));
function percent(p) {
  return p < 0.005 ? "< 1 %" : p > 0.995 ? "> 99 %" : `${Math.round(100 * p)} %`;
}
function softmax(numbers) {
  const peak = Math.max(...numbers), raised = numbers.map((x) => Math.exp(x - peak)), total = sum(raised);
  return raised.map((x) => x / total);
}

// For one order: shares (query x label) as asked and calibrated, and those of an input that says nothing.
function look(chosen) {
  const rows = scores[chosen.join("")][state.wording], asked = rows.slice(0, queries.length).map(softmax);
  const empty = rows.slice(queries.length).map(softmax);
  const bias = labels.map((_, i) => sum(empty.map((row) => row[i])) / empty.length);
  const calibrated = asked.map((row) => {
    const divided = row.map((p, i) => p / bias[i]), total = sum(divided);
    return divided.map((p) => p / total);
  });
  return { asked, calibrated, bias };
}
const right = (shares) => shares.filter((row, i) => queries[i][1] === argmax(row)).length;
const judged = queries.filter(([, label]) => label !== null).length;

// All orders of the same examples.
function siblings(chosen) {
  const sorted = (digits) => [...digits].sort().join(""), same = sorted(chosen.join(""));
  return Object.keys(scores).filter((key) => sorted(key) === same).map((key) => look([...key]));
}

// As course_lib.prompting.few_shot_prompt writes it, in pieces: [text, label or none].
function pieces(chosen) {
  const cut = (text, at) => [text.slice(0, text.indexOf(at)), text.slice(text.indexOf(at) + at.length)];
  const [before, after] = cut(wordings[state.wording], "{output}"), [head, middle] = cut(before, "{input}");
  const found = chosen.flatMap((i) => {
    const [text, label] = examples[i];
    return [[`${head}${text}${middle}`, null], [labels[label], label], [`${after}\n\n`, null]];
  });
  return [...found, [`${head}${queries[state.query][0]}${middle}`.replace(/ +$/, ""), null]];
}

// ---- elements ------------------------------------------------------------------------------------------------------
const chip = (label) => make("span", { class: `chip label${label}` }, labels[label]);
const wording = make("select", { "aria-label": "Wording" },
  ...wordings.map((text, i) => make("option", { value: i }, text.replaceAll("\n", " ⏎ "))));
const reset = make("button", { type: "button" }, "Reset"), live = make("div", { class: "live", role: "status" });
const list = make("ol", { class: "examples", "aria-label": "Examples in the order of the prompt" });
const border = make("li", { class: "border" }, "not in the prompt");

const cards = examples.map(([text, label], i) => {
  const grip = make("button", { type: "button", class: "grip" }, "⠿"), place = make("b");
  const toggle = make("button", { type: "button", class: "toggle" });
  const node = make("li", { class: "card" }, grip, place, make("span", { class: "text", title: text }, text), chip(label),
    ...(subsets ? [toggle] : []));
  grip.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    move(i, state.sequence.indexOf(i) + step);
    grip.focus();
  });
  toggle.addEventListener("click", () => {
    const inside = order().includes(i);
    state.sequence = state.sequence.filter((one) => one !== i);
    const at = inside ? state.sequence.length : state.sequence.indexOf(OUT);
    state.sequence.splice(at, 0, i);
    show();
    toggle.focus();
  });
  return { node, grip, place, toggle };
});
const items = () => state.sequence.map((i) => (i === OUT ? border : cards[i].node));

function move(i, to) {
  if (to < 0 || to >= state.sequence.length || state.sequence[to] === i) return;
  state.sequence = state.sequence.filter((one) => one !== i);
  state.sequence.splice(to, 0, i);
  show();
}

// Drag: the list holds the pointer, since a card that is moved in the document would lose it.
let held = null;
list.addEventListener("pointerdown", (event) => {
  const at = cards.findIndex(({ node, toggle }) => node.contains(event.target) && !toggle.contains(event.target));
  if (at < 0 || event.button !== 0) return;
  if (event.pointerType !== "mouse" && !cards[at].grip.contains(event.target)) return;  // a finger may scroll
  held = at;
  list.setPointerCapture(event.pointerId);
  cards[at].node.classList.add("held");
  cards[at].grip.focus();
  event.preventDefault();
});
list.addEventListener("pointermove", (event) => {
  if (held === null) return;
  // Its place: behind every other item whose middle the pointer has passed.
  const others = items().filter((node) => node !== cards[held].node);
  move(held, others.filter((node) => {
    const box = node.getBoundingClientRect();
    return event.clientY > box.top + box.height / 2;
  }).length);
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
  list.addEventListener(name, () => {
    if (held === null) return;
    cards[held].node.classList.remove("held");
    cards[held].grip.focus();
    held = null;
  });
}

function bar(name) {
  const parts = labels.map((_, i) => make("i", { class: `label${i}` })), ticks = make("u");
  const mark = make("em"), track = make("div", { class: "bar", role: "img" }, ...parts, ticks);
  const node = make("div", { class: "line" }, make("span", {}, name), track, mark);
  return { node, set(shares, others, wanted) {
    parts.forEach((part, i) => {
      part.style.width = `${100 * shares[i]}%`;
      part.textContent = shares[i] > 0.13 ? percent(shares[i]) : "";
    });
    ticks.replaceChildren(...others.map((share) => {
      const tick = make("s");
      tick.style.left = `${100 * share}%`;
      return tick;
    }));
    const best = argmax(shares), verdict = wanted === undefined ? "" : wanted === null ? labels[best] : best === wanted ? "✓" : "✗";
    mark.textContent = verdict;
    mark.className = verdict === "✓" ? "yes" : verdict === "✗" ? "no" : "";
    const said = { "✓": ", right", "✗": ", wrong" }[verdict] ?? "";
    track.setAttribute("aria-label", `${name}: ${labels.map((label, i) => `${label} ${percent(shares[i])}`).join(", ")}${said}`);
  } };
}
const rows = queries.map(([text, label], i) => {
  const asked = bar("as asked"), calibrated = bar("calibrated");
  const pick = make("button", { type: "button", class: "pick", title: text }, text);
  pick.addEventListener("click", () => { state.query = i; show(); });
  const node = make("li", {}, make("div", { class: "query" }, pick, ...(label === null ? [] : [chip(label)])), asked.node, calibrated.node);
  return { node, pick, asked, calibrated };
});
const empty = bar("as asked");
const written = make("pre", { tabindex: 0, "aria-label": "The prompt" }), note = make("p", { class: "note" });
const quoted = nothing.map((text) => (text === "∅" ? "“”" : `“${text}”`)).join(", ");
const root = make("div", { class: "view" },
  make("div", { class: "top" }, make("h2", { title }, title), reset),
  make("div", { class: "panels" },
    make("div", { class: "left" }, make("label", { class: "wording" }, "Wording", wording),
      make("h3", {}, subsets ? "Drag the examples, or leave some out" : "Drag the examples"), list,
      make("h3", { class: "reads" }, "What the model reads"), written),
    make("div", { class: "right" },
      make("div", { class: "legend" }, ...labels.map((_, i) => chip(i)), make("span", {}, "strokes: other orders of these examples")),
      make("ul", {}, ...rows.map(({ node }) => node),
        make("li", { class: "empty" }, make("div", { class: "query" }, make("span", {}, `says nothing: ${quoted}`)), empty.node)),
      note)),
  live);
document.getElementById("view").append(root);

const range = (numbers) => {
  const low = Math.min(...numbers), high = Math.max(...numbers);
  return low === high ? `${low}` : `${low} to ${high}`;
};

// The query stands at the end: show that, also once the frame has got its size.
const toEnd = () => { written.scrollTop = written.scrollHeight; };
new ResizeObserver(toEnd).observe(written);

let later = 0;
function show() {
  const chosen = order(), found = look(chosen), others = siblings(chosen);
  const place = Object.fromEntries(chosen.map((i, at) => [i, at + 1]));
  const focused = document.activeElement;
  list.append(...items());
  if (focused && list.contains(focused)) focused.focus();
  cards.forEach(({ node, grip, place: shown, toggle }, i) => {
    const at = place[i];
    node.classList.toggle("out", !at);
    shown.textContent = at ?? "";
    const [text, label] = examples[i];
    grip.setAttribute("aria-label", `“${text}”, ${labels[label]}: ${at ? `example ${at} of ${chosen.length}` : "not in the prompt"}. Arrow keys move it.`);
    toggle.textContent = at ? "×" : "+";
    toggle.title = at ? "Leave out" : "Put in";
    toggle.setAttribute("aria-label", `${toggle.title}: “${text}”`);
  });
  rows.forEach(({ node, pick, asked, calibrated }, i) => {
    const elsewhere = (kind) => (others.length > 1 ? others.map((one) => one[kind][i][0]) : []);
    asked.set(found.asked[i], elsewhere("asked"), queries[i][1]);
    calibrated.set(found.calibrated[i], elsewhere("calibrated"), queries[i][1]);
    node.classList.toggle("chosen", i === state.query);
    pick.setAttribute("aria-pressed", i === state.query);
  });
  empty.set(found.bias, others.length > 1 ? others.map((one) => one.bias[0]) : [], undefined);
  written.replaceChildren(...pieces(chosen).map(([text, label]) =>
    (label === null ? text : make("b", { class: `label${label}` }, text))));
  toEnd();
  const hits = [right(found.asked), right(found.calibrated)];
  const said = judged ? `Right: ${hits[0]} of ${judged} as asked, ${hits[1]} calibrated.` : "";
  const all = judged && others.length > 1 ? ` All ${others.length} orders of these examples: ${range(others.map((one) => right(one.asked)))} as asked, ${range(others.map((one) => right(one.calibrated)))} calibrated.` : "";
  note.replaceChildren(make("b", {}, said), all);
  wording.value = state.wording;
  const seen = { order: chosen, wording: state.wording, query: state.query, hits, ...found };
  for (const [name, given] of Object.entries(seen)) root.dataset[name] = JSON.stringify(given);
  clearTimeout(later);  // speak when the hand rests
  later = setTimeout(() => {
    live.textContent = `${chosen.length ? `Examples ${chosen.map((i) => i + 1).join(", ")}` : "No example"}. ${said}`;
  }, 250);
}
wording.addEventListener("change", () => { state.wording = +wording.value; show(); });
reset.addEventListener("click", () => { Object.assign(state, begin()); show(); });
show();
