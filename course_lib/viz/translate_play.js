// The translation playground: one renderer for two hosts, a frame with examples and a widget whose kernel answers.
// Texts and tokens only ever become textContent, never markup.

const LEAST_SHOWN = 0.05;  // lighter lines would only be noise
const ROW = 26;  // CSS pixels
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
function draw(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  return node;
}

// One language: the translation, and lines from each token written to the tokens of the source it attends to.
// `follow(said)` is told in words what is followed, or null.
function panel({ code, name }, follow) {
  const written = make("p", { class: "written", lang: code }), verdict = make("p", { class: "verdict" });
  const svg = draw("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
  const columns = ["source", "target"].map((side) => make("div", { class: side, role: "group", "aria-label": `${name}: tokens of the ${side}` }));
  const ends = make("div", { class: "ends", "aria-hidden": "true" }, make("span", {}, "is read"), make("span", {}, "attends to"), make("span", {}, "is written"));
  const node = make("section", { "aria-label": name }, make("h3", {}, name), written, verdict, ends, make("div", { class: "map" }, columns[0], svg, columns[1]));
  let shown = null, chosen = null;  // chosen: [0 source | 1 target, place]

  const weight = (target, source) => shown.alignment[target][source];
  const across = ([side, place]) => (side ? shown.source.map((_, s) => weight(place, s)) : shown.target.map((_, t) => weight(t, place)));
  function mark() {
    [...svg.children].forEach((line) => {
      const on = chosen && +line.dataset[chosen[0] ? "target" : "source"] === chosen[1];
      line.classList.toggle("on", Boolean(on));
      line.classList.toggle("off", Boolean(chosen) && !on);
    });
    const other = chosen ? across(chosen) : [];
    columns.forEach((column, side) => [...column.children].forEach((token, i) => {
      const here = Boolean(chosen) && chosen[0] === side && chosen[1] === i, there = Boolean(chosen) && chosen[0] !== side;
      token.setAttribute("aria-pressed", here);
      token.querySelector("small").textContent = there ? other[i].toFixed(2) : "";
      token.style.setProperty("--share", there ? other[i] : 0);
    }));
    if (!chosen) return follow(null);
    const [side, place] = chosen, names = side ? shown.source : shown.target;
    const best = other.map((share, i) => [share, names[i]]).sort((one, two) => two[0] - one[0]).slice(0, 4);
    const said = best.map(([share, text]) => `${text} ${share.toFixed(2)}`).join(", ");
    follow(side ? `“${shown.target[place]}” attends to ${said}.` : `“${shown.source[place]}” is attended to by ${said}.`);
  }
  const choose = (next) => { chosen = next && shown ? next : null; mark(); };
  columns.forEach((column, side) => {
    const at = (event) => [...column.children].indexOf(event.target.closest("button"));
    for (const name of ["click", "pointermove"]) {  // pointerover also comes when it is the page that moves
      column.addEventListener(name, (event) => {
        const i = at(event);
        if (i >= 0 && !(chosen && chosen[0] === side && chosen[1] === i)) choose([side, i]);
      });
    }
    column.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return choose(null);
      const n = column.children.length, i = at(event), to = { ArrowUp: i - 1, ArrowDown: i + 1, Home: 0, End: n - 1 }[event.key];
      const over = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
      if (over !== undefined && over !== side) {
        const next = columns[over].children[Math.min(i, columns[over].children.length - 1)];
        next?.focus();
        choose([over, [...columns[over].children].indexOf(next)]);
      } else if (to >= 0 && to < n) {
        column.children[to].focus();
        choose([side, to]);
      } else return;
      event.preventDefault();
    });
  });

  function set(result) {
    shown = result, chosen = null;
    const { text, source, target, alignment, unknown, right, reference } = result;
    written.textContent = text || "(nothing)";
    verdict.textContent = right === null ? "" : right ? "✓ as in the reference" : `✗ reference: ${reference}`;
    verdict.className = `verdict ${right === null ? "" : right ? "yes" : "no"}`;
    [source, target].forEach((tokens, side) => columns[side].replaceChildren(...tokens.map((token, i) => {
      const strange = side === 0 && unknown.includes(i);
      const node = make("button", { type: "button", class: strange ? "strange" : "", tabindex: i ? -1 : 0 },
        make("span", side ? { lang: code } : {}, token), make("small"));
      node.title = strange ? `${token}: unknown to the model` : token;
      return node;
    })));
    svg.setAttribute("viewBox", `0 0 100 ${ROW * Math.max(source.length, target.length)}`);
    svg.style.height = `${ROW * Math.max(source.length, target.length)}px`;
    const lines = alignment.flatMap((row, t) => row.map((share, s) => [share, t, s])).filter(([share]) => share >= LEAST_SHOWN);
    svg.replaceChildren(...lines.sort((one, two) => one[0] - two[0]).map(([share, t, s]) => {
      const line = draw("line", { x1: 0, y1: ROW * (s + 0.5), x2: 100, y2: ROW * (t + 0.5), "vector-effect": "non-scaling-stroke" });
      line.style.strokeWidth = `${(0.5 + 6 * share).toFixed(2)}px`;
      line.style.strokeOpacity = (0.15 + 0.85 * share).toFixed(3);
      Object.assign(line.dataset, { source: s, target: t, share });
      return line;
    }));
    mark();
  }
  return { node, set };
}

// state: { title, languages: [{ code, name }], examples }. `ask(text)` sends a text to the kernel; without it the
// examples, of which the first is shown, are what there is. Returns `answer`, which shows what came back.
function playground(el, state, ask) {
  const { title, languages, examples } = state;
  const note = make("p", { class: "note" }), live = make("div", { class: "live", role: "status" }), message = make("p", { class: "message" });
  const rest = `Choose a token to see its weights.${ask ? "" : " Run in JupyterLab, the cell also takes words of your own."}`;
  let later = 0;
  const speak = (text) => {  // when the hand rests
    clearTimeout(later);
    later = setTimeout(() => { live.textContent = text; }, 250);
  };
  const panels = languages.map((language) => panel(language, (said) => {
    note.textContent = said ?? rest;
    if (said) speak(said);
  }));
  const field = ask ? make("input", { type: "text", "aria-label": "English words", spellcheck: "false", autocomplete: "off" })
    : make("select", { "aria-label": "Example" }, ...examples.map(({ text }, i) => make("option", { value: i }, text)));
  const steps = ["‹", "›"].map((text, i) => make("button", { type: "button", "aria-label": i ? "Next example" : "Previous example" }, text));
  const send = make("button", { type: "button" }, "Translate");
  const kind = make("span", { class: "kind" });
  const root = make("div", { class: `translate ${ask ? "asks" : "framed"}` },
    make("div", { class: "top" }, make("h2", { title }, title), ...(ask ? [field, send] : [steps[0], field, steps[1], kind])),
    message, make("div", { class: "panels" }, ...panels.map(({ node }) => node)), note, live);
  el.append(root);

  function answer({ text, problem, unknown = [], kind: said = "", results = [] }) {
    root.classList.remove("waits");
    send.disabled = false;
    if (results.length) {
      root.classList.remove("blank");
      panels.forEach((one, i) => one.set(results[i]));
    }
    root.classList.toggle("empty", Boolean(problem));
    kind.textContent = said;
    message.className = `message ${problem ? "problem" : unknown.length ? "unknown" : ""}`;
    message.textContent = problem ? problem
      : unknown.length ? `Unknown to the model: ${unknown.map((word) => `“${word}”`).join(", ")}. What it writes for that is a guess.` : "";
    speak([message.textContent, ...results.map((one, i) => `${languages[i].name}: ${one.text}.`)].join(" "));
    Object.assign(root.dataset, { text, problem: problem ?? "", unknown: JSON.stringify(unknown), results: JSON.stringify(results) });
  }
  if (ask) {
    const go = () => {
      root.classList.add("waits");
      send.disabled = true;
      ask(field.value);
    };
    send.addEventListener("click", go);
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();  // the notebook's shortcuts stay out of a text
      if (event.key === "Enter" && !event.isComposing && !send.disabled) go();
    });
    field.placeholder = "such as: sleepy cat";
  } else {
    field.addEventListener("change", () => answer(examples[+field.value]));
    steps.forEach((step, i) => step.addEventListener("click", () => {
      field.value = (+field.value + (i ? 1 : examples.length - 1)) % examples.length;
      answer(examples[+field.value]);
    }));
  }
  if (examples.length) answer(examples[0]);
  else root.classList.add("blank");  // until the first answer
  return answer;
}
