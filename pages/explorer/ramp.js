// The ramp of a column of numbers or dates in the legend, over a histogram that filters: drag across it, or type the ends.
//
// It is made once for a column, and follows the filter in place. What is typed holds with each letter: a press that leaves
// the box would else move what it presses.

const BINS = 48;

class Ramp {
  constructor({ box, number, column, look, state, palette }) {
    Object.assign(this, { number, column, look, state, palette });
    const { low, high, least, most, num } = look.ends;
    this.show = column.kind === "date" ? dateText : shortNumber;
    look.bins ??= binsOf(column.values, least, most);
    this.histogram = make("canvas", { class: "histogram", width: BINS * 4, height: 64, role: "img", "aria-label": `histogram of ${column.name}` });
    this.inputs = { low: this.input("low", "from", least), high: this.input("high", "to", most) };
    const share = low > least || high < most ? " (first to last percentile)" : "";
    const parts = num
      ? [this.histogram, make("div", { class: "ends" }, this.inputs.low, "–", this.inputs.high), make("p", { class: "quiet" }, `coloured from ${this.show(low)} to ${this.show(high)}${share}`)]
      : [];
    const missing = column.values.length - num;
    if (missing) parts.push(make("p", { class: "quiet" }, `${counted(missing, "row")} without a number: grey`));
    box.replaceChildren(...parts);
    const at = (part) => least * (1 - part) + most * part;
    brush(this.histogram, (start, end) => state.setFilter(number, start < end ? { low: at(start), high: at(end) } : null));
  }

  input(end, name, bound) {
    const isDate = this.column.kind === "date";
    const input = make("input", { type: isDate ? "text" : "number", step: "any", "aria-label": name, placeholder: this.show(bound) });
    input.addEventListener("input", () => {
      const read = isDate ? Date.parse(input.value) : parseFloat(input.value);
      const now = this.state.filters.get(this.number) ?? { low: null, high: null };
      this.state.setFilter(this.number, { ...now, [end]: Number.isFinite(read) ? read : null });
    });
    return input;
  }

  // After the filter has changed. What is being typed stays as it is.
  refresh() {
    const filter = this.state.filters.get(this.number);
    for (const [end, input] of Object.entries(this.inputs)) {
      const value = filter?.[end] ?? null;
      if (input !== document.activeElement) input.value = value === null ? "" : this.show(value);
    }
    this.paint(filter);
  }

  paint(filter) {
    const { bins, ends } = this.look;
    if (!ends.num) return;
    const [pen, { width, height }] = [this.histogram.getContext("2d"), this.histogram];
    pen.clearRect(0, 0, width, height);
    const tallest = Math.max(1, ...bins);
    for (let bin = 0; bin < BINS; bin++) {
      const part = (bin + 0.5) / BINS;
      const middle = ends.least * (1 - part) + ends.most * part;
      const outside = filter && (middle < (filter.low ?? -Infinity) || middle > (filter.high ?? Infinity));
      pen.fillStyle = outside ? colourText(this.palette().rest) : colourText(rampColour(this.palette().ramp, rampPosition(middle, ends)));
      const tall = bins[bin] && Math.max(2, (bins[bin] / tallest) * (height - 12));
      pen.fillRect((bin * width) / BINS, height - 8 - tall, width / BINS - 0.5, tall);
      pen.fillRect((bin * width) / BINS, height - 6, width / BINS + 0.5, 6);
    }
  }
}

function binsOf(values, least, most) {
  const bins = new Uint32Array(BINS);
  for (const value of values) {
    if (Number.isFinite(value)) bins[most > least ? Math.min(BINS - 1, Math.floor(shareBetween(value, least, most) * BINS)) : 0]++;
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
