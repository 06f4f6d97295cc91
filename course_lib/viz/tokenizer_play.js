// The tokenizer playground. Whatever is typed only ever becomes textContent, never markup.

const given = JSON.parse(document.getElementById("data").textContent);
const encoder = new TextEncoder();

// ---- the same rules as course_lib.tokenization ---------------------------------------------------------------------
const CJK = /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/u;
const GPT2 = /'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

function cleaned(char) {
  if ("\t\n\r".includes(char)) return " ";
  if (char === "\0" || char === "\ufffd" || /[\p{Cc}\p{Cf}\p{Co}]/u.test(char)) return "";
  if (/\p{White_Space}/u.test(char)) return " ";
  return CJK.test(char) ? ` ${char} ` : char;
}
function bertWords(text, { lowercase, strip }) {
  let clean = [...text].map(cleaned).join("");
  if (strip) clean = clean.normalize("NFD").replace(/\p{Mn}/gu, "");
  if (lowercase) clean = clean.replaceAll("Σ", "σ").toLowerCase();
  return clean.replace(/[!-/:-@[-`{-~]|\p{P}/gu, " $& ").split(/ +/).filter((word) => word);
}
const byteChar = [];  // GPT-2's alphabet: one visible character a byte
for (let byte = 0, extra = 256; byte < 256; byte++) {
  const seen = (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173;
  byteChar.push(String.fromCharCode(seen ? byte : extra++));
}
const charByte = new Map(byteChar.map((char, byte) => [char, byte]));
const asBytes = (token) => Uint8Array.from([...token].map((char) => charByte.get(char)));

// Each tokenizer has cut(text) -> words; a word is { text, pieces: [{ id, token, special }], steps }.
function wordPiece(one, ids) {
  const special = new Set(one.special);
  const pattern = new RegExp(`(${one.special.toSorted((a, b) => b.length - a.length).map(RegExp.escape ?? escaped).join("|")})`, "u");
  const piece = (token) => ({ id: ids.get(token), token, special: special.has(token) });
  const lone = (token) => ({ text: token, pieces: [piece(token)], steps: [] });
  function cut(text) {
    const letters = [...text], pieces = [], steps = [];
    if (letters.length > 100) return { text, pieces: [piece("[UNK]")], steps: [["longer than 100 characters", false]] };
    for (let start = 0; start < letters.length;) {
      let end = letters.length;
      for (; end > start; end--) {
        const token = (start ? "##" : "") + letters.slice(start, end).join("");
        steps.push([token, ids.has(token)]);
        if (ids.has(token)) { pieces.push(piece(token)); break; }
      }
      if (end === start) return { text, pieces: [piece("[UNK]")], steps };
      start = end;
    }
    return { text, pieces, steps };
  }
  return (text) => [lone("[CLS]"), ...text.split(pattern).flatMap((part, i) =>
    i % 2 ? [lone(part)] : bertWords(part, one).map(cut)), lone("[SEP]")];
}
function escaped(text) { return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"); }

function bytePairs(one, ids) {
  const rank = new Map();
  for (let i = 0; i < one.merges.length; i += 2) rank.set(`${one.tokens[one.merges[i]]} ${one.tokens[one.merges[i + 1]]}`, i / 2);
  const piece = (token) => ({ id: ids.get(token), token, special: false });
  function cut(text) {
    let symbols = [...encoder.encode(text)].map((byte) => byteChar[byte]);
    const steps = [];
    for (;;) {
      let best = Infinity, pair;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const found = rank.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
        if (found < best) [best, pair] = [found, [symbols[i], symbols[i + 1]]];
      }
      if (best === Infinity) return { text, pieces: symbols.map(piece), steps };
      steps.push([...pair, best]);
      const next = [];
      for (let i = 0; i < symbols.length; i++) {
        const here = symbols[i] === pair[0] && symbols[i + 1] === pair[1];
        next.push(here ? symbols[i] + symbols[++i] : symbols[i]);
      }
      symbols = next;
    }
  }
  const lone = (token) => token === null ? [] : [{ text: token, pieces: [{ ...piece(token), special: true }], steps: [] }];
  return (text) => {
    const parts = one.digits ? text.split(/(\p{N})/u) : [text];
    const spaced = parts.map((part) => (one.prefix && part && !part.startsWith(" ") ? ` ${part}` : part));
    return [...lone(one.ends[0]), ...spaced.flatMap((part) => (part.match(GPT2) ?? []).map(cut)), ...lone(one.ends[1])];
  };
}
for (const one of given.tokenizers) {
  const ids = new Map(one.tokens.map((token, id) => [token, id]));
  one.cut = one.kind === "bpe" ? bytePairs(one, ids) : wordPiece(one, ids);
}

// ---- tokens as people can read them: as course_lib.viz.labels.visible ----------------------------------------------
const NAMED = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]), LONGEST = 200;
const PICTURE = String.raw`(?:[\u{1f000}-\u{1faff}↔]|(?![\0-\u{2000}])\p{So})`;
const UNSEEN = new RegExp(String.raw`(?<whole>\u{1f3f4}[\u{e0020}-\u{e007e}]{1,6}\u{e007f}|(?<=\ufe0f|${PICTURE})\u200d(?=${PICTURE})`
  + String.raw`|(?<=(?!\p{ASCII})[\p{S}\p{P}]|ℹ)\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3)|[ \u{1f000}-\u{1faff}])`
  + String.raw`|[\p{C}\p{Z}\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]`, "gu");
const code = (char) => `<U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;
function visible(text) {
  if (text === " ") return "␣";
  if (text === "") return "∅";
  const letters = [...text], count = letters.length.toLocaleString("en-US");
  const seen = letters.slice(0, LONGEST).join("").replace(UNSEEN, (char, whole) => whole ?? NAMED.get(char) ?? code(char));
  return (/^\p{M}/u.test(seen) ? "◌" : "") + seen + (letters.length > LONGEST ? `… (${count} characters)` : "");
}
const readable = (text) => visible(text).replaceAll(" ", "␣");
const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");

// UTF-8 bytes as stretches of { text }; what is no whole character comes as { bytes }.
function characters(bytes) {
  const found = [];
  for (let i = 0; i < bytes.length;) {
    const size = bytes[i] < 0x80 ? 1 : bytes[i] < 0xc2 ? 0 : bytes[i] < 0xe0 ? 2 : bytes[i] < 0xf0 ? 3 : bytes[i] < 0xf5 ? 4 : 0;
    let char = null;
    if (size && i + size <= bytes.length)
      try { char = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.slice(i, i + size)); } catch { /* not whole */ }
    const last = found.at(-1);
    if (char !== null && last?.text) last.text += char;
    else if (char !== null) found.push({ text: char });
    else if (last?.bytes) last.bytes.push(bytes[i]);
    else found.push({ bytes: [bytes[i]] });
    i += char === null ? 1 : size;
  }
  return found;
}

// ---- elements ------------------------------------------------------------------------------------------------------
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const input = make("textarea", { id: "text", "aria-label": "Text to take apart", maxlength: given.longest, spellcheck: "false" });
const samples = make("div", { class: "samples", role: "group", "aria-label": "Other texts" }, ...given.samples.map((text) => {
  const button = make("button", { type: "button", title: visible(text) }, visible(text));
  button.addEventListener("click", () => { input.value = text; show(); });
  return button;
}));
const cards = given.tokenizers.map((one) => {
  const count = make("span"), chips = make("div", { class: "chips", role: "group", "aria-label": `Tokens of ${one.name}` });
  return { one, count, chips, node: make("section", {}, make("h3", {}, one.name, count), chips), buttons: [], at: 0 };
});
const detail = make("div", { class: "detail", role: "region", "aria-label": "The chosen token", tabindex: 0 });
const live = make("div", { class: "live", role: "status" });
const root = make("div", { class: "playground" }, make("h2", { title: given.title }, given.title), input,
  ...(given.samples.length ? [samples] : []), ...cards.map((card) => card.node), detail, live);
document.getElementById("playground").append(root);

function chip(card, word, piece, before) {
  const button = make("button", { type: "button", class: "chip", tabindex: -1 });
  if (piece.special) button.classList.add(piece.token === "[UNK]" ? "unknown" : "special");
  if (card.one.kind === "bpe" && !piece.special) {
    const parts = characters(asBytes(piece.token));
    if (parts.some((part) => part.bytes)) button.classList.add("part");
    button.append(...parts.map((part) => part.bytes ? make("i", {}, `‹${part.bytes.map(hex).join(" ")}›`) : readable(part.text)));
  } else button.append(readable(piece.token));
  for (const event of ["click", "focus", "pointerenter"])
    button.addEventListener(event, () => choose(card, button, word, piece, before));
  return button;
}

function choose(card, button, word, piece, before) {
  root.querySelector(".chosen")?.classList.remove("chosen");
  button.classList.add("chosen");
  card.at = card.buttons.indexOf(button);
  card.buttons.forEach((other, i) => other.setAttribute("tabindex", i === card.at ? 0 : -1));
  const bytes = card.one.kind === "bpe" && !piece.special ? asBytes(piece.token) : encoder.encode(piece.token.replace(/^##(?=.)/, ""));
  const lines = [make("p", {}, make("b", {}, card.one.name), "  id ", make("b", { class: "id" }, String(piece.id)), "  in the vocabulary: ",
    make("code", {}, readable(piece.token)), "  bytes ", make("code", {}, [...bytes].map(hex).join(" ")))];
  if (card.one.kind === "bpe" && !piece.special) {
    const home = belongs(word, before, bytes.length);
    if (home) lines.push(make("p", {}, home));
    lines.push(make("p", {}, `merges of `, make("code", {}, readable(word.text)), word.steps.length ? ": " : ": none, every byte stays alone",
      ...word.steps.flatMap(([a, b, rank], i) => [i ? ", then " : "", make("code", {}, `${plain(a)} + ${plain(b)}`), ` (number ${rank + 1})`])));
  } else if (word.steps.length) {
    const misses = word.steps.filter(([, found]) => !found).length;
    lines.push(make("p", {}, "looked up for ", make("code", {}, readable(word.text)), `, longest first (${misses} not found): `,
      ...word.steps.flatMap(([token, found], i) => [i ? " " : "",
        make("span", { class: found ? "yes" : "no" }, `${readable(token)} ${found ? "✓" : "✗"}`)])));
  }
  detail.replaceChildren(...lines);
  detail.scrollTop = 0;
}
const plain = (token) => characters(asBytes(token)).map((part) => part.bytes ? `‹${part.bytes.map(hex).join(" ")}›` : readable(part.text)).join("");

// Of which characters a token of bytes holds only a part.
function belongs(word, before, length) {
  const said = [];
  let start = 0;
  for (const char of word.text) {
    const size = encoder.encode(char).length, low = Math.max(start, before), high = Math.min(start + size, before + length);
    if (high > low && high - low < size) said.push(`${high - low} of the ${size} bytes of ${readable(char)}`);
    start += size;
  }
  return said.length ? `holds ${said.join(" and ")}` : "";
}

// ---- what follows the typing ---------------------------------------------------------------------------------------
let later = 0;
function show() {
  const text = input.value.replace(/\p{Cs}/gu, "\ufffd");
  const results = cards.map((card) => {
    const words = card.one.cut(text);
    card.buttons = [];
    card.at = 0;
    card.chips.replaceChildren(...words.map((word) => {
      let before = 0;
      const buttons = word.pieces.map((piece) => {
        const button = chip(card, word, piece, before);
        if (card.one.kind === "bpe" && !piece.special) before += piece.token.length;
        return button;
      });
      card.buttons.push(...buttons);
      return make("span", { class: "word" }, ...buttons);
    }));
    card.buttons[0]?.setAttribute("tabindex", 0);
    const pieces = words.flatMap((word) => word.pieces), unknown = pieces.filter((piece) => piece.token === "[UNK]" && piece.special).length;
    const letters = [...text].length;
    card.count.textContent = `${pieces.length} tokens` + (letters ? ` for ${letters} characters` : "") + (unknown ? `, ${unknown} unknown` : "");
    return pieces;
  });
  detail.replaceChildren(make("p", { class: "no" }, "Point at a token, or reach it with Tab and the arrow keys."));
  root.dataset.ids = JSON.stringify(results.map((pieces) => pieces.map((piece) => piece.id)));
  root.dataset.tokens = JSON.stringify(results.map((pieces) => pieces.map((piece) => piece.token)));
  clearTimeout(later);
  later = setTimeout(() => {
    live.textContent = cards.map((card) => `${card.one.name}: ${card.count.textContent}`).join("; ");
  }, 400);
}

input.addEventListener("input", show);
root.addEventListener("keydown", (event) => {
  const row = cards.findIndex((card) => card.buttons.includes(document.activeElement));
  if (row < 0) return;
  const { at, buttons } = cards[row];
  const to = { ArrowRight: [row, at + 1], ArrowLeft: [row, at - 1], Home: [row, 0], End: [row, buttons.length - 1],
    ArrowDown: [row + 1, cards[row + 1]?.at], ArrowUp: [row - 1, cards[row - 1]?.at] }[event.key];
  if (!to) return;
  event.preventDefault();
  cards[to[0]]?.buttons[to[1]]?.focus();
});
input.value = given.text;
show();
