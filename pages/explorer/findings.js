// Tabs of what was found in the data set: duplicates, outliers, suspected labels, the comparison of sets.
//
// A finding is some rows and the cells that say why. A click selects its rows and goes there.

const FINDING_PX = 64;
const MOST_THUMBS = 3;

class FindingPanel {
  constructor({ info, state, columns, pictures, facts, goTo }) {
    Object.assign(this, { info, state, columns, pictures, facts, goTo });
    this.list_box = make("div", { class: "findings scroll", role: "list" });
    this.panel = make("div", { class: "panel", id: `panel-${info.name}`, role: "tabpanel", "aria-labelledby": `tab-${info.name}`, hidden: true });
    byId("panels").append(this.panel);
    state.listen("tab", () => state.tab === info.name && this.open());
  }

  async open() {
    if (this.opened) return;
    this.opened = true;
    const wait = this.facts.served ? "Looking for them. Of a large table this takes minutes." : "Reading them …";
    this.panel.replaceChildren(make("p", { class: "quiet empty" }, wait));
    try {
      const [found, ids] = await Promise.all([this.columns.source.finding(this.info.name), this.columns.ids()]);
      Object.assign(this, { found, ids });
    } catch (error) {
      this.opened = false; // it can be asked for again
      this.panel.replaceChildren(failure(error, () => this.open()));
      return;
    }
    this.draw();
  }

  draw() {
    const { found } = this;
    const facts = found.facts.map(([name, value]) => fact(name, value));
    const cut = found.num_found > found.rows.length ? `The first ${found.rows.length.toLocaleString("en")} of ${found.num_found.toLocaleString("en")}.` : "";
    this.panel.replaceChildren(
      ...(found.note ? [make("p", { class: "quiet" }, found.note)] : []),
      ...(facts.length ? [make("div", { class: "facts-list" }, ...facts)] : []),
      ...(cut ? [make("p", { class: "quiet" }, cut)] : []),
      ...(found.rows.length
        ? [make("button", { class: "plain", onclick: () => this.selectAll() }, "Select all of these")]
        : [make("p", { class: "quiet empty" }, "Nothing found.")]),
      this.list_box,
    );
    this.list = new VirtualList(this.list_box, { itemHeight: FINDING_PX, render: (i) => this.line(found.rows[i], i) });
    this.list.show(found.rows.length);
  }

  line({ rows, cells }, i) {
    const shown = rows.slice(0, MOST_THUMBS);
    const texts = cells.map((text, at) => make("span", { class: at ? "quiet" : "" }, make("span", { class: "quiet" }, this.found.headings[at] ? `${this.found.headings[at]} ` : ""), cell(text)));
    return make(
      "button",
      { class: "finding", role: "listitem", "data-finding": i, onclick: () => this.choose(rows), onmouseenter: () => this.state.hover(rows[0] ?? -1), onmouseleave: () => this.state.hover(-1) },
      make("span", { class: "thumbs" }, ...(this.pictures.have ? shown.map((row) => this.pictures.element(row, 48, this.ids.at(row))) : [])),
      make("span", { class: "lines" }, ...texts, ...(rows.length === 1 && !this.pictures.have ? [cell(this.ids.at(rows[0]))] : [])),
      rows.length > shown.length ? make("span", { class: "count" }, `+${rows.length - shown.length}`) : null,
    );
  }

  choose(rows) {
    if (!rows.length) return;
    this.state.select(rows, "replace", { all: true });
    this.state.pin(rows.length === 1 ? rows[0] : -1);
    this.goTo(rows);
  }

  selectAll() {
    const rows = this.found.rows.flatMap((finding) => finding.rows);
    this.state.select(rows, "replace", { all: true });
    this.goTo(rows);
  }
}

// The tabs themselves: those of the page, and one for each kind of finding. Arrow keys go from one to the next.
function makeTabs(state, findings) {
  const bar = byId("tabs");
  for (const { name, title, count } of findings) {
    bar.append(make("button", { role: "tab", id: `tab-${name}`, "data-tab": name, "aria-controls": `panel-${name}` }, title, count === null ? null : make("span", { class: "count" }, count.toLocaleString("en"))));
  }
  const tabs = [...bar.querySelectorAll("[data-tab]")];
  for (const tab of tabs) tab.addEventListener("click", () => state.openTab(tab.dataset.tab));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = tabs.findIndex((tab) => tab.dataset.tab === state.tab);
    const next = tabs[(now + step + tabs.length) % tabs.length];
    state.openTab(next.dataset.tab);
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  state.listen("tab", () => {
    for (const tab of tabs) {
      const open = tab.dataset.tab === state.tab;
      tab.setAttribute("aria-selected", String(open));
      tab.tabIndex = open ? 0 : -1;
      byId(`panel-${tab.dataset.tab}`).hidden = !open;
    }
  });
}
