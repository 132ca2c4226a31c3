// The state of the page in its address, after the #: what is looked at can be sent to a colleague who has the file.
//
// Rows are numbers, so pinned point and selection hold only for the same data; `data` says which that was. A selection
// stands there as differences of row numbers where it is small, else not.

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
      const filters = [...state.filters].map(([number, filter]) => [columns.all[number].name, filter.hidden ? { hidden: [...filter.hidden] } : filter]);
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
    const view = (words.get("view") ?? "").split(",").map(Number);
    if (view.length === 3 && view.every(Number.isFinite)) camera.set({ x: view[0], y: view[1], zoom: view[2] });
    if (words.has("colour")) state.colourBy(columns.numberOf(words.get("colour")));
    await this.restoreFilters(words.get("filters"));
    await this.search.run(words.get("search") ?? "");
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

  async restoreFilters(text) {
    for (const [name, filter] of readJson(text)) {
      const number = this.columns.numberOf(name);
      if (number < 0) continue;
      const column = await this.columns.load(number);
      if (column.codes && Array.isArray(filter.hidden)) this.state.setFilter(number, { hidden: new Set(filter.hidden) });
      else if (column.values) this.state.setFilter(number, { low: filter.low ?? null, high: filter.high ?? null });
    }
  }
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
