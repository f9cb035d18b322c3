// Hostile text onto the page: text nodes only, what is invisible made visible, formulas by KaTeX.

const INVISIBLE = /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;
const NAMES = {
  0x00: "NUL", 0x0d: "CR", 0x1b: "ESC", 0xad: "SHY", 0x200b: "ZWSP", 0x200c: "ZWNJ", 0x200d: "ZWJ",
  0x200e: "LRM", 0x200f: "RLM", 0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO",
  0x202e: "RLO", 0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM",
};

const LONGEST_FORMULA = 4000;
const DEEPEST = 60;
// Macros could let a formula grow beyond all limits, and links and pictures lead elsewhere: a
// formula with either, or with something invisible, is shown as it is written.
const REFUSED = new RegExp(
  String.raw`\\(?:[egx]?def|let|futurelet|global|long|(?:re)?newcommand|providecommand|` +
  String.raw`href|url|includegraphics|html[A-Za-z]*)(?![a-zA-Z])`,
);
const PAIRS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false]];
const OPENER = /\$\$|\\\[|\\\(|\$|\\boxed\s*\{|\\begin\{(?:equation|align|alignat|gather|multline|eqnarray)\*?\}/g;

export const settings = { math: localStorage.getItem("cotgen-math") !== "no" };

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(node.dataset, value);
    else if (name.startsWith("aria-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function nameOf(character) {
  const code = character.codePointAt(0);
  return NAMES[code] || code.toString(16).toUpperCase().padStart(4, "0");
}

/** Any text of the run's, with its invisible characters as marks. */
export function plain(text, node = document.createDocumentFragment()) {
  let at = 0;
  for (const match of text.matchAll(INVISIBLE)) {
    if (match.index > at) node.append(text.slice(at, match.index));
    node.append(element("span", { className: "invisible", title: "an invisible character" }, nameOf(match[0])));
    at = match.index + match[0].length;
  }
  if (at < text.length) node.append(text.slice(at));
  return node;
}

/** The same as a string, for where no element can stand: options and titles. */
export function visible(text) {
  return text.replace(INVISIBLE, (found) => `⟨${nameOf(found)}⟩`);
}

/** A short text of the run's in an element of its own, which its direction cannot leave. */
export function words(text, className = "") {
  return element("bdi", { className }, plain(text));
}

/** An answer: a formula if it looks like one. */
export function answer(text, className = "") {
  const node = element("bdi", { className: `answer-text ${className}` });
  const formula = /\\[a-zA-Z]|[\^_]/.test(text) && !text.includes("$") && text.length < 400;
  if (!settings.math) plain(text, node);
  else if (formula) node.append(formulaNode(text, text, false));
  else withMath(text, [], node, true);
  return node;
}

/** The parts of a text, marked; `inline` keeps formulas on their line. */
export function parts(list, node, { inline = false, math = settings.math } = {}) {
  let run = [];
  let block = node;
  const flush = () => {
    if (run.length) runInto(run, block, inline, math);
    run = [];
  };
  for (const [kind, text] of list) {
    const wanted = kind === "thought" ? "thought" : "";
    if (kind === "cut") {
      flush();
      node.append(element("span", { className: "cut" }, `${Number(text).toLocaleString("en")} characters left out`));
      block = node;
    } else if (kind === "reward") {
      flush();
      const mark = element("span", { className: "reward", title: "reward of this step" }, text);
      mark.style.setProperty("--reward", text);
      block.append(mark);
    } else {
      if ((block.className === "thought" ? "thought" : "") !== wanted) {
        flush();
        block = wanted ? node.appendChild(element("span", { className: "thought" })) : node;
      }
      run.push([kind, text]);
    }
  }
  flush();
  return node;
}

function runInto(run, node, inline, math) {
  const text = run.map(([, each]) => each).join("");
  const marks = [];
  let at = 0;
  for (const [kind, each] of run) {
    if (kind && kind !== "thought" && kind !== "same") marks.push([at, at + each.length, kind]);
    at += each.length;
  }
  if (math) withMath(text, marks, node, inline);
  else markedText(text, 0, text.length, marks, node);
}

function withMath(text, marks, node, inline) {
  let at = 0;
  for (const formula of formulas(text)) {
    const block = formula.display && !inline;
    // A formula on lines of its own brings its own space.
    const space = block ? text.slice(Math.max(at, formula.start - 80), formula.start).match(/(?:\n[ \t]*){0,2}$/)[0].length : 0;
    markedText(text, at, formula.start - space, marks, node);
    const kind = marks.find(([start, end]) => start < formula.end && end > formula.start)?.[2];
    const source = text.slice(formula.start, formula.end);
    const made = formulaNode(source, formula.tex, block);
    node.append(kind ? element("mark", { className: kind }, made) : made);
    at = formula.end + (block ? text.slice(formula.end, formula.end + 80).match(/^(?:[ \t]*\n){0,2}/)[0].length : 0);
  }
  markedText(text, at, text.length, marks, node);
}

function markedText(text, from, to, marks, node) {
  let at = from;
  for (const [start, end, kind] of marks) {
    if (end <= at || start >= to) continue;
    if (start > at) plain(text.slice(at, start), node);
    const tag = { del: "del", ins: "ins" }[kind] || "mark";
    const stop = Math.min(end, to);
    node.append(element(tag, { className: kind }, plain(text.slice(Math.max(start, at), stop))));
    at = stop;
  }
  if (at < to) plain(text.slice(at, to), node);
}

/** Where formulas stand in a text. One without its end is none. */
function formulas(text) {
  const found = [];
  OPENER.lastIndex = 0;
  for (let match; (match = OPENER.exec(text)); ) {
    const formula = formulaAt(text, match.index, match[0]);
    if (!formula) continue;
    found.push(formula);
    OPENER.lastIndex = formula.end;
  }
  return found;
}

function formulaAt(text, start, opener) {
  if (opener.startsWith("\\boxed")) {
    const end = balanced(text, start + opener.length);
    return end && { start, end, tex: text.slice(start, end), display: false };
  }
  if (opener.startsWith("\\begin")) {
    const closer = opener.replace("begin", "end");
    const end = text.indexOf(closer, start) + closer.length;
    return end >= closer.length && { start, end, tex: text.slice(start, end), display: true };
  }
  if (opener === "$") return dollars(text, start);
  const [, closer, display] = PAIRS.find(([open]) => open === opener);
  const from = start + opener.length;
  const to = text.indexOf(closer, from);
  if (to <= from) return null;
  return { start, end: to + closer.length, tex: text.slice(from, to), display };
}

/** `$x$`, but no prices: no blank at its ends if nothing in it is LaTeX, no digit behind it, and
    all on one line. */
function dollars(text, start) {
  if (text[start - 1] === "\\") return null;
  for (let at = start + 1; at < text.length && at - start < LONGEST_FORMULA; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "\n") return null;
    else if (text[at] === "$") {
      const tex = text.slice(start + 1, at);
      const tight = !/^\s|\s$/.test(tex) || /\\[a-zA-Z]|[\^_]/.test(tex);
      const fits = tex && tight && !/\d/.test(text[at + 1] || "");
      return fits ? { start, end: at + 1, tex, display: false } : null;
    }
  }
  return null;
}

function balanced(text, from) {
  let depth = 1;
  for (let at = from; at < text.length && at - from < LONGEST_FORMULA; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at + 1;
  }
  return 0;
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      typeset(entry.target);
    }
  },
  { rootMargin: "400px" },
);
const sources = new WeakMap();

function formulaNode(source, tex, display) {
  const node = element("span", { className: display ? "math display" : "math" }, plain(source));
  const honest = !REFUSED.test(tex) && tex.search(INVISIBLE) < 0;
  if (honest && tex.length <= LONGEST_FORMULA && depth(tex) <= DEEPEST) {
    sources.set(node, [source, tex, display]);
    seen.observe(node);
  }
  return node;
}

function depth(tex) {
  let now = 0;
  let most = 0;
  for (const letter of tex) {
    if (letter === "{") most = Math.max(most, ++now);
    else if (letter === "}") now--;
  }
  return most;
}

function typeset(node) {
  const [source, tex, display] = sources.get(node);
  const made = document.createElement("span");
  try {
    withoutStyleAttributes(() =>
      katex.render(tex, made, {
        displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxExpand: 300,
        maxSize: 4,
      }),
    );
  } catch (error) {
    node.classList.add("failed");
    node.title = visible(`not typeset: ${String(error.message).slice(0, 200)}`);
    return;
  }
  node.title = visible(source.slice(0, 500));
  node.replaceChildren(...made.childNodes);
  const room = node.parentElement?.closest(".prose, .question, bdi")?.clientWidth || 0;
  const wide = room && [...node.querySelectorAll(".katex-base")].some((base) => base.offsetWidth > room);
  node.classList.toggle("wide", Boolean(wide) && !display);
}

/** KaTeX sets a few styles as attributes, which our policy forbids; as properties it allows them. */
function withoutStyleAttributes(work) {
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else set.call(this, name, value);
  };
  try {
    work();
  } finally {
    Element.prototype.setAttribute = set;
  }
}

/** A text that may be long: what the server sent, and a control that has the rest streamed. */
export function shownText([list, chars, more], address, options = {}) {
  const node = element("div", { className: `prose ${options.className || ""}`, dir: "auto" });
  parts(list, node, options);
  if (!more) return node;
  const button = element("button", { className: "all" }, `Show all ${chars.toLocaleString("en")} characters`);
  const stopped = new AbortController();
  button.onclick = async () => {
    if (button.dataset.running) return stopped.abort();
    button.dataset.running = "yes";
    button.textContent = "Stop";
    const whole = element("div", { className: node.className, dir: "auto" });
    node.replaceWith(whole);
    try {
      await stream(`/api/text?${more}&${address}`, stopped.signal, (part) => parts([part], whole, options));
      button.remove();
    } catch (error) {
      button.textContent = stopped.signal.aborted ? "Stopped here" : `Could not be read: ${error.message}`;
      button.disabled = true;
    }
  };
  const holder = element("div", {}, node, button);
  return holder;
}

async function stream(url, signal, take) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(await response.text());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (held + value).split("\n");
    held = lines.pop();
    for (const line of lines) take(JSON.parse(line));
    await new Promise(requestAnimationFrame);
  }
}
