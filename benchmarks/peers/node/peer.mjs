// What the Node peers share: the same as python/peer.py, line for line in meaning.
// A peer is a class with the static field `package` and the methods prepare, enqueue, unfinished and work.

import { openSync, readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";

const log = openSync(process.env.PEER_LOG, "a");

// One line of 32 bytes, so that the harness counts lines by the file's size.
function note(what, number) {
  const now = process.hrtime.bigint();
  writeSync(log, `${what} ${String(number).padStart(8)} ${String(now).padStart(20)}\n`);
}

// The job: S when it starts; one that takes time also says E when it ends.
export async function handle({ number, seconds }) {
  note("S", number);
  if (seconds) {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    note("E", number);
  }
}

export async function main(Peer) {
  const [role, store, options] = process.argv.slice(2);
  const peer = new Peer(store, JSON.parse(options));
  console.log = console.error; // what the tool prints must not get among the answers
  const answer = (fields) => writeSync(1, JSON.stringify(fields) + "\n");
  if (role === "client") {
    for await (const line of createInterface({ input: process.stdin })) {
      answer(await obey(peer, Peer, JSON.parse(line)));
    }
    process.exit(0);
  }
  process.stdin.resume().on("end", () => process.exit(0)); // the harness is gone
  answer({ ready: true });
  await peer.work();
}

async function obey(peer, Peer, request) {
  switch (request.do) {
    case "prepare":
      await peer.prepare();
      return { version: version(Peer.package) };
    case "enqueue": {
      const jobs = Array.from({ length: request.jobs }, (_, index) => ({
        number: request.first + index,
        seconds: request.seconds,
      }));
      const begun = process.hrtime.bigint();
      await peer.enqueue(jobs);
      return { begun_ns: Number(begun) };
    }
    case "unfinished":
      return { unfinished: await peer.unfinished() };
    default:
      throw new Error(`no request ${request.do}`);
  }
}

function version(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
}
