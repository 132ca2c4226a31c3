// Images to vectors, many images in a request, over gRPC.
//
//     node embed.mjs 127.0.0.1:8001 digits a.png b.jpg ...
//
// Prints a JSON line for each image. The server decodes and resizes: files are sent as they are.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const IMAGES_PER_REQUEST = 32; // the published models take up to 64
const TIMEOUT_MS = 60_000;

const proto = protoLoader.loadSync(fileURLToPath(new URL("inference.proto", import.meta.url)), { longs: Number });
const { GRPCInferenceService } = grpc.loadPackageDefinition(proto).inference;

// One Float32Array for each image file, in order; one bad file refuses the request.
async function embed(infer, model, files) {
  const contents = await Promise.all(files.map((file) => readFile(file)));
  const response = await infer(
    {
      modelName: `${model}_encoded`,
      inputs: [{ name: "image", datatype: "BYTES", shape: [files.length, 1] }],
      rawInputContents: [Buffer.concat(contents.flatMap(withLength))],
    },
    { deadline: Date.now() + TIMEOUT_MS },
  );
  const at = response.outputs.findIndex((output) => output.name === "embedding");
  const [rows, dim] = response.outputs[at].shape;
  const raw = response.rawOutputContents[at];
  const values = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length)); // little-endian
  return Array.from({ length: rows }, (_, row) => values.subarray(row * dim, (row + 1) * dim));
}

// A BYTES element: its length as 4 bytes, little-endian, then itself.
function withLength(bytes) {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return [length, bytes];
}

const [url, model, ...files] = process.argv.slice(2);
const client = new GRPCInferenceService(url, grpc.credentials.createInsecure());
const infer = promisify(client.modelInfer).bind(client);
try {
  for (let first = 0; first < files.length; first += IMAGES_PER_REQUEST) {
    const some = files.slice(first, first + IMAGES_PER_REQUEST);
    const vectors = await embed(infer, model, some);
    some.forEach((image, row) => console.log(JSON.stringify({ image, embedding: Array.from(vectors[row]) })));
  }
} catch (error) {
  console.error(error.details ?? error.message); // names every bad image of the request, and why
  process.exitCode = 1;
} finally {
  client.close();
}
