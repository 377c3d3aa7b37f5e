"use strict";
/* Generators in the browser. A tensor is {values, height, width, channels}, the channel fastest; a vector has 1 x 1. */
const Network = (() => {
  const bytes = (text) => {
    const decoded = atob(text), found = new Uint8Array(decoded.length);
    for (let place = 0; place < found.length; place++) found[place] = decoded.charCodeAt(place);
    return found;
  };

  // float16 has 5 bits of exponent and 10 of fraction.
  const half = (bits) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits & 0x8000 ? -size : size;
  };

  const halves = (content) => {
    const view = new DataView(content.buffer), values = new Float32Array(content.length / 2);
    for (let place = 0; place < values.length; place++) values[place] = half(view.getUint16(2 * place, true));
    return values;
  };

  const singles = (content) => {
    const view = new DataView(content.buffer), values = new Float32Array(content.length / 4);
    for (let place = 0; place < values.length; place++) values[place] = view.getFloat32(4 * place, true);
    return values;
  };

  /* The layers of an exported network, with their arrays in place of references. */
  const load = ({ layers, kernels, vectors }) => {
    const stores = { kernel: halves(bytes(kernels)), bias: singles(bytes(vectors)) };
    stores.scale = stores.shift = stores.bias;
    const resolve = (layer) => {
      const found = { ...layer };
      for (const name in stores) if (layer[name]) found[name] = stores[name].subarray(layer[name][0], layer[name][0] + layer[name][1]);
      if (layer.layers) found.layers = layer.layers.map(resolve);
      return found;
    };
    return layers.map(resolve);
  };

  const tensor = (height, width, channels) => ({ values: new Float32Array(height * width * channels), height, width, channels });

  // Four sums, because each addition waits for the one before it in the same sum.
  const dot = (a, from, b, start, count) => {
    let first = 0, second = 0, third = 0, fourth = 0, place = 0;
    for (; place + 3 < count; place += 4) {
      first += a[from + place] * b[start + place];
      second += a[from + place + 1] * b[start + place + 1];
      third += a[from + place + 2] * b[start + place + 2];
      fourth += a[from + place + 3] * b[start + place + 3];
    }
    for (; place < count; place++) first += a[from + place] * b[start + place];
    return first + second + third + fourth;
  };

  const fillWithBias = (output, bias) => {
    if (bias) for (let at = 0; at < output.values.length; at += bias.length) output.values.set(bias, at);
  };

  const OPERATIONS = {
    linear({ kernel, bias, outputs }, input) {
      const output = tensor(1, 1, outputs), inputs = input.channels;
      for (let unit = 0; unit < outputs; unit++) {
        output.values[unit] = dot(input.values, 0, kernel, unit * inputs, inputs) + (bias ? bias[unit] : 0);
      }
      return output;
    },

    conv({ kernel, bias, outputs, size, stride, padding, groups }, { values, height, width, channels }) {
      const side = (length) => Math.floor((length + 2 * padding - size) / stride) + 1;
      const output = tensor(side(height), side(width), outputs), inputs = channels / groups, members = outputs / groups;
      fillWithBias(output, bias);
      for (let y = 0; y < output.height; y++) for (let x = 0; x < output.width; x++) for (let ky = 0; ky < size; ky++) {
        const row = y * stride + ky - padding;
        if (row < 0 || row >= height) continue;
        for (let kx = 0; kx < size; kx++) {
          const column = x * stride + kx - padding;
          if (column < 0 || column >= width) continue;
          const from = (row * width + column) * channels, tap = (ky * size + kx) * outputs, to = (y * output.width + x) * outputs;
          for (let map = 0; map < outputs; map++) {
            output.values[to + map] += dot(values, from + Math.floor(map / members) * inputs, kernel, (tap + map) * inputs, inputs);
          }
        }
      }
      return output;
    },

    conv_transpose({ kernel, bias, outputs, size, stride, padding, output_padding }, { values, height, width, channels }) {
      const side = (length) => (length - 1) * stride - 2 * padding + size + output_padding;
      const output = tensor(side(height), side(width), outputs);
      fillWithBias(output, bias);
      for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) for (let ky = 0; ky < size; ky++) {
        const row = y * stride + ky - padding;
        if (row < 0 || row >= output.height) continue;
        for (let kx = 0; kx < size; kx++) {
          const column = x * stride + kx - padding;
          if (column < 0 || column >= output.width) continue;
          const from = (y * width + x) * channels, tap = (ky * size + kx) * outputs, to = (row * output.width + column) * outputs;
          for (let map = 0; map < outputs; map++) output.values[to + map] += dot(values, from, kernel, (tap + map) * channels, channels);
        }
      }
      return output;
    },

    affine({ scale, shift }, input) {
      const { values } = input, channels = scale.length;
      for (let place = 0; place < values.length; place++) values[place] = values[place] * scale[place % channels] + (shift ? shift[place % channels] : 0);
      return input;
    },

    standardize({ eps }, input) {
      const { values } = input;
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length + eps);
      for (let place = 0; place < values.length; place++) values[place] = (values[place] - mean) / deviation;
      return input;
    },

    leaky_relu({ slope }, input) {
      const { values } = input;
      for (let place = 0; place < values.length; place++) if (values[place] < 0) values[place] *= slope;
      return input;
    },

    tanh: (_, input) => ({ ...input, values: input.values.map(Math.tanh) }),

    sigmoid: (_, input) => ({ ...input, values: input.values.map((value) => 1 / (1 + Math.exp(-value))) }),

    upsample({ factor }, { values, height, width, channels }) {
      const output = tensor(height * factor, width * factor, channels);
      for (let y = 0; y < output.height; y++) for (let x = 0; x < output.width; x++) {
        const from = (Math.floor(y / factor) * width + Math.floor(x / factor)) * channels;
        output.values.set(values.subarray(from, from + channels), (y * output.width + x) * channels);
      }
      return output;
    },

    // Cuts where the padding is negative.
    pad({ left, right, top, bottom }, { values, height, width, channels }) {
      const output = tensor(height + top + bottom, width + left + right, channels);
      for (let y = Math.max(0, -top); y < Math.min(height, output.height - top); y++) for (let x = Math.max(0, -left); x < Math.min(width, output.width - left); x++) {
        const from = (y * width + x) * channels;
        output.values.set(values.subarray(from, from + channels), ((y + top) * output.width + x + left) * channels);
      }
      return output;
    },

    // torch's vectors of maps have the channel slowest.
    unflatten({ height, width }, { values }) {
      const pixels = height * width, output = tensor(height, width, values.length / pixels);
      for (let place = 0; place < values.length; place++) output.values[(place % pixels) * output.channels + Math.floor(place / pixels)] = values[place];
      return output;
    },

    flatten(_, { values, height, width, channels }) {
      const pixels = height * width, output = tensor(1, 1, values.length);
      for (let place = 0; place < values.length; place++) output.values[(place % channels) * pixels + Math.floor(place / channels)] = values[place];
      return output;
    },

    residual({ layers }, input) {
      const change = pass(layers, { ...input, values: input.values.slice() }), values = change.values;
      for (let place = 0; place < values.length; place++) values[place] += input.values[place];
      return change;
    },

    // The mean of the embeddings of classes by their shares, which sum to 1.
    label_concat({ kernel }, { values }, shares) {
      const size = kernel.length / shares.length, output = tensor(1, 1, values.length + size);
      output.values.set(values);
      for (let place = 0; place < size; place++) {
        output.values[values.length + place] = shares.reduce((sum, share, label) => sum + share * kernel[label * size + place], 0);
      }
      return output;
    },
  };

  const pass = (layers, input, shares) => layers.reduce((values, layer) => OPERATIONS[layer.op](layer, values, shares), input);

  /* The image (H, W, C) in [-1, 1] of a latent; of a conditional generator, shares of the classes. */
  const generate = (network, latent, shares) => pass(network, { values: Float32Array.from(latent), height: 1, width: 1, channels: latent.length }, shares);

  /* The pixels of an image, gray or RGB. */
  const pixels = ({ values, height, width, channels }) => {
    const image = new ImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let color = 0; color < 3; color++) image.data[4 * pixel + color] = Math.round((values[pixel * channels + (channels === 3 ? color : 0)] + 1) * 127.5);
      image.data[4 * pixel + 3] = 255;
    }
    return image;
  };

  return { load, generate, pixels };
})();
