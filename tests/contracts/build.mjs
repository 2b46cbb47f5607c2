// Compiles one Solidity file to an artifact that is the same bytes on every machine.
//
//   node tests/contracts/build.mjs SOURCE.sol OUTPUT.json
//
// OUTPUT (`-`: standard output) holds `abi` and `bytecode` of the contract named as the file.
// The compiler comes from tests/node (`npm install` there), or from ZEPHYRUS_TEST_NODE, a folder
// that holds `node_modules`.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

const settings = {
  evmVersion: "paris", // what py-evm runs too: no PUSH0
  metadata: { appendCBOR: false, bytecodeHash: "none" }, // nothing of the machine in the bytecode
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};

function compiler() {
  const home = resolve(process.env.ZEPHYRUS_TEST_NODE ?? join(here, "..", "node"));
  return createRequire(join(home, "package.json"))("solc");
}

function compile(source) {
  const name = basename(source);
  const input = {
    language: "Solidity",
    sources: { [name]: { content: readFileSync(source, "utf8") } },
    settings,
  };
  const output = JSON.parse(compiler().compile(JSON.stringify(input)));
  const problems = output.errors ?? [];
  for (const problem of problems) process.stderr.write(problem.formattedMessage);
  if (problems.some((problem) => problem.severity === "error")) process.exit(1);
  const contract = output.contracts[name][basename(source, ".sol")];
  return { abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object };
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

const [source, target] = process.argv.slice(2);
if (!source || !target) {
  process.stderr.write("usage: node build.mjs SOURCE.sol OUTPUT.json\n");
  process.exit(2);
}
const text = JSON.stringify(sorted(compile(source)), null, 2) + "\n";
if (target === "-") process.stdout.write(text);
else writeFileSync(target, text);
