// The description of a publication: kept and checked at each change, words of the catalogue offered while one types.
import { KEPT } from "./words.js";

const form = document.querySelector("#description");
const say = (text) => (document.querySelector("#kept").textContent = text);
let timer = 0;
let running = false;
let again = false;

const list = (place, texts) =>
  place.replaceChildren(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));

function show(found) {
  form.elements.seen.value = found.seen;
  for (const field of form.querySelectorAll("[data-question]")) {
    const wrong = found.problems[field.dataset.question] ?? [];
    field.querySelector("[data-wrong]").textContent = wrong.join(" ");
    field.classList.toggle("wrong", wrong.length > 0);
    const control = field.querySelector("fieldset, input:not([type=hidden]), select, textarea");
    if (wrong.length) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  list(document.querySelector("#loose"), found.loose);
  const warnings = document.querySelector("#warnings");
  warnings.hidden = !found.warnings.length;
  list(warnings.querySelector("ul"), found.warnings);
  const verdict = document.createElement("span");
  verdict.className = found.count ? "no" : "yes";
  verdict.textContent = found.count ? KEPT.mend(found.count) : KEPT.fine;
  document.querySelector("#verdict").replaceChildren(verdict);
  say(KEPT.at(new Date().toLocaleTimeString("en-GB")));
}

async function keep() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const reply = await fetch(form.dataset.draft, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json", "X-CSRF-Token": form.elements.csrf?.value ?? "" },
    });
    if (reply.ok) show(await reply.json());
    else if (reply.status === 401) say(KEPT.ended);
    else {
      const found = await reply.json().catch(() => ({}));
      say(KEPT.not(found.problems?.[0], reply.statusText));
    }
  } catch {
    say(KEPT.away);
  }
  running = false;
  if (again) {
    again = false;
    keep();
  }
}

form.addEventListener("input", (event) => {
  clearTimeout(timer);
  timer = setTimeout(keep, 700);
  const box = event.target.closest("[data-list] .entries");
  if (!box) return;
  const last = box.lastElementChild;
  if (event.target === last && last.value) {
    const next = last.cloneNode();
    next.value = "";
    box.append(next);
  }
});
say(KEPT.begin);

// The vocabularies are fetched when a field of theirs is first entered.
const known = new Map();
form.addEventListener("focusin", async (event) => {
  const kind = event.target.dataset?.terms;
  if (!kind || kind.startsWith("/")) return;
  event.target.setAttribute("list", `terms-${kind}`);
  if (known.has(kind)) return;
  known.set(kind, true);
  try {
    const words = await (await fetch(form.dataset.terms + kind)).json();
    const options = document.createElement("datalist");
    options.id = `terms-${kind}`;
    options.append(...words.map(([value, title]) => Object.assign(document.createElement("option"), { value, label: title })));
    document.body.append(options);
  } catch {
    known.delete(kind);
  }
});
