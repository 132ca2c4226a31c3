// The page at its server: data is asked for when it is wanted. In the page of a file none of this stands.
//
// Thumbnails that are wanted in one moment are asked for together. Every address is relative, so each carries the token
// that the page's own has. Answers of several parts have their lengths before them.

const MOST_THUMBNAILS_ASKED = 64;

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  let told = answer.status === 403 ? "the server was started again: open the address that it printed" : `the server answered ${answer.status}`;
  try {
    told = (await answer.json()).error;
  } catch {
    // no words of its own
  }
  throw new Error(told);
}

function framesOf(buffer) {
  const view = new DataView(buffer);
  const parts = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = view.getUint32(at, true);
    parts.push(buffer.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}

window.ServedSource = class {
  constructor(facts) {
    this.facts = facts;
    this.wanted = new Map(); // row -> those who wait for its thumbnail
    this.asking = new Map();
  }

  async block(name) {
    return (await ask(`blocks/${name}`)).arrayBuffer();
  }

  async places() {
    return new Float32Array(await this.block("places"));
  }

  ids() {
    return this.block("ids");
  }

  async column(number) {
    return number === this.facts.tags_column ? (await this.tags()).codes : this.block(`column-${number}`);
  }

  async names(number) {
    return number === this.facts.tags_column ? (await this.tags()).names : (await ask(`blocks/names-${number}`)).json();
  }

  // {codes, names, tags}; asked for once, unless that failed. `tagsFrom` takes newer ones, with how many rows were changed.
  tags() {
    if (!this.known) {
      const asked = ask("tags").then((answer) => this.tagsFrom(answer));
      asked.catch(() => (this.known = null));
      this.known = asked;
    }
    return this.known;
  }

  async tagsFrom(answer) {
    const [names, tags, codes, changed] = framesOf(await answer.arrayBuffer());
    const read = (part) => JSON.parse(new TextDecoder().decode(part));
    const found = { names: read(names), tags: read(tags), codes, changed: changed && read(changed) };
    this.known = Promise.resolve(found);
    return found;
  }

  async finding(name) {
    return (await ask(`findings/${name}`)).json();
  }

  async neighbours(row) {
    return this.facts.num_neighbours ? (await ask(`neighbours/${row}`)).json() : [];
  }

  async picture(row) {
    const bytes = await this.thumbnail(row);
    return bytes.byteLength ? { key: `row-${row}`, open: async () => new Blob([bytes]), x: 0, y: 0, width: 0, height: 0 } : null;
  }

  thumbnail(row) {
    if (!this.wanted.size) setTimeout(() => this.askThumbnails());
    return new Promise((resolve, reject) => {
      const waiting = this.wanted.get(row) ?? [];
      waiting.push({ resolve, reject });
      this.wanted.set(row, waiting);
    });
  }

  askThumbnails() {
    const all = [...this.wanted];
    this.wanted.clear();
    for (let first = 0; first < all.length; first += MOST_THUMBNAILS_ASKED) {
      const part = all.slice(first, first + MOST_THUMBNAILS_ASKED);
      ask(`thumbnails?rows=${part.map(([row]) => row).join(".")}`)
        .then((answer) => answer.arrayBuffer())
        .then((buffer) => framesOf(buffer).forEach((bytes, i) => part[i][1].forEach(({ resolve }) => resolve(bytes))))
        .catch((error) => part.forEach(([, waiting]) => waiting.forEach(({ reject }) => reject(error))));
    }
  }
};

window.startServed = async (app) => {
  if (app.facts.has_pictures) new FullSize(app);
  if (app.facts.model) app.dropped = app.facts.takes_attributes ? new AskedAttributes(app) : new Dropped(app);
  app.tagging = new Tagging(app);
  await app.tagging.begin();
};

// The pinned point's picture as its file is: a click on it, or on the button beside it.
class FullSize {
  constructor({ state, say }) {
    Object.assign(this, { state, say });
    this.dialog = byId("full-size");
    this.dialog.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.forget());
    state.listen("pinned-drawn", () => this.offer());
  }

  offer() {
    const row = this.state.pinned;
    const picture = byId("panel-point").querySelector(".pinned .picture");
    if (!picture) return;
    picture.classList.add("opens");
    picture.addEventListener("click", () => this.open(row));
    byId("panel-point").querySelector(".pinned .facts-list").append(make("button", { id: "open-full-size", class: "plain", onclick: () => this.open(row) }, "Full size"));
  }

  async open(row) {
    try {
      const url = URL.createObjectURL(await (await ask(`pictures/${row}`)).blob());
      this.forget();
      const image = make("img", { src: url, alt: "" });
      await image.decode();
      this.url = url;
      this.dialog.replaceChildren(image, make("p", { class: "quiet" }, `${image.naturalWidth} × ${image.naturalHeight} pixels`));
      this.dialog.showModal();
    } catch (error) {
      this.say(`No picture: ${error.message}`);
    }
  }

  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }
}
