// A trained network in the browser: layers as the program has them, values as [channels, height, width]. The description in
// #network lists the layers; #weights holds their numbers as f16, one after another.
"use strict";

const described = JSON.parse(document.getElementById("network").textContent);

const bytesOf = (id) => Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));

// Numbers of 16 bits as numbers of 32.
function widened(halves) {
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i], exponent = (half >> 10) & 31, fraction = half & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    numbers[i] = half >> 15 ? -size : size;
  }
  return numbers;
}

const weights = widened(new Uint16Array(bytesOf("weights").buffer));
const wasm = new WebAssembly.Instance(new WebAssembly.Module(bytesOf("product"))).exports;
const above = (count, step) => Math.ceil(count / step) * step;

// The memory of the products: the weights of each convolution stay in it, behind them lie the operands.
const memory = {
  end: 0,
  take(count) {
    const at = this.end;
    this.end = at + 4 * above(count, 4);
    const missing = this.end - wasm.memory.buffer.byteLength;
    if (missing > 0) wasm.memory.grow(Math.ceil(missing / 65536));
    return at;
  },
  view: (at, count) => new Float32Array(wasm.memory.buffer, at, count),
};

// a b for a of [rows, depth] in the memory, b of [depth, columns] written by `fill`; rows and columns are filled up.
function product(a, rows, depth, columns, fill) {
  const mark = memory.end, wide = above(columns, 8), tall = above(rows, 4);
  const b = memory.take(depth * wide), c = memory.take(tall * wide);
  const operand = memory.view(b, depth * wide).fill(0);
  fill(operand, wide);
  wasm.product(a, b, c, tall, depth, wide);
  const sums = memory.view(c, tall * wide), out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) out.set(sums.subarray(row * wide, row * wide + columns), row * columns);
  memory.end = mark;
  return out;
}

// Calls `each(tap, window, pixel)` for every pixel of a channel under a tap of a window.
function overWindows({ kernel, stride, padding, input, output }, each) {
  const [height, width] = input, [tall, wide] = output;
  for (let tap = 0; tap < kernel * kernel; tap++) {
    const down = Math.floor(tap / kernel) - padding, across = (tap % kernel) - padding;
    for (let y = 0; y < tall; y++) {
      const row = y * stride + down;
      if (row < 0 || row >= height) continue;
      for (let x = 0; x < wide; x++) {
        const column = x * stride + across;
        if (column >= 0 && column < width) each(tap, y * wide + x, row * width + column);
      }
    }
  }
}

const area = (size) => size[0] * size[1];
const rectified = (slope) => (x) => (x > 0 ? x : slope * x);

// For each kind of layer: how it is prepared, its forward pass, and the way of a signal back to its input.
const kinds = {
  conv: {
    prepare(layer, numbers) {
      const { channels, filters, kernel } = layer, depth = channels * kernel * kernel;
      layer.depth = depth;
      const given = numbers(filters * depth);
      layer.bias = numbers(filters);
      layer.weights = memory.take(above(filters, 4) * depth);
      memory.view(layer.weights, filters * depth).set(given);
      layer.turned = memory.take(above(depth, 4) * filters);
      const turned = memory.view(layer.turned, depth * filters);
      for (let f = 0; f < filters; f++) for (let d = 0; d < depth; d++) turned[d * filters + f] = given[f * depth + d];
    },
    forward(layer, x) {
      const { channels, filters, kernel, input, output, depth, bias } = layer, taps = kernel * kernel;
      const y = product(layer.weights, filters, depth, area(output), (b, wide) => {
        for (let c = 0; c < channels; c++) {
          const plane = x.subarray(c * area(input), (c + 1) * area(input));
          overWindows(layer, (tap, window, pixel) => { b[(c * taps + tap) * wide + window] = plane[pixel]; });
        }
      });
      const pass = rectified(layer.slope);
      for (let i = 0; i < y.length; i++) y[i] = pass(y[i] + bias[Math.floor(i / area(output))]);
      return y;
    },
    back(layer, x, y, signal) {
      const { channels, filters, kernel, input, output, depth } = layer, taps = kernel * kernel;
      const sums = product(layer.turned, depth, filters, area(output), (b, wide) => {
        for (let f = 0; f < filters; f++) b.set(signal.subarray(f * area(output), (f + 1) * area(output)), f * wide);
      });
      const below = new Float32Array(channels * area(input));
      for (let c = 0; c < channels; c++) {
        const plane = below.subarray(c * area(input), (c + 1) * area(input));
        const from = sums.subarray(c * taps * area(output));
        overWindows(layer, (tap, window, pixel) => { plane[pixel] += from[tap * area(output) + window]; });
      }
      return below;
    },
    // Guided backpropagation: positive signals, through active units only.
    gate(layer, y, signal) {
      if (layer.slope === 1) return signal;
      const pass = rectified(layer.slope);
      return signal.map((g, i) => pass(y[i] > 0 ? g : layer.slope * g));
    },
  },
  max: {
    forward(layer, x) {
      const { channels, input, output } = layer, y = new Float32Array(channels * area(output)).fill(-Infinity);
      layer.winners = new Int32Array(y.length).fill(-1);
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => {
          const at = c * area(output) + window, from = c * area(input) + pixel;
          if (layer.winners[at] < 0 || x[from] > y[at]) { y[at] = x[from]; layer.winners[at] = from; }
        });
      }
      return y;
    },
    back(layer, x, y, signal) {
      const below = new Float32Array(x.length);
      signal.forEach((g, i) => { below[layer.winners[i]] += g; });
      return below;
    },
  },
  average: {
    prepare(layer) {
      layer.counts = new Float32Array(area(layer.output));
      overWindows(layer, (_, window) => { layer.counts[window]++; });
    },
    forward(layer, x) {
      const { channels, input, output, counts } = layer, y = new Float32Array(channels * area(output));
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => {
          y[c * area(output) + window] += x[c * area(input) + pixel] / counts[window];
        });
      }
      return y;
    },
    back(layer, x, y, signal) {
      const { channels, input, output, counts } = layer, below = new Float32Array(x.length);
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => {
          below[c * area(input) + pixel] += signal[c * area(output) + window] / counts[window];
        });
      }
      return below;
    },
  },
  norm: {
    forward(layer, x) {
      const { channels, input, output, p } = layer;
      const largest = new Float64Array(channels * area(output)), sums = new Float64Array(largest.length);
      for (let c = 0; c < channels; c++) {
        const each = (use) => overWindows(layer, (_, window, pixel) => {
          use(c * area(output) + window, Math.abs(x[c * area(input) + pixel]));
        });
        each((at, size) => { largest[at] = Math.max(largest[at], size); });
        each((at, size) => { if (largest[at] > 0) sums[at] += (size / largest[at]) ** p; });
      }
      return Float32Array.from(sums, (sum, i) => largest[i] * sum ** (1 / p));
    },
    back(layer, x, y, signal) {
      const { channels, input, output, p } = layer, below = new Float32Array(x.length);
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => {
          const at = c * area(output) + window, from = c * area(input) + pixel;
          if (y[at] > 0) below[from] += signal[at] * (x[from] < 0 ? -1 : 1) * (Math.abs(x[from]) / y[at]) ** (p - 1);
        });
      }
      return below;
    },
  },
  stochastic: { // in testing: sum x^2 / sum x of values of at least 0
    sums(layer, x, of) {
      const { channels, input, output } = layer, sums = new Float64Array(channels * area(output));
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => { sums[c * area(output) + window] += of(x[c * area(input) + pixel]); });
      }
      return sums;
    },
    forward(layer, x) {
      layer.totals = kinds.stochastic.sums(layer, x, (v) => v);
      return Float32Array.from(kinds.stochastic.sums(layer, x, (v) => v * v), (sum, i) => sum / (layer.totals[i] || 1));
    },
    back(layer, x, y, signal) {
      const { channels, input, output, totals } = layer, below = new Float32Array(x.length);
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => {
          const at = c * area(output) + window, from = c * area(input) + pixel;
          if (totals[at] > 0) below[from] += (signal[at] * (2 * x[from] - y[at])) / totals[at];
        });
      }
      return below;
    },
  },
  learned_norm: { // (mean of |x - c|^p)^(1/p), p = 1 + ln(1 + e^rho)
    prepare(layer, numbers) {
      layer.centers = numbers(layer.channels);
      layer.orders = Float64Array.from(numbers(layer.channels), (rho) => 1 + Math.max(rho, 0) + Math.log1p(Math.exp(-Math.abs(rho))));
      kinds.average.prepare(layer);
    },
    forward(layer, x) {
      const { channels, input, output, centers, orders, counts } = layer;
      const largest = new Float64Array(channels * area(output)), sums = new Float64Array(largest.length);
      for (let c = 0; c < channels; c++) {
        const each = (use) => overWindows(layer, (_, window, pixel) => {
          use(c * area(output) + window, Math.abs(x[c * area(input) + pixel] - centers[c]));
        });
        each((at, size) => { largest[at] = Math.max(largest[at], size); });
        each((at, size) => { if (largest[at] > 0) sums[at] += (size / largest[at]) ** orders[c] / counts[at % area(output)]; });
      }
      return Float32Array.from(sums, (sum, i) => largest[i] * sum ** (1 / orders[Math.floor(i / area(output))]));
    },
    back(layer, x, y, signal) {
      const { channels, input, output, centers, orders, counts } = layer, below = new Float32Array(x.length);
      for (let c = 0; c < channels; c++) {
        overWindows(layer, (_, window, pixel) => {
          const at = c * area(output) + window, from = c * area(input) + pixel, away = x[from] - centers[c];
          if (y[at] > 0) {
            below[from] += (signal[at] / counts[window]) * (away < 0 ? -1 : 1) * (Math.abs(away) / y[at]) ** (orders[c] - 1);
          }
        });
      }
      return below;
    },
  },
  maxout: {
    forward(layer, x) {
      const size = area(layer.input), y = new Float32Array(x.length / layer.pieces);
      layer.winners = new Int32Array(y.length);
      for (let i = 0; i < y.length; i++) {
        let best = Math.floor(i / size) * layer.pieces * size + (i % size);
        const first = best;
        for (let piece = 1; piece < layer.pieces; piece++) {
          if (x[first + piece * size] > x[best]) best = first + piece * size;
        }
        y[i] = x[best];
        layer.winners[i] = best;
      }
      return y;
    },
    back: (layer, x, y, signal) => kinds.max.back(layer, x, y, signal),
  },
  probout: { // in testing: sum p z, p = softmax(lambda z) over the pieces
    each(layer, x, use) {
      const size = area(layer.input), { pieces, lambda } = layer;
      for (let i = 0; i < x.length / pieces; i++) {
        const first = Math.floor(i / size) * pieces * size + (i % size);
        const places = Array.from({ length: pieces }, (_, piece) => first + piece * size);
        const largest = Math.max(...places.map((at) => x[at]));
        const weights = places.map((at) => Math.exp(lambda * (x[at] - largest)));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        use(i, places, weights.map((weight) => weight / total));
      }
    },
    forward(layer, x) {
      const y = new Float32Array(x.length / layer.pieces);
      kinds.probout.each(layer, x, (i, places, p) => { y[i] = places.reduce((sum, at, piece) => sum + p[piece] * x[at], 0); });
      return y;
    },
    back(layer, x, y, signal) {
      const below = new Float32Array(x.length);
      kinds.probout.each(layer, x, (i, places, p) => {
        places.forEach((at, piece) => { below[at] = signal[i] * p[piece] * (1 + layer.lambda * (x[at] - y[i])); });
      });
      return below;
    },
  },
  lwta: {
    // Of each group of channels the first of the largest.
    forward(layer, x) {
      const size = area(layer.input), y = new Float32Array(x.length);
      layer.winners = new Int32Array(x.length / layer.size);
      layer.winners.forEach((_, i) => {
        const first = Math.floor(i / size) * layer.size * size + (i % size);
        let best = first;
        for (let at = 1; at < layer.size; at++) {
          if (x[first + at * size] > x[best]) best = first + at * size;
        }
        y[best] = x[best];
        layer.winners[i] = best;
      });
      return y;
    },
    back(layer, x, y, signal) {
      const below = new Float32Array(x.length);
      layer.winners.forEach((winner) => { below[winner] = signal[winner]; });
      return below;
    },
  },
  lrn: {
    // The sum over the channels around each one.
    near(layer, values) {
      const size = area(layer.input), channels = values.length / size, half = (layer.size - 1) / 2;
      return values.map((_, i) => {
        const channel = Math.floor(i / size);
        let sum = 0;
        for (let c = Math.max(0, channel - half); c <= Math.min(channels - 1, channel + half); c++) {
          sum += values[c * size + (i % size)];
        }
        return sum;
      });
    },
    bases: (layer, x) => kinds.lrn.near(layer, x.map((v) => v * v)).map((sum) => layer.k + (layer.alpha / layer.size) * sum),
    forward(layer, x) {
      const bases = kinds.lrn.bases(layer, x);
      return x.map((v, i) => v * bases[i] ** -layer.beta);
    },
    back(layer, x, y, signal) {
      const bases = kinds.lrn.bases(layer, x), factor = (2 * layer.alpha * layer.beta) / layer.size;
      const crossed = kinds.lrn.near(layer, x.map((v, i) => signal[i] * v * bases[i] ** (-layer.beta - 1)));
      return x.map((v, i) => signal[i] * bases[i] ** -layer.beta - factor * v * crossed[i]);
    },
  },
  global_average: {
    forward(layer, x) {
      const size = area(layer.input), y = new Float32Array(x.length / size);
      x.forEach((v, i) => { y[Math.floor(i / size)] += v / size; });
      return y;
    },
    back: (layer, x, y, signal) => x.map((_, i) => signal[Math.floor(i / area(layer.input))] / area(layer.input)),
  },
};

let used = 0;
const numbers = (count) => weights.subarray(used, (used += count));
for (const layer of described.layers) kinds[layer.kind].prepare?.(layer, numbers);
const preprocessing = described.preprocess;
if (preprocessing.method === "gcn-zca") {
  const values = area(described.picture) * 3;
  preprocessing.mean = numbers(values);
  preprocessing.matrix = memory.take(above(values, 4) * values);
  const matrix = memory.view(preprocessing.matrix, values * values);
  for (let i = 0; i < values; i++) { // the upper triangle of a symmetric matrix
    const row = numbers(values - i);
    for (let j = i; j < values; j++) matrix[i * values + j] = matrix[j * values + i] = row[j - i];
  }
}

// From pixels [height, width, 3] of 0 to 255 to the network's input.
function prepared(pixels) {
  const { method, mean, std, scale, matrix } = preprocessing;
  let values = Float32Array.from(pixels, (v) => v / 255);
  if (method === "mean-std") values = values.map((v, i) => (v - mean[i % 3]) / std[i % 3]);
  if (method === "gcn-zca") {
    const middle = pixels.reduce((sum, v) => sum + v, 0) / pixels.length;
    const norm = Math.sqrt(pixels.reduce((sum, v) => sum + (v - middle) ** 2, 0));
    const centered = Float32Array.from(pixels, (v, i) => (norm > 0 ? (scale * (v - middle)) / norm : 0) - mean[i]);
    values = product(matrix, pixels.length, pixels.length, 1, (b, wide) => {
      for (let i = 0; i < centered.length; i++) b[i * wide] = centered[i];
    });
  }
  const [height, width] = described.input, [tall, wide] = described.picture;
  const top = Math.floor((height - tall) / 2), left = Math.floor((width - wide) / 2);
  const input = new Float32Array(3 * height * width);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / 3 / wide) + top, column = (Math.floor(i / 3) % wide) + left;
    input[((i % 3) * height + row) * width + column] = values[i];
  }
  return input;
}

// The probabilities of the classes, and what speaks for the first of them: [height, width, 3], in the network's own coordinates.
function classify(pixels) {
  const outputs = [prepared(pixels)];
  for (const layer of described.layers) outputs.push(kinds[layer.kind].forward(layer, outputs.at(-1)));
  const logits = outputs.at(-1), largest = Math.max(...logits), best = logits.indexOf(largest);
  const powers = Array.from(logits, (x) => Math.exp(x - largest)), total = powers.reduce((sum, x) => sum + x, 0);
  let signal = logits.map((_, i) => (i === best ? 1 : 0));
  for (let at = described.layers.length - 1; at >= 0; at--) {
    const layer = described.layers[at], kind = kinds[layer.kind];
    if (kind.gate) signal = kind.gate(layer, outputs[at + 1], signal);
    signal = kind.back(layer, outputs[at], outputs[at + 1], signal);
  }
  const size = area(described.input);
  const map = Float32Array.from(signal, (_, i) => signal[(i % 3) * size + Math.floor(i / 3)]);
  return { probabilities: powers.map((x) => x / total), best, map };
}

const element = (id) => document.getElementById(id);

// The pixels of a picture in the size of the network: as much of it as the proportions allow.
function pixelsOf(image) {
  const [height, width] = described.picture, canvas = element("picture");
  [canvas.width, canvas.height] = [width, height];
  const scale = Math.max(width / image.width, height / image.height);
  const [across, down] = [width / scale, height / scale];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (image.width - across) / 2, (image.height - down) / 2, across, down, 0, 0, width, height);
  return Array.from(context.getImageData(0, 0, width, height).data).filter((_, i) => i % 4 < 3);
}

// Zero is grey; a color is lighter where it speaks for the class, darker where it speaks against it.
function draw(map) {
  const [height, width] = described.input, canvas = element("map");
  [canvas.width, canvas.height] = [width, height];
  const largest = map.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
  const data = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = 127.5 + (127.5 * map[3 * i + c]) / largest;
    data.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
}

function show({ probabilities, best, map }, milliseconds) {
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
  element("answer").textContent = `${described.classes[best]}: ${(100 * probabilities[best]).toFixed(2)} %`;
  element("others").replaceChildren(...order.slice(1, 5).map((at) => {
    const line = document.createElement("li");
    line.textContent = `${described.classes[at]}: ${(100 * probabilities[at]).toFixed(2)} %`;
    return line;
  }));
  draw(map);
  element("time").textContent = `${milliseconds.toFixed(0)} ms for the answer and the map`;
  Object.assign(element("answer").dataset, { probabilities: JSON.stringify(probabilities), map: JSON.stringify(Array.from(map)) });
}

async function look(source) {
  try {
    const image = await createImageBitmap(await (await fetch(source)).blob(), { colorSpaceConversion: "none" });
    const pixels = pixelsOf(image), began = performance.now();
    show(classify(pixels), performance.now() - began);
  } catch (error) {
    element("answer").textContent = `This cannot be read as a picture (${error.message}): expected PNG, JPEG and the like.`;
  }
}

const file = (files) => { if (files.length > 0) look(URL.createObjectURL(files[0])); };
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => { event.preventDefault(); file(event.dataTransfer.files); });
element("file").addEventListener("change", (event) => file(event.target.files));
// A picture may come with the address: page.html#data:image/png;base64,...
if (location.hash.startsWith("#data:image/")) look(location.hash.slice(1));
