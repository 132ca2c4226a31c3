// The card beside the pointer (after a moment), and the same facts of the pinned point with its neighbours.

const CARD_AFTER_MS = 125;
const CARD_PICTURE_PX = 160;
const CARD_FACTS = 4;

class Card {
  constructor({ state, columns, pictures, where }) {
    Object.assign(this, { state, columns, pictures, where });
    this.box = byId("card");
    state.listen("hover", () => this.wait());
  }

  wait() {
    clearTimeout(this.timer);
    const row = this.state.hovered;
    if (row < 0) this.box.hidden = true;
    else this.timer = setTimeout(() => this.show(row), this.box.hidden ? CARD_AFTER_MS : CARD_AFTER_MS / 3);
  }

  async show(row) {
    const ids = await this.columns.ids();
    if (row !== this.state.hovered) return;
    const { colour } = this.state;
    const first = this.columns.loaded.filter(Boolean).map(({ name }) => this.columns.numberOf(name));
    const numbers = [...new Set([...(colour >= 0 ? [colour] : []), ...first])].slice(0, CARD_FACTS);
    const name = ids.at(row);
    this.box.replaceChildren(
      ...(this.pictures.have ? [this.pictures.element(row, CARD_PICTURE_PX, name)] : []),
      cell(name, { class: "cell id" }),
      ...numbers.map((number) => fact(this.columns.all[number].name, this.columns.text(number, row))),
    );
    this.box.hidden = false;
    const { x, y, width, height } = this.where(row);
    const [wide, tall] = [this.box.offsetWidth, this.box.offsetHeight];
    this.box.style.left = `${x + 18 + wide > width ? Math.max(4, x - 18 - wide) : x + 18}px`;
    this.box.style.top = `${Math.max(4, Math.min(height - tall - 4, y - tall / 2))}px`;
  }
}

function fact(name, text) {
  return make("div", { class: "fact" }, make("span", { class: "quiet" }, name), cell(text === "" ? "–" : text));
}

class PointPanel {
  constructor({ state, columns, pictures, facts, overlay, go, redraw }) {
    Object.assign(this, { state, columns, pictures, facts, overlay, go, redraw });
    this.box = byId("panel-point");
    state.listen("pin", () => this.draw());
    this.draw();
  }

  // The row's facts first, then its neighbours: what cannot be had is told in its place, beside what could.
  async draw() {
    const row = this.state.pinned;
    const drawing = (this.drawing = Symbol("latest"));
    const isOld = () => drawing !== this.drawing;
    this.overlay.neighbours = [];
    this.redraw();
    if (row < 0) {
      this.box.replaceChildren(make("p", { class: "quiet empty" }, "Click a point to see it here, with its nearest neighbours."));
      return;
    }
    const near = make("section", {}, make("p", { class: "quiet" }, "Looking for its neighbours …"));
    this.box.replaceChildren(make("p", { class: "quiet empty" }, "Reading …"));
    const asked = this.columns.source.neighbours(row);
    asked.catch(() => {}); // told below
    try {
      const [ids] = await Promise.all([this.columns.ids(), this.columns.loadAll()]);
      if (isOld()) return;
      this.box.replaceChildren(this.pinned(row, ids), near, ...(this.pictures.have ? [] : [make("p", { class: "quiet" }, this.facts.no_pictures)]));
      this.state.tell("pinned-drawn");
    } catch (error) {
      if (!isOld()) this.box.replaceChildren(failure(error, () => this.draw()));
      return;
    }
    try {
      const neighbours = await asked;
      const ids = await this.columns.ids();
      if (isOld()) return;
      this.overlay.neighbours = neighbours;
      near.replaceChildren(
        make("h2", {}, neighbours.length ? `Nearest by ${this.facts.distance.replaceAll("_", " ")} distance` : "No neighbours in this page"),
        make("div", { class: "neighbours" }, ...neighbours.map((each) => this.neighbour(each, ids))),
      );
    } catch (error) {
      near.replaceChildren(failure(error, () => this.draw()));
    }
    this.redraw();
  }

  pinned(row, ids) {
    const name = ids.at(row);
    return make(
      "div",
      { class: "pinned" },
      this.pictures.have ? this.pictures.element(row, 136, name) : null,
      make("div", { class: "facts-list" }, cell(name, { class: "cell id" }), ...this.columns.all.map((column, number) => fact(column.name, this.columns.text(number, row)))),
    );
  }

  neighbour({ row, distance }, ids) {
    const { colour } = this.state;
    const name = ids.at(row);
    return make(
      "button",
      { class: "neighbour", "data-row": row, onclick: () => this.go(row), onmouseenter: () => this.state.hover(row), onmouseleave: () => this.state.hover(-1) },
      this.pictures.have ? this.pictures.element(row, 44, name) : null,
      make("span", { class: "lines" }, cell(name), colour >= 0 ? cell(this.columns.text(colour, row), { class: "cell quiet" }) : null),
      make("span", { class: "distance" }, shortNumber(Number(distance.toPrecision(4)))),
    );
  }
}
