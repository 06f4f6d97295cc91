// The sampler playground. Tokens only ever become textContent, never markup.

const { title, names, prompts, temperatures, top_k, top_p, start, shown, vocabulary } =
  JSON.parse(document.getElementById("data").textContent);
const state = { ...start, chosen: 0, at: prompts[0].places.length - 1, drawn: 0 };
const MOST = 10000;  // draws

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
const sum = (numbers) => numbers.reduce((one, two) => one + two, 0);
const count = (n) => n.toLocaleString("en-US");
function percent(p) {
  if (p === 0 || p === 1) return `${100 * p} %`;
  return p < 0.0005 ? "< 0.1 %" : p > 0.9995 ? "> 99.9 %" : `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`;
}

// Random numbers from a seed (mulberry32): the same in every browser.
function uniforms(seed, n) {
  let a = seed >>> 0;
  return Array.from({ length: n }, () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  });
}

// What is kept is always a beginning of the tokens in order of probability: `kept` listed ones, and `more` others.
// shares: before the cut.  mass: what the kept ones hold of it.
function look() {
  const { logits, others, rest, beyond } = prompts[state.chosen].places[state.at];
  const temperature = temperatures[state.temperature], k = top_k[state.top_k] ?? Infinity, p = top_p[state.top_p];
  if (temperature === 0) return { shares: logits.map((_, i) => +(i === 0)), rest: 0, others, kept: 1, more: 0, mass: 1 };
  const raise = (score) => Math.exp(score - logits[0] / temperature);
  const raised = logits.map((x) => raise(x / temperature));
  const remainder = others ? raise(rest[state.temperature - 1]) : 0, total = sum(raised) + remainder;
  let kept = raised.length, more = others, mass = total;
  if (k < logits.length + others) {
    kept = logits.filter((x) => x >= logits[Math.min(k, logits.length) - 1]).length;
    [more, mass] = [0, sum(raised.slice(0, kept))];
  }
  if (p < 1) {
    const limit = p * mass;
    let before = 0, n = 0;
    while (n < kept && (n === 0 || before < limit)) before += raised[n++];
    const further = more && beyond[`${state.temperature},${state.top_p}`];
    [kept, more, mass] = [n, further ? further[0] : 0, before + (further ? raise(further[1]) : 0)];
  }
  return { shares: raised.map((r) => r / total), rest: remainder / total, others, kept, more, mass: mass / total };
}

// Each dart falls somewhere on what is kept; -1 is one of the others.
function draws({ shares, kept, mass }) {
  const ends = [];
  shares.slice(0, kept).reduce((before, share) => (ends.push(before + share), before + share), 0);
  return uniforms(state.seed, state.drawn).map((u) => ({ x: u * mass, token: ends.findIndex((end) => u * mass < end) }));
}

// ---- elements ------------------------------------------------------------------------------------------------------
const choice = make("select", { "aria-label": "Prompt" },
  ...prompts.map(({ tokens }, i) => make("option", { value: i }, tokens.join("").replaceAll("␣", " "))));
const words = make("div", { class: "words", role: "group", "aria-label": "Read up to this token" });
function knob(name, label, steps, speak) {
  const input = make("input", { type: "range", min: 0, max: steps - 1, step: 1, "aria-label": label });
  const output = make("output");
  input.addEventListener("input", () => { state[name] = +input.value; show(); });
  return { node: make("label", {}, label, input, output), set() {
    input.value = state[name];
    output.value = speak(state[name]);
    input.setAttribute("aria-valuetext", output.value);
  } };
}
const knobs = [
  knob("temperature", "Temperature", temperatures.length, (i) => (i ? temperatures[i].toFixed(1) : "greedy")),
  knob("top_k", "Top-k", top_k.length + 1, (i) => `${top_k[i] ?? "all"}`),
  knob("top_p", "Top-p", top_p.length, (i) => top_p[i].toFixed(2)),
];
const ruler = make("div", { class: "ruler", "aria-hidden": true }), darts = make("div", { class: "darts", "aria-hidden": true });
const bars = make("ol"), note = make("p", { class: "note" }), live = make("div", { class: "live", role: "status" });
const seed = make("input", { class: "seed", type: "number", min: 0, max: 4294967295, step: 1, "aria-label": "Seed" });
const button = (text, act) => {
  const node = make("button", { type: "button" }, text);
  node.addEventListener("click", () => { act(); show(); });
  return node;
};
const draw = (n) => () => { state.drawn = Math.min(MOST, state.drawn + n); };
const root = make("div", { class: "view" },
  make("div", { class: "top" }, make("h2", { title }, title), choice), words,
  make("div", { class: "knobs" }, ...knobs.map(({ node }) => node)), ruler, darts, bars,
  make("div", { class: "foot" }, button("Draw", draw(1)), button("Draw 100", draw(100)),
    button("Clear", () => { state.drawn = 0; }),
    button("Reset", () => Object.assign(state, start, { drawn: 0 })), make("label", {}, "Seed", seed)),
  note, live);
document.getElementById("view").append(root);

function line(name, kind, before, after, drawn) {
  const bar = make("i"), mark = make("u");
  bar.style.width = `${100 * (after || before)}%`;
  mark.style.left = `${100 * drawn / Math.max(1, state.drawn)}%`;
  return make("li", { class: kind }, make("span", { title: name }, name),
    make("div", {}, bar, ...(state.drawn && after ? [mark] : [])),
    make("b", {}, percent(before)), make("b", {}, after ? percent(after) : "cut"), make("em", {}, state.drawn ? count(drawn) : ""));
}

let later = 0;
function show(focus) {
  const { tokens, places } = prompts[state.chosen], { ids, right } = places[state.at];
  const found = look(), { shares, kept, more, mass } = found, thrown = draws(found);
  words.replaceChildren(...tokens.map((token, i) => {
    const node = make("button", { type: "button", class: i > state.at ? "later" : "", "aria-pressed": i === state.at }, token);
    node.addEventListener("click", () => { state.at = i; show(true); });
    return node;
  }));
  knobs.forEach((one) => one.set());
  if (document.activeElement !== seed) seed.value = state.seed;

  const tally = new Map();
  for (const { token } of thrown) tally.set(token, (tally.get(token) ?? 0) + 1);
  const segment = (share, cut) => {
    const node = make("i", cut ? { class: "cut" } : {});
    node.style.width = `${100 * share}%`;
    return node;
  };
  const keptRest = Math.max(0, mass - sum(shares.slice(0, kept)));
  ruler.replaceChildren(...shares.slice(0, kept).map((share) => segment(share)),
    ...(keptRest > 1e-9 ? [segment(keptRest)] : []), ...(mass < 1 - 1e-9 ? [segment(1 - mass, true)] : []));
  darts.replaceChildren(...thrown.slice(-300).map(({ x }) => {
    const node = make("b");
    node.style.left = `${100 * x}%`;
    return node;
  }));
  const listed = shares.slice(0, shown).map((share, i) => line(names[ids[i]],
    `${i < kept ? "" : "cut"}${i === right ? " right" : ""}`, share, i < kept ? share / mass : 0, tally.get(i) ?? 0));
  const keptTail = sum(shares.slice(shown, kept)) + keptRest, nKept = Math.max(0, kept - shown) + more;
  const nCut = vocabulary - Math.max(kept, shown) - more, cutTail = 1 - sum(shares.slice(0, shown)) - keptTail;
  const tailDrawn = thrown.filter(({ token }) => token < 0 || token >= shown).length;
  const head = make("li", { class: "head" }, make("span", {}, "next token"), make("div"), make("b", {}, "before"),
    make("b", {}, "after"), make("em", {}, "drawn"));
  bars.replaceChildren(head, ...listed,
    line(`${count(nKept)} more kept`, "sum", keptTail, keptTail / mass, tailDrawn),
    line(`${count(Math.max(0, nCut))} more cut`, "sum cut", Math.max(0, cutTail), 0, 0));

  const name = (token) => (token < 0 ? "one of the tokens that have no name here" : `“${names[ids[token]]}”`);
  const all = `Kept ${count(kept + more)} of ${count(vocabulary)} tokens, which hold ${percent(mass)} of the probability.`;
  const last = thrown.length ? ` Drawn ${count(thrown.length)}, the last: ${name(thrown.at(-1).token)}.` : "";
  const next = right === null ? "" : right < 0 ? " In the prompt another token follows, beyond the listed ones."
    : ` In the prompt ${name(right)} follows (${percent(shares[right])}).`;
  note.textContent = all + last + next;
  const all_shares = shares.slice(0, kept).map((share) => share / mass);
  for (const [key, given] of Object.entries({ ...state, kept: kept + more, mass, shares: all_shares, before: shares,
    draws: thrown.map(({ token }) => token) })) root.dataset[key] = JSON.stringify(given);
  clearTimeout(later);  // speak when the hand rests
  later = setTimeout(() => { live.textContent = `${names[ids[0]]} ${percent(shares[0] / mass)}. ${note.textContent}`; }, 250);
  if (focus) words.querySelector("[aria-pressed=true]").focus();
}
choice.addEventListener("change", () => {
  state.chosen = +choice.value;
  state.at = prompts[state.chosen].places.length - 1;
  show();
});
seed.addEventListener("input", () => {
  const given = Number(seed.value);
  if (seed.value !== "" && Number.isInteger(given) && given >= 0 && given < 2 ** 32) { state.seed = given; show(); }
});
seed.addEventListener("blur", () => { seed.value = state.seed; });
words.addEventListener("keydown", (event) => {
  const next = state.at + ({ ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0);
  if (next === state.at || !prompts[state.chosen].places[next]) return;
  event.preventDefault();
  state.at = next;
  show(true);
});
show();
