// The functions of twgl.js that pages/explorer/scatter.js calls; esbuild leaves the rest out.
export {
  createBufferInfoFromArrays,
  createProgramInfo,
  drawBufferInfo,
  setAttribInfoBufferFromArray,
  setBuffersAndAttributes,
  setUniforms,
} from "twgl.js";
