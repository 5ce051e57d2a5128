// All words that scripts show: the pages' other English stands in the templates and in words.py.
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
const sentence = (...parts) => parts.filter(Boolean).join(" ");

export const AREA = {
  draw: "Draw the area",
  polygon: "Draw a polygon",
  finish: "Finish",
  how: "Each click sets a corner.",
  few: "A polygon has three corners at least.",
  corners: (count) => `${count} corners.`,
};

export const KEPT = {
  begin: "What you type is kept at each change.",
  at: (time) => `Kept at ${time}.`,
  ended: "You are signed in no more. Send the form: it is kept, and shown again after the sign-in.",
  not: (problem, status) => `Not kept: ${sentence(problem?.what, problem?.why, problem?.remedy) || status}`,
  away: "Not kept: the platform does not answer. Your text stays in this form.",
  fine: "Nothing to mend",
  mend: (count) => `${plural(count, "thing")} to mend`,
};

export const FILES = {
  large: (name, bytes, most) => {
    const size = (count) => `${(count / 2 ** 30).toFixed(1)} GiB`;
    return `${name} has ${size(bytes)}; a form takes ${size(most)}. Put it into S3, and name its URL.`;
  },
};

export const STAC = {
  pick: (kind) => `Pick a STAC ${kind}`,
  hint: "words",
  words: (kind) => `Words of the ${kind}`,
  found: (count) => `${count} found`,
  none: "Nothing fits.",
  failed: (why) => `The search did not work: ${why}`,
};

export const COPY = { do: "Copy", done: "Copied", marked: "Marked", label: (what) => `Copy: ${what}`, none: "no picture" };

export const CHART = {
  none: "No data here.",
  series: (title, unit, known, all) => `${title}${unit ? ` in ${unit}` : ""}: ${known} of ${all} instants have a value`,
  histogram: (low, high, mean) => `Histogram from ${low} to ${high}, mean ${mean}`,
  numbers: { minimum: "least", maximum: "greatest", mean: "mean", deviation: "deviation" },
};

export const LAYER = {
  label: (name) => `Layer ${name}`,
  raise: "Raise",
  lower: "Lower",
  raised: (name) => `Raise ${name}`,
  lowered: (name) => `Lower ${name}`,
  looking: "Looking …",
  opacity: "Opacity",
  swipe: "Swipe: show left of the divider only",
  nowhere: "It does not say where it lies; its own page shows it.",
  features: (shown, total) => {
    const some = total === null || total === shown ? "" : ` of ${total}; the others are left out here`;
    return `${plural(shown, "feature")}${some}. Click one for its attributes.`;
  },
  variable: "Variable",
  band: "Band",
  stored: "as stored",
  own: "its own",
  colours: "Colours",
  values: "Values",
  lowest: "Lowest value shown",
  highest: "Highest value shown",
  histogram: "Histogram and numbers",
  step: (text, at, count) => `${text} (${at} of ${count})`,
};

export const MAP = {
  library: "The map's library did not load.",
  answered: (status) => `It answered ${status}.`,
  bare: "It has no attributes.",
  degrees: "Longitude and latitude are numbers of degrees.",
  values: "Values come from rasters and data cubes: show one, then click on it.",
  cubes: "Series come from data cubes: show one, then draw on it.",
  reading: "Reading …",
  series: "Reading the series …",
  corners: "Click the corners of the area; a double click ends it.",
  empty: "no data",
  counted: (where, known, all) => `${where} · ${known} of ${all} values`,
  cells: (count) => `mean and deviation over ${plural(count, "cell")}`,
};

export const DRAFT = {
  again: "This is your draft, as you left it in this browser.",
  moved: (commit) => `This is your draft, begun at ${commit}; the branch has moved on since. Start over shows what is there now.`,
  large: (count) => `The text has ${count.toLocaleString("en-GB")} characters. At most 400,000 are edited here.`,
  at: (time) => `Kept in this browser at ${time}.`,
  full: "Not kept: this browser has no room left. Download it.",
  ended: "You are signed in no more: sign in in another tab. Your text stays in this browser.",
  away: "The platform does not answer. Your text stays in this browser.",
  guest: "Sign in to have it checked while you write; what you write stays in this browser.",
};

export const TEXT = {
  line: (number) => (number ? `Line ${number}` : "The text"),
  label: (file) => `Text of ${file}`,
  help: (name, object, words) => `${name}${object ? `, of ${object}` : ""}: ${words}`,
};

export const GRAPH = {
  whole: "The graph",
  fine: "Nothing to mend",
  size: (loads, gives) => `It loads about ${loads}${gives ? ` and gives about ${gives}` : ""}.`,
  large: (name, size) => `${name} has ${size}; graphs of at most 400 kB are edited here.`,
  from: (name) => `from ${name}`,
  preset: "as by default",
  unknown: (process) => `There is no process ${process} here.`,
  begin: "Add a process, or paste a graph below.",
  choose: "Choose a process first.",
  argument: (needed, about) => `${needed ? "Required. " : ""}${about}`,
};
