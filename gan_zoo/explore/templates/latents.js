"use strict";
/* Latents in the browser: arrays of numbers, of parts {distribution, size, low, high}. */
const Latents = (() => {
  // mulberry32, a generator of 32 bits of state, by Tommy Ettinger (public domain).
  const seeded = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

  const DRAWS = {
    uniform: (part, random) => Array.from({ length: part.size }, () => part.low + random() * (part.high - part.low)),
    normal: (part, random) => Array.from({ length: part.size }, () => normal(random)),
    truncated_normal: (part, random) => Array.from({ length: part.size }, () => {
      for (;;) {
        const value = normal(random);
        if (value >= part.low && value <= part.high) return value;
      }
    }),
    categorical(part, random) {
      const chosen = Math.floor(random() * part.size);
      return Array.from({ length: part.size }, (_, place) => Number(place === chosen));
    },
  };

  /* A latent of these parts; equal for equal seeds. */
  const draw = (parts, seed) => {
    const random = seeded(seed);
    return parts.flatMap((part) => DRAWS[part.distribution](part, random));
  };

  const greatCircle = (first, second, share) => {
    const sum = (a, b) => a.reduce((total, value, place) => total + value * b[place], 0);
    const angle = Math.acos(Math.max(-1, Math.min(1, sum(first, second) / Math.sqrt(sum(first, first) * sum(second, second)))));
    if (Math.sin(angle) < 1e-6) return line(first, second, share);
    return first.map((value, place) => (Math.sin((1 - share) * angle) * value + Math.sin(share * angle) * second[place]) / Math.sin(angle));
  };

  const line = (first, second, share) => first.map((value, place) => value + share * (second[place] - value));

  /* The latent at a share of the way between two: on a great circle for normal parts, on a line for others. */
  const interpolate = (parts, first, second, share) => {
    let start = 0;
    return parts.flatMap((part) => {
      const [from, to] = [first, second].map((latent) => latent.slice(start, start + part.size));
      start += part.size;
      return (part.distribution === "normal" ? greatCircle : line)(from, to, share);
    });
  };

  /* A latent with multiples of directions added, within the bounds of its parts. */
  const shift = (parts, latent, directions, amounts) => {
    const limits = parts.flatMap((part) => Array(part.size).fill(part.distribution === "normal" ? [-Infinity, Infinity] : [part.low, part.high]));
    return latent.map((value, place) => {
      const moved = value + directions[0][place] * amounts[0] + directions[1][place] * amounts[1];
      return Math.max(limits[place][0], Math.min(limits[place][1], moved));
    });
  };

  return { draw, interpolate, shift };
})();
