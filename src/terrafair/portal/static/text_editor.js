// The editor of texts: Ace where it was fetched, else the plain field; problems, help and graph while one writes.
import { draft, checking, finding } from "./draft.js";
import { TEXT } from "./words.js";

const form = document.querySelector("#writing");
const field = document.querySelector("#text");
const $ = (id) => document.querySelector(id);
let ace;
const keep = draft(form, () => field.value, (text) => (field.value = text));

function show(found) {
  $("#verdict").textContent = `${found.verdict[0].toUpperCase()}${found.verdict.slice(1)}.`;
  $("#findings").replaceChildren(
    ...found.findings.map((it) => finding(it.severity, TEXT.line(it.line), [it.what, it.why, it.remedy].filter(Boolean).join(" "), { line: it.line ?? 0 })),
  );
  ace?.session.setAnnotations(
    found.findings.filter((it) => it.line).map((it) => ({ row: it.line - 1, column: 0, text: it.what, type: it.severity === "error" ? "error" : "warning" })),
  );
  $("#graph").hidden = !found.svg;
  const drawn = found.svg && new DOMParser().parseFromString(found.svg, "image/svg+xml").documentElement;
  $("#drawing").replaceChildren(...(drawn ? [document.importNode(drawn, true)] : []));
  $("#words").replaceChildren(...found.words.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  document.body.dataset.checked = String(+(document.body.dataset.checked ?? 0) + 1);
}

const check = checking(form, "/develop/text/check", show);
const changed = () => {
  keep();
  check();
};
field.addEventListener("input", changed);
$("#findings").addEventListener("click", (event) => {
  const line = +(event.target.dataset?.line ?? 0);
  if (!event.target.closest("a")) return;
  event.preventDefault();
  if (ace) {
    ace.gotoLine(line || 1, 0, false);
    ace.focus();
    return;
  }
  const at = field.value.split("\n").slice(0, Math.max(line - 1, 0)).join("\n").length + (line > 1 ? 1 : 0);
  field.focus();
  field.setSelectionRange(at, at);
});

// Help: the object that the line stands in, by indentation, and the field under the cursor.
const lineField = /^(\s*)(?:-\s+)?([A-Za-z$:_][\w$:.-]*)\s*:/;
function place(lines, row) {
  const path = [];
  let indent = /^(\s*)/.exec(lines[row] ?? "")[1].length;
  if (!(lines[row] ?? "").trim()) indent = 1e9;
  for (let at = row - 1; at >= 0; at--) {
    const found = /^(\s*)(-\s+)?([A-Za-z_$][\w$.-]*)\s*:/.exec(lines[at]);
    if (!found) continue;
    const depth = found[1].length;
    if (depth < indent) {
      path.unshift([found[3], at]);
      indent = depth;
    }
  }
  return path;
}
function classAt(lines, from, indent) {
  for (let at = from; at < lines.length; at++) {
    const found = /^(\s*)(?:-\s+)?class:\s*["']?(\w+)/.exec(lines[at]);
    if (found) return found[2];
  }
  return "";
}
function objectAt(words, lines, row) {
  const process = (() => {
    for (let at = row; at >= 0; at--) {
      const found = /^\s*(?:-\s+)?class:\s*["']?(\w+)/.exec(lines[at]);
      if (found && words.processes.includes(found[1])) return found[1];
    }
    return classAt(lines, row);
  })();
  let object = process || "Workflow";
  const path = place(lines, row).map(([name]) => name);
  for (let at = 0; at < path.length; at++) {
    if (words.requirements.includes(path[at])) object = path[at];
    else if (words.inside[object]?.[path[at]]) {
      object = words.inside[object][path[at]];
      if (!["CommandLineBinding", "CommandOutputBinding"].includes(object)) {
        if (at + 1 >= path.length) return { object: "", path };
        at++;
      }
    }
  }
  return { object, path };
}
const explained = (field) => `${field.doc}${field.type ? ` (${field.type})` : ""}`;

async function start() {
  if (!form.dataset.ace) return;
  const base = form.dataset.ace.split("?")[0].replace(/ace\.js$/, "");
  const load = (src) => new Promise((resolve, reject) => document.head.append(Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject })));
  await load(form.dataset.ace);
  await load(`${base}ext-language_tools.js`);
  window.ace.config.set("basePath", base.replace(/\/$/, ""));
  const file = form.dataset.file;
  const mode = /\.(json|ipynb)$/.test(file) ? "json" : /\.py$/.test(file) ? "python" : /\.(cwl|ya?ml|cff)$/.test(file) ? "yaml" : "text";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  ace = window.ace.edit("ace", {
    mode: `ace/mode/${mode}`, useWorker: false, tabSize: 2, fontSize: 14, showPrintMargin: false,
    enableBasicAutocompletion: true, enableLiveAutocompletion: mode === "yaml", enableKeyboardAccessibility: true, value: field.value,
  });
  const theme = () => ace.setTheme(`ace/theme/${dark.matches ? "github_dark" : "github_light_default"}`);
  theme();
  dark.addEventListener("change", theme);
  field.hidden = true;
  document.querySelector("label[for=text]").hidden = true;
  $("#ace").hidden = false;
  ace.resize();
  ace.textInput.getElement().setAttribute("aria-label", TEXT.label(file));
  ace.session.on("change", () => {
    field.value = ace.getValue();
    changed();
  });
  if (/\.cwl$/.test(file) || mode === "yaml") await help();
  document.body.dataset.editor = "yes";
  check();
}

async function help() {
  const words = await (await fetch("/develop/text/words")).json();
  const completer = {
    id: "cwl",
    getCompletions(_, session, pos, prefix, back) {
      const lines = session.getDocument().getAllLines();
      if (!lines.some((line) => /^cwlVersion:/.test(line))) return back(null, []);
      const value = /^\s*(?:-\s+)?(class|type|\w+):\s+\S*$/.exec(lines[pos.row].slice(0, pos.column));
      if (value) {
        const known = value[1] === "class" ? [...words.processes, ...words.requirements] : value[1] === "type" ? words.types : [];
        return back(null, known.map((name) => ({ value: name, meta: value[1], docText: words.objects[name]?.doc ?? "" })));
      }
      const { object } = objectAt(words, lines, pos.row);
      const fields = words.objects[object]?.fields ?? {};
      back(null, Object.entries(fields).map(([name, about]) => ({ caption: name, value: `${name}: `, meta: about.required ? "required" : object, docText: explained(about) })));
    },
  };
  ace.completers = [completer];
  ace.selection.on("changeCursor", () => {
    const { row } = ace.getCursorPosition();
    const lines = ace.session.getDocument().getAllLines();
    const named = lineField.exec(lines[row])?.[2];
    const { object } = lines.some((line) => /^cwlVersion:/.test(line)) ? objectAt(words, lines, row) : { object: "" };
    const about = words.objects[object]?.fields[named] ?? (words.objects[named] ? { doc: words.objects[named].doc } : null);
    $("#help").hidden = !about;
    $("#help-text").textContent = about ? TEXT.help(named, object, explained(about)) : "";
  });
}
start().catch(() => (document.body.dataset.editor = "plain"));
if (!form.dataset.ace) check();
