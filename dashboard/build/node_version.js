// Ends with 1 where this Node.js is not one that Vite takes.
const [major, minor] = process.versions.node.split('.').map(Number);
const isTaken = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
if (!isTaken) {
  console.error(`the dashboard takes Node.js 20.19, 22.12 or newer; this is ${process.version}`);
  process.exit(1);
}
