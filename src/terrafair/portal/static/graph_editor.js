// The graph as blocks: openEO's model builder, with forms for arguments beside it; the text below always says the same.
import { draft, checking, finding } from "./draft.js";
import { GRAPH } from "./words.js";

const form = document.querySelector("#building");
const field = document.querySelector("#text");
const $ = (id) => document.querySelector(id);
const keep = draft(form, () => field.value, (text) => (field.value = text));
let model;
let processes = new Map();
let collections = [];
let chosen = "";

const parsed = () => {
  try {
    const found = JSON.parse(field.value);
    const inner = found.process?.process_graph ? found.process : found.process_graph ? found : { process_graph: found };
    return inner.process_graph && typeof inner.process_graph === "object" && !Array.isArray(inner.process_graph) ? inner : null;
  } catch {
    return null;
  }
};
const size = (count) => {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (count < 1000) return `${count.toFixed(unit === "B" ? 0 : 1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
};

function show(found) {
  $("#findings").replaceChildren(...found.findings.map((it) => finding(it.severity, it.where || GRAPH.whole, it.text, { node: it.node })));
  if (!found.findings.length) $("#findings").append(Object.assign(document.createElement("li"), { className: "yes", textContent: GRAPH.fine }));
  $("#size").textContent = found.loaded === null ? "" : GRAPH.size(size(found.loaded), found.results === null ? "" : size(found.results));
  document.body.dataset.checked = String(+(document.body.dataset.checked ?? 0) + 1);
}
const check = checking(form, "/develop/graph/check", show);

function written(text, from) {
  field.value = text;
  keep();
  check();
  if (from !== "model") drawn();
  nodes();
  if (from === "text" || from === "file") forms();
}
// The builder draws nothing of a graph in which a reference leads nowhere: it gets the graph without it, the text keeps it.
let drawing = "";
const leads = (value, graph) => value?.from_node === undefined || Object.hasOwn(graph, value.from_node);
function whole(value, graph) {
  if (Array.isArray(value)) return value.filter((each) => leads(each, graph)).map((each) => whole(each, graph));
  if (!value || typeof value !== "object" || value.process_graph) return value;
  return Object.fromEntries(Object.entries(value).filter(([, each]) => leads(each, graph)).map(([name, each]) => [name, whole(each, graph)]));
}
function drawn() {
  const process = parsed();
  if (!model || !process) return;
  const shown = structuredClone(process);
  for (const node of Object.values(shown.process_graph)) if (node?.arguments) node.arguments = whole(node.arguments, shown.process_graph);
  drawing = JSON.stringify(shown.process_graph);
  model.value = shown;
}
field.addEventListener("input", () => written(field.value, "text"));
form.elements.file.addEventListener("change", async (event) => {
  const handed = event.target.files[0];
  if (!handed) return;
  if (handed.size > 400_000) {
    $("#kept").textContent = GRAPH.large(handed.name, size(handed.size));
  } else written(await handed.text(), "file");
  event.target.value = "";
});
$("#findings").addEventListener("click", (event) => {
  const name = event.target.dataset?.node;
  if (name === undefined) return;
  event.preventDefault();
  if (name && model) {
    select(name);
    $("#arguments").querySelector("input, select, textarea")?.focus();
    return;
  }
  const at = name ? field.value.indexOf(`"${name}"`) : 0;
  field.focus();
  field.setSelectionRange(Math.max(at, 0), Math.max(at, 0) + (name ? name.length + 2 : 0));
});

// Nodes and their arguments as forms.
function nodes() {
  const graph = parsed()?.process_graph ?? {};
  const names = Object.keys(graph);
  if (!names.includes(chosen)) chosen = names[0] ?? "";
  $("#nodes").replaceChildren(...names.map((name) => new Option(`${name} (${graph[name]?.process_id ?? "?"})`, name, false, name === chosen)));
  $("#remove").disabled = !chosen;
}
function select(name) {
  chosen = name;
  nodes();
  forms();
}
function change(edit) {
  const process = parsed();
  if (!process) return;
  edit(process.process_graph);
  written(JSON.stringify(process, null, 2), "form");
}
const subtype = (schema) => (Array.isArray(schema) ? schema : [schema]).map((each) => each?.subtype ?? each?.type).flat();
function control(parameter, value, others) {
  const kinds = subtype(parameter.schema);
  const options = (Array.isArray(parameter.schema) ? parameter.schema : [parameter.schema]).flatMap((each) => each?.enum ?? []);
  const make = (tag, attributes) => Object.assign(document.createElement(tag), attributes);
  if (kinds.includes("collection-id")) {
    const list = make("input", { value: value ?? "" });
    list.setAttribute("list", "collections");
    return [list, () => list.value || undefined];
  }
  const cube = ["datacube", "raster-cube", "vector-cube"];
  if (value?.from_node !== undefined || (value === undefined && kinds.length && kinds.every((kind) => cube.includes(kind)))) {
    const from = make("select", {});
    from.append(new Option("none", ""), ...others.map((name) => new Option(GRAPH.from(name), name, false, value?.from_node === name)));
    return [from, () => (from.value ? { from_node: from.value } : undefined)];
  }
  if (options.length && (value === undefined || value === null || typeof value !== "object")) {
    const list = make("select", {});
    list.append(new Option(GRAPH.preset, ""), ...options.map((each) => new Option(String(each), JSON.stringify(each), false, each === value)));
    return [list, () => (list.value ? JSON.parse(list.value) : undefined)];
  }
  if (kinds.includes("process-graph") && (!value || Object.keys(value.process_graph ?? {}).length === 1)) {
    const only = Object.values(value?.process_graph ?? {})[0];
    const takes = (Array.isArray(parameter.schema) ? parameter.schema : [parameter.schema]).flatMap((each) => each?.parameters ?? []).map((each) => each.name);
    const fit = [...processes.values()].filter((each) => each.parameters?.length && each.parameters.every((it) => it.optional || takes.includes(it.name)));
    if (!only || fit.some((each) => each.id === only.process_id)) {
      const list = make("select", {});
      list.append(new Option("none", ""), ...fit.map((each) => new Option(each.id, each.id, false, only?.process_id === each.id)));
      return [list, () => {
        if (!list.value) return undefined;
        const arguments_ = Object.fromEntries(processes.get(list.value).parameters.filter((it) => takes.includes(it.name) && !it.optional).map((it) => [it.name, { from_parameter: it.name }]));
        return { process_graph: { [list.value]: { process_id: list.value, arguments: arguments_, result: true } } };
      }];
    }
  }
  const plain = typeof value === "string" || (value === undefined && kinds.every((kind) => kind === "string"));
  const long = value !== null && typeof value === "object";
  const box = make(long ? "textarea" : "input", { value: plain ? (value ?? "") : value === undefined ? "" : JSON.stringify(value, null, long ? 1 : 0) });
  if (long) box.rows = Math.min(12, box.value.split("\n").length);
  return [box, () => {
    if (!box.value.trim()) return undefined;
    if (kinds.every((kind) => kind === "string" || kind === "null") && !/^[{[]/.test(box.value.trim())) return box.value;
    try {
      return JSON.parse(box.value);
    } catch {
      return box.value;
    }
  }];
}
function forms() {
  const graph = parsed()?.process_graph ?? {};
  const node = graph[chosen];
  const known = processes.get(node?.process_id);
  $("#node-about").textContent = node ? (known?.summary ?? GRAPH.unknown(node.process_id)) : GRAPH.begin;
  const names = known?.parameters ?? Object.keys(node?.arguments ?? {}).map((name) => ({ name, schema: {} }));
  const others = Object.keys(graph).filter((name) => name !== chosen);
  $("#arguments").replaceChildren(
    ...(node ? names : []).map((parameter, number) => {
      const [box, value] = control(parameter, node.arguments?.[parameter.name], others);
      const mine = chosen;
      box.id = `argument-${number}`;
      box.addEventListener("change", () => change((whole) => {
        const given = value();
        whole[mine].arguments ??= {};
        if (given === undefined) delete whole[mine].arguments[parameter.name];
        else whole[mine].arguments[parameter.name] = given;
      }));
      const row = Object.assign(document.createElement("div"), { className: "field" });
      const label = Object.assign(document.createElement("label"), { textContent: parameter.name, htmlFor: box.id });
      const about = Object.assign(document.createElement("p"), { className: "about", textContent: GRAPH.argument(!parameter.optional, (parameter.description ?? "").split("\n")[0].slice(0, 200)) });
      row.append(label, box, about);
      return row;
    }),
  );
}
$("#nodes").addEventListener("change", (event) => select(event.target.value));
$("#remove").addEventListener("click", () => {
  change((graph) => delete graph[chosen]);
  forms();
});
$("#add").addEventListener("click", () => {
  const id = $("#process").value.trim();
  if (!processes.has(id)) {
    $("#process-about").textContent = id ? GRAPH.unknown(id) : GRAPH.choose;
    return;
  }
  let name = id;
  change((graph) => {
    for (let number = 2; name in graph; number++) name = `${id}${number}`;
    for (const node of Object.values(graph)) delete node.result;
    graph[name] = { process_id: id, arguments: {}, result: true };
  });
  select(name);
});
$("#process").addEventListener("input", (event) => ($("#process-about").textContent = processes.get(event.target.value)?.summary ?? ""));
for (const step of ["undo", "redo"]) $(`#${step}`).addEventListener("click", () => model?.vueComponent?.[step]());

async function start() {
  if (!form.dataset.element) return;
  await new Promise((resolve, reject) => document.head.append(Object.assign(document.createElement("script"), { src: form.dataset.element, onload: resolve, onerror: reject })));
  const json = async (path) => (await fetch(path, { headers: { Accept: "application/json" } })).json();
  const listed = (await json("/openeo/processes")).processes;
  collections = (await json("/openeo/collections")).collections;
  processes = new Map(listed.map((each) => [each.id, each]));
  $("#processes").append(...listed.map((each) => new Option(each.summary ?? "", each.id)));
  model = document.createElement("openeo-model-builder");
  model.id = "builder";
  model.addEventListener("input", (event) => {
    const [process] = event.detail ?? [];
    if (!process?.process_graph || JSON.stringify(process.process_graph) === drawing) return;
    const before = parsed() ?? {};
    const text = JSON.stringify({ ...before, ...process }, null, 2);
    if (JSON.stringify(JSON.parse(text).process_graph) !== JSON.stringify(before.process_graph)) {
      written(text, "model");
      forms();
    }
  });
  model.addEventListener("editArguments", (event) => {
    const block = event.detail?.[6];
    if (block?.id) select(block.id);
  });
  model.addEventListener("selectionChanged", (event) => {
    const [block] = event.detail?.[0] ?? [];
    if (block?.type === "process" && block.id !== chosen) select(String(block.id));
  });
  $("#blocks").hidden = false;
  $("#model").append(model);
  // The element takes what it is given only once its parts have come.
  const until = async (ready) => {
    for (let tries = 0; !ready() && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await until(() => model.vueComponent?.isMounted);
  Object.assign(model, { editable: true, explicitZoom: true, height: "100%", processes: listed, collections });
  await until(() => model.vueComponent?.allMounted);
  drawn();
  const inside = model.vueComponent;
  if (inside) {
    // Our own form stands in for the element's viewer, and what goes wrong is told on the page.
    const style = Object.assign(document.createElement("style"), { textContent: ".block, .blockId { opacity: 1 !important; } .editDescription { color: #1c2429; background: #fff; } .blockId { color: #4a4a4a !important; }" });
    model.shadowRoot.append(style);
    inside.showParameterViewer = () => {};
    inside.$off("editArguments");
    inside.$off("error");
    inside.$on("error", (fault) => ($("#process-about").textContent = String(fault?.message ?? fault)));
  }
  nodes();
  forms();
  document.body.dataset.editor = "yes";
}
nodes();
check();
start().catch(() => (document.body.dataset.editor = "plain"));
