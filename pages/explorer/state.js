// What the user has chosen: filters, search, selection, the pinned point. Each is a byte a row; the rest asks here.
//
// A row is shown where every filter and the search let it through. What is not shown is muted, never hidden, and where
// there is a selection, so is what is not in it.

class State extends EventTarget {
  constructor(numRows, columns) {
    super();
    this.numRows = numRows;
    this.columns = columns;
    this.filters = new Map(); // column number -> {hidden: Set of codes} or {low, high}: finite or null
    this.query = "";
    this.matches = null;
    this.shown = new Uint8Array(numRows).fill(1);
    this.numShown = numRows;
    this.selected = new Uint8Array(numRows);
    this.numSelected = 0;
    this.pinned = -1;
    this.hovered = -1;
    this.colour = -1;
    this.tab = "selection";
  }

  tell(kind) {
    this.dispatchEvent(new CustomEvent("change", { detail: kind }));
  }

  // `listen("selection filters", act)` acts after a change of either.
  listen(kinds, act) {
    const wanted = new Set(kinds.split(" "));
    this.addEventListener("change", (event) => wanted.has(event.detail) && act(event.detail));
  }

  isStrong(row) {
    return this.shown[row] && (!this.numSelected || this.selected[row]);
  }

  // Columns that are filtered must be loaded.
  setFilter(number, filter) {
    this.putFilter(number, filter);
    this.refilter();
  }

  // These filters and no others: {hidden} or {low, high} by column number.
  setFilters(filters) {
    this.filters.clear();
    for (const [number, filter] of filters) this.putFilter(number, filter);
    this.refilter();
  }

  putFilter(number, filter) {
    const isOpen = !filter || (filter.hidden ? !filter.hidden.size : filter.low === null && filter.high === null);
    if (isOpen) this.filters.delete(number);
    else this.filters.set(number, filter);
  }

  setMatches(query, matches) {
    this.query = query;
    this.matches = matches;
    this.refilter();
  }

  refilter() {
    const { shown, matches } = this;
    if (matches) shown.set(matches);
    else shown.fill(1);
    for (const [number, filter] of this.filters) {
      const column = this.columns.loaded[number];
      if (filter.hidden) {
        const open = new Uint8Array(column.names.length + 1).fill(1);
        for (const code of filter.hidden) open[code] = 0;
        for (let row = 0; row < shown.length; row++) shown[row] &= open[column.codes[row]];
      } else {
        const [low, high] = [filter.low ?? -Number.MAX_VALUE, filter.high ?? Number.MAX_VALUE];
        for (let row = 0; row < shown.length; row++) {
          const value = column.values[row];
          shown[row] &= value >= low && value <= high ? 1 : 0;
        }
      }
    }
    this.numShown = sum(shown);
    this.tell("filters");
  }

  clearFilters() {
    this.filters.clear();
    this.setMatches("", null);
  }

  // how: replace | union | difference. Only rows that are shown are taken: what is muted by a filter is not meant.
  select(rows, how = "replace", { all = false } = {}) {
    const { selected } = this;
    if (how === "replace") selected.fill(0);
    const value = how === "difference" ? 0 : 1;
    for (const row of rows) if (all || this.shown[row]) selected[row] = value;
    this.afterSelection();
  }

  selectShown() {
    this.selected.set(this.shown);
    this.afterSelection();
  }

  invert() {
    for (let row = 0; row < this.numRows; row++) this.selected[row] = this.shown[row] & (1 - this.selected[row]);
    this.afterSelection();
  }

  clearSelection() {
    if (!this.numSelected) return;
    this.selected.fill(0);
    this.afterSelection();
  }

  afterSelection() {
    this.numSelected = sum(this.selected);
    this.tell("selection");
  }

  // Row numbers of the selection, or of what is shown where nothing is selected.
  chosenRows() {
    return rowsOf(this.numSelected ? this.selected : this.shown, this.numSelected || this.numShown);
  }

  pin(row) {
    if (row === this.pinned) return;
    this.pinned = row;
    this.tell("pin");
  }

  hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    this.tell("hover");
  }

  colourBy(number) {
    this.colour = number;
    this.tell("colour");
  }

  openTab(tab) {
    this.tab = tab;
    this.tell("tab");
  }
}

function sum(bytes) {
  let total = 0;
  for (let i = 0; i < bytes.length; i++) total += bytes[i];
  return total;
}

function rowsOf(marks, count) {
  const rows = new Uint32Array(count);
  let at = 0;
  for (let row = 0; row < marks.length; row++) if (marks[row]) rows[at++] = row;
  return rows;
}
