// Where the page's data comes from. A source answers by name; nothing else in the page knows whether it is a file.
//
// FileSource reads the blocks that stand in the page itself: base64 of deflate, in <script type="text/plain">.
// A served page puts another class with the same six methods in its place (see makeSource).

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const pageIsParsed = new Promise((resolve) => {
  if (document.readyState !== "loading") resolve();
  else document.addEventListener("DOMContentLoaded", resolve, { once: true });
});

class FileSource {
  constructor(facts) {
    this.facts = facts;
    this.opened = new Map();
  }

  // The bytes of a block, as they stand in the page. A block that is still being parsed has nothing after it.
  async raw(name) {
    let element = document.getElementById(`block-${name}`);
    if (!element || !element.nextElementSibling) {
      await pageIsParsed;
      element = document.getElementById(`block-${name}`);
    }
    if (!element) throw new Error(`the page has no block ${name}`);
    return fromBase64(element.textContent.trim());
  }

  // An ArrayBuffer; kept, since the same block is asked for by several.
  block(name) {
    if (!this.opened.has(name)) this.opened.set(name, this.raw(name).then(inflate));
    return this.opened.get(name);
  }

  async json(name) {
    return JSON.parse(new TextDecoder().decode(await this.block(name)));
  }

  async places() {
    return new Float32Array(await this.block("places"));
  }

  ids() {
    return this.block("ids");
  }

  column(number) {
    return this.block(`column-${number}`);
  }

  names(number) {
    return this.json(`names-${number}`);
  }

  finding(name) {
    return this.json(`finding-${name}`);
  }

  // [{row, distance}], nearest first; empty where the page was written without neighbours.
  async neighbours(row) {
    const { num_neighbours: k } = this.facts;
    if (!k) return [];
    const rows = new Uint32Array(await this.block("neighbour-rows"));
    const distances = new Float32Array(await this.block("neighbour-distances"));
    return Array.from({ length: k }, (_, i) => ({ row: rows[row * k + i], distance: distances[row * k + i] }));
  }

  // Where a row's picture is: {key, open} of a sheet, and x, y, width, height on it; null where it has none.
  async picture(row) {
    const { sprites } = this.facts;
    if (!sprites) return null;
    const cell = new Int32Array(await this.block("sprite-cells"))[row];
    if (cell < 0) return null;
    const sizes = new Uint16Array(await this.block("sprite-sizes"));
    const [width, height] = [sizes[row * 2], sizes[row * 2 + 1]];
    const [sheet, at] = [Math.floor(cell / sprites.cells_per_sheet), cell % sprites.cells_per_sheet];
    const open = async () => new Blob([await this.raw(`sheet-${sheet}`)], { type: sprites.type });
    const x = sprites.px * (at % sprites.columns) + Math.floor((sprites.px - width) / 2);
    const y = sprites.px * Math.floor(at / sprites.columns) + Math.floor((sprites.px - height) / 2);
    return { key: sheet, open, x, y, width, height };
  }
}

// served.js, where the page has it, defines `ServedSource` on the window before this runs.
function makeSource(facts) {
  return facts.served ? new window.ServedSource(facts) : new FileSource(facts);
}
