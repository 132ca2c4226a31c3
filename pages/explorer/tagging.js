// Tags: a word for the rows that are selected, kept by the server beside the vectors, and a column to colour by.

class Tagging {
  constructor({ facts, source, state, columns, legend, point, say }) {
    Object.assign(this, { facts, source, state, columns, legend, point, say });
    this.word = byId("tag");
    byId("tagging").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(event.submitter?.id === "take-tag");
    });
    state.listen("selection", () => this.allow());
    this.allow();
  }

  async begin() {
    this.offer((await this.source.tags()).tags);
  }

  allow() {
    for (const id of ["give-tag", "take-tag"]) byId(id).disabled = !this.state.numSelected;
  }

  offer(tags) {
    byId("known-tags").replaceChildren(...tags.map((tag) => make("option", { value: tag })));
  }

  async send(take) {
    const tag = this.word.value.trim();
    if (!tag || !this.state.numSelected) {
      this.say(tag ? "Select the rows first" : "Type a tag first");
      return;
    }
    const rows = Array.from(this.state.chosenRows());
    try {
      const answer = await ask("tags", { method: "POST", body: JSON.stringify({ rows, tag, take }), headers: { "content-type": "application/json" } });
      const found = await this.source.tagsFrom(answer);
      await this.renew(found);
      this.say(take ? `“${tag}” taken from ${counted(found.changed, "row")}` : `${counted(found.changed, "row")} tagged “${tag}”`);
    } catch (error) {
      this.say(`Not tagged: ${error.message}`);
    }
  }

  // The column is read anew: its codes are others now, so is what was hidden by them.
  async renew({ tags }) {
    const number = this.facts.tags_column;
    this.offer(tags);
    this.columns.loading.delete(number);
    this.legend.looks.delete(number);
    await this.columns.load(number);
    if (this.state.filters.has(number)) this.state.setFilter(number, null);
    if (this.state.colour === number) await this.legend.draw();
    if (this.state.pinned >= 0) this.point.draw();
    this.state.tell("tags");
  }
}
