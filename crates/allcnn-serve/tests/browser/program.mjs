/** The program under test: trains runs, and serves them. */

import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { deflateSync, crc32 } from "node:zlib";

const PROGRAM = process.env.ALLCNN ?? "target/release/allcnn";

/**
 * Runs the program to its end.
 * @param {string} folder in which it works
 * @param {...string} words
 */
export async function run(folder, ...words) {
  await promisify(execFile)(PROGRAM, words, { cwd: folder });
}

/**
 * Starts the program, to be stopped later.
 * @param {string} folder
 * @param {...string} words
 */
export function start(folder, ...words) {
  const child = spawn(PROGRAM, words, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    child,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/**
 * Serves what is in a folder, and waits for the address.
 * @param {string} folder
 * @param {string} runs
 * @returns {Promise<{base: string, stop: () => Promise<void>}>}
 */
export async function serve(folder, runs) {
  const { child, stop } = start(folder, "serve", runs, "--port", "0", "--no-open");
  let text = "";
  const base = await new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const found = text.match(/http:\/\/127\.0\.0\.1:\d+\//);
      if (found) resolve(found[0]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`allcnn serve ended with ${code}: ${text}`)));
  });
  return { base, stop };
}

/**
 * Waits until something holds, and returns it.
 * @template T
 * @param {string} what is waited for, in words
 * @param {() => Promise<T> | T} probe
 * @param {number} [seconds]
 * @returns {Promise<T>}
 */
export async function until(what, probe, seconds = 60) {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const found = await probe();
    if (found) return found;
  }
  throw new Error(`waited ${seconds} s in vain: ${what}`);
}

/**
 * Writes a picture as PNG.
 * @param {number} size in pixels, of both sides
 * @param {(x: number, y: number) => [number, number, number]} color
 * @returns {Buffer}
 */
export function png(size, color) {
  const row = (/** @type {number} */ y) => Buffer.from([0, ...Array.from({ length: size }, (_, x) => color(x, y)).flat()]);
  const rows = Buffer.concat(Array.from({ length: size }, (_, y) => row(y)));
  const chunk = (/** @type {string} */ name, /** @type {Buffer} */ data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 2], 8);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

/**
 * A disk of one color on another, for a network to look at.
 * @param {number} seed
 */
export function disk(seed) {
  const [x0, y0, radius] = [10 + (seed * 7) % 12, 10 + (seed * 5) % 12, 5 + (seed * 3) % 5];
  return png(32, (x, y) => ((x - x0) ** 2 + (y - y0) ** 2 < radius ** 2 ? [240, 200, 40 + (seed * 31) % 200] : [(seed * 53) % 120, 60, 120]));
}
