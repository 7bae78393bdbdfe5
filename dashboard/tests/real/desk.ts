import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test as base } from '@playwright/test';
import { Program } from './program';

/** Two simulated models, the second slower, and a rule that the second breaks. */
function configuration(swift: string, steady: string): string {
  return `
[server]
region = "eu-west-1"

[store]
path = "store"
content = true

[targets.swift]
url = "${swift}"
model = "swift"
provider = "sim"
region = "us-east-1"

[targets.steady]
url = "${steady}"
model = "steady"
provider = "sim"
region = "ap-south-1"

[alerts]
interval = "1s"
usual_rules = false

[[alerts.rules]]
name = "SlowAnswers"
metric = "e2e_p95"
above = "150ms"
window = "5m"
for = "0s"
group_by = ["model"]
severity = "critical"
`;
}

function model(name: string, ttft: string, itl: string, folder: string): Promise<Program> {
  const timing = ['--ttft', ttft, '--itl', itl, '--output-tokens', '16'];
  return Program.start(['sim', '--port', '0', '--models', name, ...timing], folder);
}

/** Tests of a `prony serve` that lives as long as its worker; pages open relative to it. */
export const test = base.extend<{ complaints: string[] }, { server: Program }>({
  server: [
    async ({}, use) => {
      const folder = await mkdtemp(join(tmpdir(), 'prony-dashboard-'));
      const started: Program[] = [];
      const keep = (program: Program): Program => {
        started.unshift(program);
        return program;
      };
      try {
        const swift = keep(await model('swift', 'lognormal(40ms,0.3)', 'uniform(3ms,7ms)', folder));
        const steady = keep(await model('steady', 'lognormal(90ms,0.2)', '8ms', folder));
        await writeFile(join(folder, 'prony.toml'), configuration(swift.url, steady.url));
        const serve = ['serve', '--config', 'prony.toml', '--port', '0'];
        await use(keep(await Program.start(serve, folder)));
      } finally {
        for (const program of started) await program.stop();
        await rm(folder, { recursive: true, force: true });
      }
    },
    { scope: 'worker' },
  ],
  baseURL: ({ server }, use) => use(server.url),
  // What the browser complains of fails a test: an error, or something the policy forbids.
  complaints: [
    async ({ context }, use) => {
      const complaints: string[] = [];
      context.on('weberror', (error) => complaints.push(String(error.error())));
      context.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect } from '@playwright/test';
