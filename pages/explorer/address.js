// The state of the page in its address, after the #: what is looked at can be sent to a colleague who has the file.
//
// Rows are numbers, so pinned point and selection hold only for the same data; `data` says which that was. A selection
// stands there as differences of row numbers where it is small, else not. Of categories the filter names what is hidden,
// or what is shown where that is less, so it means the same for data of other classes; null is the empty cell. An address
// says all of the state: what it does not name is as in a page that is opened.

const MOST_ROWS = 2000;

class Address {
  constructor({ state, columns, camera, facts, search }) {
    Object.assign(this, { state, columns, camera, facts, search });
    this.write = debounced(250, () => this.writeNow());
  }

  // Begin to follow; after `restore`, so that nothing is overwritten before it was read.
  follow() {
    this.state.listen("selection filters pin colour tab", () => this.write());
    addEventListener("hashchange", () => location.hash.slice(1) !== this.written && this.restore());
  }

  writeNow() {
    const { state, camera, columns } = this;
    const words = new URLSearchParams();
    words.set("view", [camera.x.toFixed(5), camera.y.toFixed(5), camera.zoom.toPrecision(5)].join(","));
    words.set("colour", state.colour < 0 ? "" : columns.all[state.colour].name);
    words.set("tab", state.tab);
    if (state.query) words.set("search", state.query);
    if (state.filters.size) {
      const filters = [...state.filters].map(([number, filter]) => [columns.all[number].name, filter.hidden ? namedFilter(columns.loaded[number], filter) : filter]);
      words.set("filters", JSON.stringify(filters));
    }
    if (state.pinned >= 0) words.set("pinned", String(state.pinned));
    if (state.numSelected && state.numSelected <= MOST_ROWS) words.set("selection", packRows(state.chosenRows()));
    if (words.has("pinned") || words.has("selection")) words.set("data", this.facts.digest.slice(0, 12));
    this.written = words.toString();
    history.replaceState(null, "", `#${this.written}`);
  }

  async restore() {
    const { state, camera, columns } = this;
    const words = new URLSearchParams(location.hash.slice(1));
    const restoring = (this.restoring = Symbol("latest"));
    const view = (words.get("view") ?? "").split(",").map(Number);
    camera.set(view.length === 3 && view.every(Number.isFinite) ? { x: view[0], y: view[1], zoom: view[2] } : camera.whole);
    state.pin(-1);
    state.clearSelection();
    state.openTab("selection");
    const colour = words.get("colour") === "" ? -1 : columns.colourOf(words.get("colour"), this.facts.colour);
    if (colour !== state.colour) state.colourBy(colour);
    const filters = await this.filtersOf(words.get("filters"));
    if (restoring !== this.restoring) return; // another address has come meanwhile
    state.setFilters(filters);
    await this.search.put(words.get("search") ?? "");
    if (restoring !== this.restoring) return;
    if (words.get("data") === this.facts.digest.slice(0, 12)) {
      const isRow = (row) => Number.isInteger(row) && row >= 0 && row < state.numRows;
      const rows = unpackRows(words.get("selection") ?? "").filter(isRow);
      if (rows.length) state.select(rows, "replace", { all: true });
      const pinned = Number(words.get("pinned") ?? NaN);
      if (isRow(pinned)) state.pin(pinned);
    }
    const tab = words.get("tab");
    if (tab && [...document.querySelectorAll("[data-tab]")].some((each) => each.dataset.tab === tab)) state.openTab(tab);
  }

  async filtersOf(text) {
    const filters = new Map();
    for (const [name, filter] of readJson(text)) {
      const number = this.columns.numberOf(name);
      if (number < 0) continue;
      const column = await this.columns.load(number);
      if (column.codes) filters.set(number, codedFilter(column, filter));
      else if (column.values) filters.set(number, { low: finiteOrNull(filter.low), high: finiteOrNull(filter.high) });
    }
    return filters;
  }
}

const finiteOrNull = (value) => (Number.isFinite(value) ? value : null);
const codesOf = (column) => Array.from({ length: column.names.length + 1 }, (_, code) => code); // the empty cell's last
const nameOf = (column, code) => column.names[code] ?? null;

function namedFilter(column, { hidden }) {
  const shown = codesOf(column).filter((code) => !hidden.has(code));
  const names = (codes) => Array.from(codes, (code) => nameOf(column, code));
  return shown.length < hidden.size ? { shown: names(shown) } : { hidden: names(hidden) };
}

// Names that the column has not are passed over; where it has none of them, so is the filter.
function codedFilter(column, { hidden, shown }) {
  const [listed, isHidden] = Array.isArray(shown) ? [shown, false] : [Array.isArray(hidden) ? hidden : [], true];
  const wanted = new Set(listed);
  const isListed = (code) => wanted.has(nameOf(column, code));
  const codes = codesOf(column);
  if (listed.length && !codes.some(isListed)) return { hidden: new Set() };
  return { hidden: new Set(codes.filter((code) => isListed(code) === isHidden)) };
}

function readJson(text) {
  try {
    const found = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found.filter((each) => Array.isArray(each) && each.length === 2 && each[1]) : [];
  } catch {
    return [];
  }
}

// Differences in base 36, so that neighbouring rows take two letters each.
function packRows(rows) {
  let last = 0;
  return Array.from(rows, (row) => {
    const step = row - last;
    last = row;
    return step.toString(36);
  }).join(".");
}

function unpackRows(text) {
  let row = 0;
  return text ? text.split(".").map((step) => (row += parseInt(step, 36))) : [];
}
