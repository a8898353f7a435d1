// For each trio FILE ADDRESS STATE: writes to FILE, as N-Quads, the members that actor-init finds at ADDRESS and behind
// it. Where STATE is a file it goes on from it; where STATE is not "-" it is written there when everything has been read.
// One process for all, since its command takes seconds to start; its command can keep no state.
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { newEngine } = require("@treecg/actor-init-ldes-client");

// It looks again at pages that may change after this many milliseconds: longer than it takes to read a view.
const PAUSE = 3_600_000;

// Who comes again comes when that time has passed: in the state it is moved to now, for these pages and no others.
function later(state) {
  const now = Date.now();
  const due = (page) => (Date.parse(page.refetchTime) > now + PAUSE ? page : { ...page, refetchTime: new Date(now) });
  const queue = JSON.stringify(JSON.parse(state.bookkeeper.queue).map(due));
  return { ...state, bookkeeper: { ...state.bookkeeper, queue } };
}

async function follow(engine, file, url, state) {
  const keeps = state !== "-";
  const options = { mimeType: "application/n-quads", disableSynchronization: !keeps, emitMemberOnce: true };
  const before = keeps && existsSync(state) ? later(JSON.parse(readFileSync(state, "utf8"))) : null;
  const stream = engine.createReadStream(url, { ...options, pollingInterval: PAUSE, loggingLevel: "warn" }, before);
  let text = "";
  stream.on("data", (member) => (text += member));
  await new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("end", resolve);
    // Everything is read, what may change is not due yet: the moment at which a state can be kept.
    stream.on("synchronizing", () => {
      stream.pause();
      setImmediate(resolve);
    });
  });
  if (keeps) {
    const { memberBuffer, ...rest } = stream.exportState();
    text += JSON.parse(memberBuffer).join("");
    writeFileSync(state, JSON.stringify({ ...rest, memberBuffer: "[]" }));
    stream.destroy();
  }
  writeFileSync(file, text);
}

async function main(words) {
  const engine = newEngine();
  for (let at = 0; at < words.length; at += 3) await follow(engine, ...words.slice(at, at + 3));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
