// The legend on the left: what the points are coloured by, and the filters that it holds.
//
// Of a category every name with its count: a click on the name shows or hides it, a double click shows it alone, a click
// on the swatch gives it a colour. Of numbers the ramp over a histogram: drag across it, or type the ends.

const LEGEND_ROWS = 300;
const BINS = 48;

class Legend {
  constructor({ state, columns, palette, facts, recolour }) {
    Object.assign(this, { state, columns, facts, recolour, palette });
    this.looks = new Map(); // column number -> {slots, counts} or {ends, bins}
    this.choice = byId("colour");
    this.choice.replaceChildren(
      make("option", { value: "-1" }, "one colour"),
      ...columns.all.flatMap(({ name, kind }, number) => (kind === "text" ? [] : [make("option", { value: number }, name)])),
    );
    this.choice.addEventListener("change", () => state.colourBy(Number(this.choice.value)));
    byId("legend-find").addEventListener("input", () => this.drawNames());
    state.listen("colour", () => this.draw());
    state.listen("filters", () => this.drawFilters());
  }

  async lookOf(number) {
    if (!this.looks.has(number)) {
      const column = await this.columns.load(number);
      if (column.codes) {
        const counts = countCodes(column);
        this.looks.set(number, { counts, slots: firstSlots(counts) });
      } else this.looks.set(number, { ends: rampEnds(column.values) });
    }
    return this.looks.get(number);
  }

  async draw() {
    const number = this.state.colour;
    this.choice.value = String(number);
    const look = number < 0 ? null : await this.lookOf(number);
    if (number !== this.state.colour) return; // another was chosen while this one was read
    this.look = look;
    this.column = number < 0 ? null : this.columns.loaded[number];
    byId("legend-find").hidden = !(this.column?.names?.length > 20);
    byId("legend-find").value = "";
    if (this.column?.values) this.drawRamp();
    else this.drawNames();
    this.recolour();
    this.drawFilters();
  }

  drawNames() {
    const box = byId("legend");
    if (!this.column) {
      box.replaceChildren();
      return;
    }
    const { names } = this.column;
    const { counts, slots } = this.look;
    const wanted = byId("legend-find").value.toLowerCase();
    const codes = Array.from({ length: names.length }, (_, code) => code).filter((code) => names[code].toLowerCase().includes(wanted));
    if (names.length > NUM_COLOURS) codes.sort((a, b) => (slots[b] >= 0) - (slots[a] >= 0) || counts[b] - counts[a] || a - b);
    if (counts[names.length] && !wanted) codes.push(names.length);
    const rows = codes.slice(0, LEGEND_ROWS).map((code) => this.nameRow(code));
    if (codes.length > LEGEND_ROWS) rows.push(make("p", { class: "quiet" }, `${codes.length - LEGEND_ROWS} more; type above to find one`));
    box.replaceChildren(...rows);
  }

  nameRow(code) {
    const { names } = this.column;
    const { counts, slots } = this.look;
    const isEmpty = code === names.length;
    const colour = isEmpty ? this.palette().absent : (this.palette().slots[slots[code]] ?? this.palette().rest);
    const hidden = this.state.filters.get(this.state.colour)?.hidden?.has(code) ?? false;
    const name = isEmpty ? "no value" : names[code] === "" ? "(empty)" : names[code];
    const title = isEmpty || names.length <= NUM_COLOURS ? "" : "Give it a colour, or take it away";
    const symbol = this.columns.all[this.state.colour].is_set ? SYMBOLS[code % NUM_SYMBOLS] : "●";
    return make(
      "div",
      { class: `name${hidden ? " hidden-name" : ""}` },
      make("button", { class: "swatch", style: { color: colourText(colour) }, title, "aria-label": `colour of ${name}`, disabled: !title, onclick: () => this.recolourName(code) }, symbol),
      make(
        "button",
        { class: "label", "aria-pressed": String(!hidden), title: "Show or hide; double click: this alone", onclick: (event) => this.toggle(code, event.detail === 2) },
        cell(name),
        make("span", { class: "count" }, counts[code].toLocaleString("en")),
      ),
    );
  }

  // A grey name takes the slot of the smallest that has one; a coloured one gives its own up.
  recolourName(code) {
    const { slots, counts } = this.look;
    if (slots[code] >= 0) slots[code] = -1;
    else {
      const used = new Set(slots);
      let slot = Array.from({ length: NUM_COLOURS }, (_, i) => i).find((i) => !used.has(i));
      if (slot === undefined) {
        let least = -1;
        for (let other = 0; other < slots.length; other++) {
          if (slots[other] >= 0 && (least < 0 || counts[other] < counts[least])) least = other;
        }
        slot = slots[least];
        slots[least] = -1;
      }
      slots[code] = slot;
    }
    this.drawNames();
    this.recolour();
  }

  toggle(code, alone) {
    const number = this.state.colour;
    const hidden = new Set(this.state.filters.get(number)?.hidden);
    if (alone) {
      for (let other = 0; other <= this.column.names.length; other++) hidden.add(other);
      hidden.delete(code);
    } else if (!hidden.delete(code)) hidden.add(code);
    this.state.setFilter(number, { hidden });
  }

  drawRamp() {
    const { column, look } = this;
    const { low, high, least, most, num } = look.ends;
    const show = column.kind === "date" ? dateText : shortNumber;
    const missing = column.values.length - num;
    const canvas = make("canvas", { class: "histogram", width: BINS * 4, height: 64, role: "img", "aria-label": `histogram of ${column.name}` });
    this.histogram = canvas;
    look.bins ??= binsOf(column.values, least, most);
    const [from, to] = ["low", "high"].map((end) => this.endInput(end));
    const parts = num
      ? [canvas, make("div", { class: "ends" }, from, "–", to), make("p", { class: "quiet" }, `coloured from ${show(low)} to ${show(high)} (2nd to 98th percentile)`)]
      : [];
    if (missing) parts.push(make("p", { class: "quiet" }, `${counted(missing, "row")} without a number: grey`));
    byId("legend").replaceChildren(...parts);
    this.paintHistogram();
    brush(canvas, (start, end) => this.setRange(least + start * (most - least), least + end * (most - least)));
  }

  endInput(end) {
    const filter = this.state.filters.get(this.state.colour);
    const { least, most } = this.look.ends;
    const isDate = this.column.kind === "date";
    const bound = end === "low" ? least : most;
    const value = filter?.[end];
    const input = make("input", { type: isDate ? "text" : "number", step: "any", "aria-label": end === "low" ? "from" : "to", placeholder: isDate ? dateText(bound) : shortNumber(bound) });
    if (value !== null && value !== undefined) input.value = isDate ? dateText(value) : shortNumber(value);
    input.addEventListener("change", () => {
      const read = isDate ? Date.parse(input.value) : parseFloat(input.value);
      const now = this.state.filters.get(this.state.colour) ?? { low: null, high: null };
      this.state.setFilter(this.state.colour, { ...now, [end]: Number.isNaN(read) ? null : read });
    });
    return input;
  }

  setRange(low, high) {
    this.state.setFilter(this.state.colour, low < high ? { low, high } : null);
    this.drawRamp();
  }

  paintHistogram() {
    const { bins, ends } = this.look;
    if (!ends.num) return;
    const filter = this.state.filters.get(this.state.colour);
    const [pen, { width, height }] = [this.histogram.getContext("2d"), this.histogram];
    const tallest = Math.max(1, ...bins);
    for (let bin = 0; bin < BINS; bin++) {
      const middle = ends.least + ((bin + 0.5) / BINS) * (ends.most - ends.least);
      const outside = filter && (middle < (filter.low ?? -Infinity) || middle > (filter.high ?? Infinity));
      pen.fillStyle = outside ? colourText(this.palette().rest) : colourText(rampColour(this.palette().ramp, rampPosition(middle, ends)));
      const tall = bins[bin] && Math.max(2, (bins[bin] / tallest) * (height - 12));
      pen.fillRect((bin * width) / BINS, height - 8 - tall, width / BINS - 0.5, tall);
      pen.fillRect((bin * width) / BINS, height - 6, width / BINS + 0.5, 6);
    }
  }

  drawFilters() {
    const chips = [...this.state.filters].map(([number, filter]) => {
      const { name, kind } = this.columns.all[number];
      const show = (value) => (kind === "date" ? dateText(value) : shortNumber(value));
      const text = filter.hidden ? `${name}: ${filter.hidden.size} hidden` : `${name}: ${filter.low === null ? "…" : show(filter.low)} – ${filter.high === null ? "…" : show(filter.high)}`;
      return make("button", { class: "chip", title: "Take this filter away", onclick: () => this.state.setFilter(number, null) }, cell(text), " ✕");
    });
    byId("filters").replaceChildren(...chips);
    if (this.column?.codes) this.drawNames();
    else if (this.column && this.histogram) this.drawRamp();
  }
}

const SYMBOLS = ["●", "■", "▲", "◆", "✚", "✖"];

function binsOf(values, least, most) {
  const bins = new Uint32Array(BINS);
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    bins[most > least ? Math.min(BINS - 1, Math.floor(((value - least) / (most - least)) * BINS)) : 0]++;
  }
  return bins;
}

// Dragging across an element gives the two ends as shares of its width.
function brush(element, chosen) {
  let start = null;
  const share = (event) => {
    const box = element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    start = share(event);
  });
  element.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [low, high] = [start, share(event)].sort((a, b) => a - b);
    start = null;
    chosen(low, high);
  });
}
