// Small pictures of the rows. A sheet is decoded when a picture of it is first wanted; the latest sheets and pictures
// are kept: 24 sheets of 2,048 x 2,048 are 400 MB of the browser's memory, 4,000 pictures of 64 x 64 are 64.

const SHEETS_KEPT = 24;
const PICTURES_KEPT = 4000;

class Pictures {
  constructor(source, facts) {
    this.source = source;
    this.have = Boolean(facts.sprites || facts.has_pictures);
    this.sheets = new Map(); // key -> promise of an ImageBitmap, the latest last
    this.asked = new Map(); // row -> promise of its ImageBitmap or null, the latest last
    this.ready = new Map(); // row -> ImageBitmap or null
    this.failed = new Set(); // rows that could not be asked for: null until somebody looks for their picture again
  }

  sheet({ key, open }) {
    const opened = this.sheets.get(key) ?? open().then((blob) => createImageBitmap(blob));
    this.sheets.delete(key);
    this.sheets.set(key, opened);
    opened.catch(() => this.sheets.delete(key));
    if (this.sheets.size > SHEETS_KEPT) this.sheets.delete(this.sheets.keys().next().value);
    return opened;
  }

  async cut(row) {
    const spot = await this.source.picture(row);
    if (!spot) return null;
    const sheet = await this.sheet(spot);
    const { x, y, width, height } = spot;
    return width ? createImageBitmap(sheet, x, y, width, height) : sheet;
  }

  // An ImageBitmap, or null where the row has no picture or it cannot be decoded.
  get(row) {
    if (!this.have) return Promise.resolve(null);
    const known = this.failed.delete(row) ? undefined : this.asked.get(row);
    const asked = known ?? this.cut(row).catch(() => (this.failed.add(row), null));
    this.asked.delete(row);
    this.asked.set(row, asked);
    if (!known) asked.then((picture) => this.ready.set(row, picture));
    if (this.asked.size > PICTURES_KEPT) {
      const [oldest] = this.asked.keys();
      this.asked.delete(oldest);
      this.ready.delete(oldest);
    }
    return asked;
  }

  // The same where it is decoded already; undefined where it is not yet.
  peek(row) {
    return this.ready.get(row);
  }

  // A canvas with a row's picture, its aspect kept; one that says so where there is none.
  element(row, sidePx, name) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const canvas = make("canvas", { class: "picture", width: sidePx * ratio, height: sidePx * ratio, role: "img", "aria-label": name });
    canvas.style.width = canvas.style.height = `${sidePx}px`;
    const found = this.peek(row);
    if (found !== undefined && !this.failed.has(row)) drawPicture(canvas, found);
    else if (this.have) this.get(row).then((picture) => drawPicture(canvas, picture));
    else canvas.classList.add("missing");
    return canvas;
  }
}

function drawPicture(canvas, picture) {
  canvas.classList.toggle("missing", !picture);
  if (!picture) return;
  const side = canvas.width;
  const scale = Math.min(side / picture.width, side / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = picture.width > 32;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, (side - width) / 2, (side - height) / 2, width, height);
}
