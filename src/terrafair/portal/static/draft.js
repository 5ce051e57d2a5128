import { DRAFT } from "./words.js";

// What is written stays in this browser at each change, under the page it was opened from, until one starts over.
export function draft(form, read, write) {
  const key = `terrafair ${form.dataset.key}`;
  const says = document.querySelector("#kept");
  const original = read();
  const over = document.querySelector("#over");
  // The commit that a text was begun at stays with it, or committing it later would undo what others did meanwhile.
  const base = form.elements.commit;
  const forget = () => [key, `${key} at`].forEach((each) => localStorage.removeItem(each));
  const kept = localStorage.getItem(key);
  const begun = localStorage.getItem(`${key} at`);
  if (kept !== null && kept !== original) {
    write(kept);
    const moved = Boolean(base && begun && begun !== base.value);
    if (moved) base.value = begun;
    says.textContent = moved ? DRAFT.moved(begun.slice(0, 12)) : DRAFT.again;
    over.hidden = false;
  } else if (!document.querySelector(".problem")) {
    forget();
  }
  form.addEventListener("submit", (event) => {
    if (read().length <= 400_000) return;
    event.preventDefault();
    says.textContent = DRAFT.large(read().length);
  });
  over.addEventListener("click", () => {
    forget();
    location.reload();
  });
  return () => {
    try {
      localStorage.setItem(key, read());
      localStorage.setItem(`${key} at`, base?.value ?? "");
      says.textContent = DRAFT.at(new Date().toLocaleTimeString("en-GB"));
      over.hidden = false;
    } catch {
      says.textContent = DRAFT.full;
    }
  };
}

// Asks the platform a moment after the last change; only the newest answer counts.
export function checking(form, path, show) {
  if ("guest" in form.dataset) {
    document.querySelector("#kept").textContent = DRAFT.guest;
    return () => {};
  }
  let timer = 0;
  let number = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++number;
      const body = new FormData(form);
      body.delete("file-handed");
      if (form.elements.file?.type === "file") body.delete("file");
      try {
        const reply = await fetch(path, { method: "POST", body, headers: { Accept: "application/json", "X-CSRF-Token": form.elements.csrf?.value ?? "" } });
        if (mine !== number) return;
        if (reply.ok) show(await reply.json());
        else if (reply.status === 401) document.querySelector("#kept").textContent = DRAFT.ended;
      } catch {
        document.querySelector("#kept").textContent = DRAFT.away;
      }
    }, 500);
  };
}

export function finding(severity, link, text, attributes) {
  const item = Object.assign(document.createElement("li"), { className: severity });
  const anchor = Object.assign(document.createElement("a"), { href: "#text", textContent: link });
  Object.assign(anchor.dataset, attributes);
  const weight = Object.assign(document.createElement("span"), { className: "weight", textContent: severity });
  item.append(anchor, " ", weight, ` ${text}`);
  return item;
}
