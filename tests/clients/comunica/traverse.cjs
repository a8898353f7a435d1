// For each pair FILE ADDRESS: writes to FILE, as N-Triples, all that Comunica finds at ADDRESS and behind the TREE
// relations that lead on from there. One process for all, since it takes seconds to start.
const { writeFileSync } = require("node:fs");
const { QueryEngineFactory } = require("@comunica/query-sparql-link-traversal");

const CONFIG = require.resolve("@comunica/config-query-sparql-link-traversal/config/config-tree.json");

async function main(words) {
  const engine = await new QueryEngineFactory().create({ configPath: CONFIG });
  for (let at = 0; at < words.length; at += 2) {
    const result = await engine.query("CONSTRUCT WHERE { ?s ?p ?o }", { sources: [words[at + 1]] });
    const { data } = await engine.resultToString(result, "application/n-triples");
    let text = "";
    for await (const piece of data) text += piece;
    writeFileSync(words[at], text);
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
