// The legend on the left: what the points are coloured by, and the filters that it holds.
//
// Of a category every name with its count: a click on the name shows or hides it, a double click or Shift+Enter shows it
// alone, a click on the swatch gives it a colour. Of numbers the ramp (ramp.js).

const LEGEND_ROWS = 300;

class Legend {
  constructor({ state, columns, palette, facts, recolour }) {
    Object.assign(this, { state, columns, facts, recolour, palette });
    this.looks = new Map(); // column number -> {slots, counts} or {ends, bins}
    this.rows = new Map(); // code -> element, of the names that are listed
    this.chips = new Map(); // column number -> element
    this.drawn = -1; // number of the column that the legend shows
    this.choice = byId("colour");
    this.choice.replaceChildren(
      make("option", { value: "-1" }, "one colour"),
      ...columns.all.flatMap((column, number) => (canColour(column) ? [make("option", { value: number }, column.name)] : [])),
    );
    this.choice.addEventListener("change", () => state.colourBy(Number(this.choice.value)));
    byId("legend-find").addEventListener("input", () => this.drawNames());
    state.listen("colour", () => this.draw());
    state.listen("filters", () => this.refresh());
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
    let look = null;
    try {
      look = number < 0 ? null : await this.lookOf(number);
    } catch (error) {
      if (number === this.state.colour && number !== this.drawn) this.state.colourBy(this.drawn); // what can be drawn
      throw error;
    }
    if (number !== this.state.colour) return; // another was chosen while this one was read
    this.drawn = number;
    this.look = look;
    this.column = number < 0 ? null : this.columns.loaded[number];
    byId("legend-find").hidden = !(this.column?.names?.length > 20);
    byId("legend-find").value = "";
    this.rows.clear();
    this.ramp = null;
    if (this.column?.values) this.ramp = new Ramp({ box: byId("legend"), number, column: this.column, look, state: this.state, palette: this.palette });
    else this.drawNames();
    this.recolour();
    this.refresh();
  }

  drawNames() {
    const box = byId("legend");
    this.rows.clear();
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
    for (const code of codes.slice(0, LEGEND_ROWS)) this.rows.set(code, this.nameRow(code));
    const more = codes.length > LEGEND_ROWS ? [make("p", { class: "quiet" }, `${codes.length - LEGEND_ROWS} more; type above to find one`)] : [];
    box.replaceChildren(...this.rows.values(), ...more);
  }

  nameRow(code) {
    const { names } = this.column;
    const { counts, slots } = this.look;
    const isEmpty = code === names.length;
    const colour = isEmpty ? this.palette().absent : (this.palette().slots[slots[code]] ?? this.palette().rest);
    const name = isEmpty ? "no value" : names[code] === "" ? "(empty)" : names[code];
    const title = isEmpty || names.length <= NUM_COLOURS ? "" : "Give it a colour, or take it away";
    const symbol = this.columns.all[this.state.colour].is_set ? SYMBOLS[code % NUM_SYMBOLS] : "●";
    const alone = (event) => {
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault(); // no click
      this.toggle(code, true);
    };
    const row = make(
      "div",
      { class: "name" },
      make("button", { class: "swatch", style: { color: colourText(colour) }, title, "aria-label": `colour of ${name}`, disabled: !title, onclick: () => this.recolourName(code) }, symbol),
      make(
        "button",
        { class: "label", title: "Show or hide; double click or Shift+Enter: this alone", onclick: (event) => this.toggle(code, event.detail === 2), onkeydown: alone },
        cell(name),
        make("span", { class: "count" }, counts[code].toLocaleString("en")),
      ),
    );
    this.showHidden(row, code);
    return row;
  }

  showHidden(row, code) {
    const hidden = this.state.filters.get(this.drawn)?.hidden?.has(code) ?? false;
    row.classList.toggle("hidden-name", hidden);
    row.querySelector(".label").setAttribute("aria-pressed", String(!hidden));
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
    this.rows.get(code)?.querySelector(".swatch").focus({ preventScroll: true });
    this.recolour();
  }

  toggle(code, alone) {
    const number = this.drawn;
    const hidden = new Set(this.state.filters.get(number)?.hidden);
    if (alone) {
      for (let other = 0; other <= this.column.names.length; other++) hidden.add(other);
      hidden.delete(code);
    } else if (!hidden.delete(code)) hidden.add(code);
    this.state.setFilter(number, { hidden });
  }

  // What a filter has changed, in place: what has the focus keeps it.
  refresh() {
    this.ramp?.refresh();
    for (const [code, row] of this.rows) this.showHidden(row, code);
    this.drawChips();
  }

  drawChips() {
    for (const [number, chip] of this.chips) if (!this.state.filters.has(number)) this.dropChip(number, chip);
    for (const [number, filter] of this.state.filters) {
      if (!this.chips.has(number)) {
        this.chips.set(number, make("button", { class: "chip", title: "Take this filter away", onclick: () => this.state.setFilter(number, null) }, cell(""), " ✕"));
        byId("filters").append(this.chips.get(number));
      }
      const words = this.chips.get(number).firstElementChild;
      words.textContent = words.title = filterText(this.columns.all[number], filter);
    }
  }

  // A chip that had the focus gives it to the next one, the last one to the map.
  dropChip(number, chip) {
    const next = chip.nextElementSibling ?? chip.previousElementSibling ?? byId("overlay");
    if (chip === document.activeElement) next.focus({ preventScroll: true });
    chip.remove();
    this.chips.delete(number);
  }
}

function filterText({ name, kind }, { hidden, low, high }) {
  if (hidden) return `${name}: ${hidden.size} hidden`;
  const show = (value) => (value === null ? "…" : kind === "date" ? dateText(value) : shortNumber(value));
  return `${name}: ${show(low)} – ${show(high)}`;
}

const SYMBOLS = ["●", "■", "▲", "◆", "✚", "✖"];
