// The tab of the selection: its pictures, and how it leaves the page: as CSV, or as ids on the clipboard.

const TILE_PX = 82;

class SelectionPanel {
  constructor({ state, columns, pictures, facts, go, goTo, say }) {
    Object.assign(this, { state, columns, pictures, facts, go, say });
    this.rows = new Uint32Array(0);
    const side = pictures.have ? TILE_PX : null;
    this.list = new VirtualList(byId("gallery"), {
      itemHeight: side ? TILE_PX + 18 : 28,
      itemWidth: side,
      render: (i) => this.tile(this.rows[i]),
    });
    const redraw = debounced(60, () => this.draw());
    state.listen("selection filters", redraw);
    state.listen("tab", () => state.tab === "selection" && this.draw());
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("select-shown", () => state.selectShown());
    on("invert", () => state.invert());
    on("clear", () => state.clearSelection());
    on("fly", () => goTo(state.chosenRows()));
    on("download", () => this.download());
    on("copy", () => this.copy());
    columns.ids().then((ids) => {
      this.ids = ids;
      this.draw();
    });
  }

  draw() {
    const { state } = this;
    this.rows = state.chosenRows();
    const all = state.numRows.toLocaleString("en");
    const count = state.numSelected || state.numShown;
    const what = state.numSelected ? "selected" : state.numShown < state.numRows ? "shown" : "in all; nothing is selected";
    byId("chosen").textContent = count === state.numRows ? `${all} ${what}` : `${count.toLocaleString("en")} of ${all} ${what}`;
    byId("clear").disabled = !state.numSelected;
    if (this.ids) this.list.show(this.rows.length);
  }

  tile(row) {
    const name = this.ids.at(row);
    const shown = name.split("/").at(-1) || name;
    return make(
      "button",
      { class: this.pictures.have ? "tile" : "line", "data-row": row, title: name, onclick: () => this.go(row), onmouseenter: () => this.state.hover(row), onmouseleave: () => this.state.hover(-1) },
      this.pictures.have ? this.pictures.element(row, TILE_PX - 10, name) : null,
      cell(this.pictures.have ? shown : name),
    );
  }

  async download() {
    await this.columns.loadAll();
    const text = csvOf(this.state.chosenRows(), this.ids, this.columns);
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" })), download: `${this.facts.file_stem}-selection.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.say(`${counted(this.state.chosenRows().length, "row")} written as CSV`);
  }

  async copy() {
    const rows = this.state.chosenRows();
    await toClipboard(Array.from(rows, (row) => this.ids.at(row)).join("\n"));
    this.say(`${counted(rows.length, "id")} copied`);
  }
}

// RFC 4180: every cell as it is; quoted where it must be.
function csvOf(rows, ids, columns) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [["id", ...columns.all.map(({ name }) => name)].map(quoted).join(",")];
  for (const row of rows) {
    lines.push([ids.at(row), ...columns.all.map((_, number) => columns.text(number, row))].map(quoted).join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A browser that keeps the clipboard from files still copies what is selected.
    const box = make("textarea", { class: "offscreen" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}
