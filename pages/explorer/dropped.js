// Pictures of one's own: dropped on the page, pasted, or chosen. Each lands at its place, a star, with its neighbours.

const DROPPED_PX = 64;

class Dropped {
  constructor(app) {
    Object.assign(this, { app, all: [] });
    this.list = byId("dropped");
    this.listen();
    byId("clear-pictures").addEventListener("click", () => this.clear());
    this.tell();
  }

  listen() {
    const files = byId("choose-pictures");
    byId("add-pictures").addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      this.add([...files.files]);
      files.value = "";
    });
    const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      document.body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
    addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      document.body.classList.remove("dropping");
      this.add([...event.dataTransfer.files]);
    });
    addEventListener("paste", (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])];
      if (!pasted.length) return;
      event.preventDefault();
      this.add(pasted);
    });
  }

  // One after the other: the server has one model, and the order is that of the files.
  async add(files) {
    this.app.state.openTab("dropped");
    const added = files.map((file) => this.entry(file));
    this.tell();
    for (const each of added) await this.land(each);
    const landed = added.filter(({ place }) => place).map(({ place }) => place);
    if (landed.length) {
      this.app.camera.reveal(landed[0].x, landed[0].y);
      this.app.say(`${this.counted(landed.length)} placed`);
    }
  }

  counted(number) {
    return counted(number, "picture");
  }

  picture(url) {
    const image = make("img", { src: url, alt: "", class: "own picture", width: DROPPED_PX, height: DROPPED_PX, onerror: () => image.classList.add("missing") });
    return image;
  }

  entry(file) {
    const url = URL.createObjectURL(file);
    const image = this.picture(url);
    const told = make("p", { class: "quiet" }, "Looking for its place …");
    const near = make("div", { class: "neighbours" });
    const name = cell(file.name || "pasted picture", { class: "cell id" });
    const box = make("section", { class: "landed" }, make("button", { class: "pinned", disabled: true }, image, make("div", { class: "facts-list" }, name, told)), near);
    const each = { file, url, told, near, box, place: null };
    this.all.push(each);
    this.list.prepend(box);
    return each;
  }

  async land(each) {
    const { facts, columns, camera, overlay, redraw, point } = this.app;
    try {
      if (each.file.size > facts.max_upload_bytes) throw new Error(`larger than ${Math.floor(facts.max_upload_bytes / 2 ** 20)} MB`);
      const found = await (await ask("embed", { method: "POST", body: each.file, headers: { "content-type": "application/octet-stream" } })).json();
      const ids = await columns.ids();
      if (this.app.state.colour >= 0) await columns.load(this.app.state.colour);
      each.place = { x: found.x, y: found.y };
      each.told.textContent = found.neighbours.length ? `Nearest by ${facts.distance.replaceAll("_", " ")} distance:` : "";
      each.near.replaceChildren(...found.neighbours.map((near) => point.neighbour(near, ids)));
      const button = each.box.querySelector("button");
      button.disabled = false;
      button.title = "Go to its place";
      button.addEventListener("click", () => camera.reveal(found.x, found.y));
    } catch (error) {
      each.told.textContent = `Not placed: ${error.message}`;
      each.box.classList.add("failed");
    }
    overlay.drop = this.all.filter(({ place }) => place).map(({ place }) => place);
    redraw();
  }

  clear() {
    for (const { url } of this.all) URL.revokeObjectURL(url);
    this.all = [];
    this.list.replaceChildren();
    this.app.overlay.drop = [];
    this.app.redraw();
    this.tell();
  }

  tell() {
    byId("no-dropped").hidden = this.all.length > 0;
    byId("clear-pictures").disabled = !this.all.length;
  }
}

// Attributes in the place of pictures, where the model takes those: what is written lands as a picture does.
class AskedAttributes extends Dropped {
  listen() {
    byId("ask-attributes").addEventListener("submit", (event) => {
      event.preventDefault();
      const words = byId("attribute-words").value.trim();
      if (words) this.add([new File([words], words, { type: "text/plain" })]);
    });
  }

  counted(number) {
    return counted(number, "query", "queries");
  }

  picture() {
    return null;
  }
}
