// Columns of the table, decoded when they are first asked for.
//
// A category is a code a row and the names of the codes; the code after the last name says that the cell is empty.
// Numbers are float64 with NaN for empty, dates milliseconds since 1970, texts one string with NUL between the cells.

const EMPTY_CELL = "\u0001";
const CODES = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };

class Texts {
  constructor(buffer) {
    this.text = new TextDecoder().decode(buffer);
    this.starts = startsOf(this.text);
  }

  at(row) {
    const text = this.text.slice(this.starts[row], this.starts[row + 1] - 1);
    return text === EMPTY_CELL ? "" : text;
  }

  // Marks the rows whose cell contains `wanted` (lower case) with 1.
  find(wanted, marks) {
    if (!this.lower) {
      this.lower = this.text.toLowerCase();
      this.lowerStarts = this.lower.length === this.text.length ? this.starts : startsOf(this.lower);
    }
    const { lower, lowerStarts } = this;
    const numRows = lowerStarts.length - 1;
    for (let row = 0, at = lower.indexOf(wanted); at !== -1 && row < numRows; at = lower.indexOf(wanted, lowerStarts[row])) {
      while (lowerStarts[row + 1] <= at) row++;
      marks[row++] = 1;
    }
  }
}

function startsOf(text) {
  const starts = [0];
  for (let at = text.indexOf("\0"); at !== -1; at = text.indexOf("\0", at + 1)) starts.push(at + 1);
  starts.push(text.length + 1);
  return Int32Array.from(starts);
}

class Columns {
  constructor(source, facts) {
    this.source = source;
    this.facts = facts;
    this.loading = new Map();
    this.loaded = [];
  }

  get all() {
    return this.facts.columns;
  }

  numberOf(name) {
    return this.all.findIndex((column) => column.name === name);
  }

  // The number of a column that can be coloured by, by its name; `otherwise` where there is none.
  colourOf(name, otherwise) {
    const number = this.numberOf(name);
    return number >= 0 && canColour(this.all[number]) ? number : otherwise;
  }

  // One that could not be read is asked for again the next time.
  load(number) {
    if (!this.loading.has(number)) {
      const opened = this.open(number).then((column) => (this.loaded[number] = column));
      this.loading.set(number, opened);
      opened.catch(() => this.loading.delete(number));
    }
    return this.loading.get(number);
  }

  loadAll() {
    return Promise.all(this.all.map((_, number) => this.load(number)));
  }

  async open(number) {
    const { name, kind, bytes } = this.all[number];
    const buffer = await this.source.column(number);
    if (kind === "text") return { name, kind, texts: new Texts(buffer) };
    if (kind === "number" || kind === "date") return { name, kind, values: new Float64Array(buffer) };
    return { name, kind, codes: new CODES[bytes](buffer), names: await this.source.names(number) };
  }

  async ids() {
    this.idTexts ??= new Texts(await this.source.ids());
    return this.idTexts;
  }

  // The cell of a row as text, "" where it is empty, of a column that is loaded.
  text(number, row) {
    return cellText(this.loaded[number], row);
  }
}

const canColour = ({ kind }) => kind !== "text";

function cellText(column, row) {
  if (column.texts) return column.texts.at(row);
  if (column.codes) return column.names[column.codes[row]] ?? "";
  const value = column.values[row];
  if (Number.isNaN(value)) return "";
  return column.kind === "date" ? dateText(value) : String(value);
}

function dateText(value) {
  if (!Number.isFinite(value) || Math.abs(value) > 8.64e15) return String(value);
  return new Date(value).toISOString().replace(/T00:00:00\.000Z$/, "").replace(/\.000Z$/, "Z");
}

// A number for reading: four digits that matter.
function shortNumber(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e7)) return value.toExponential(2);
  return String(Number(value.toPrecision(Math.max(4, Math.ceil(Math.log10(size + 1))))));
}
