// Items and collections of this platform's STAC, to be picked by name; the field takes any address all the same.
import { STAC } from "./words.js";

const asked = async (url) => {
  const reply = await fetch(url, { headers: { Accept: "application/json" } });
  if (!reply.ok) throw new Error((await reply.json()).description ?? reply.statusText);
  return reply.json();
};
const self = (thing) => thing.links.find((link) => link.rel === "self")?.href;
const named = (thing) => thing.title ?? thing.properties?.title ?? thing.id;

for (const input of document.querySelectorAll("[data-stac]")) {
  const kind = input.dataset.stac;
  const open = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: STAC.pick(kind) });
  open.setAttribute("aria-expanded", "false");
  const box = Object.assign(document.createElement("div"), { className: "picker", hidden: true });
  const words = Object.assign(document.createElement("input"), { type: "search", placeholder: STAC.hint });
  words.setAttribute("aria-label", STAC.words(kind));
  const found = Object.assign(document.createElement("ul"), { className: "links" });
  const say = Object.assign(document.createElement("p"), { className: "about" });
  say.setAttribute("role", "status");
  box.append(words, say, found);
  input.after(open, box);
  const search = async () => {
    const q = words.value.trim() ? `&q=${encodeURIComponent(words.value.trim())}` : "";
    try {
      const reply = await asked(kind === "item" ? `/stac/search?limit=20${q}` : `/stac/collections?limit=20${q}`);
      const rows = reply.features ?? reply.collections;
      say.textContent = rows.length ? STAC.found(reply.numberMatched ?? rows.length) : STAC.none;
      found.replaceChildren(
        ...rows.map((row) => {
          const pick = Object.assign(document.createElement("button"), { type: "button", className: "quiet small", textContent: named(row) });
          pick.addEventListener("click", () => {
            input.value = self(row);
            input.dispatchEvent(new Event("input", { bubbles: true }));
            open.click();
            input.focus();
          });
          const line = document.createElement("li");
          line.append(pick, ` ${row.id}`);
          return line;
        }),
      );
    } catch (fault) {
      say.textContent = STAC.failed(fault.message);
    }
  };
  open.addEventListener("click", () => {
    box.hidden = !box.hidden;
    open.setAttribute("aria-expanded", String(!box.hidden));
    if (!box.hidden) {
      words.focus();
      search();
    }
  });
  let timer = 0;
  words.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 300);
  });
  words.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
}
