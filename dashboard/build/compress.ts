import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** Files shorter than this fit into a packet as they are. */
const MIN_BYTES = 1_024;

/** Writes a compressed form beside every file that is built, so that no server need compress it. */
export function compress(): Plugin {
  return {
    name: 'compress',
    apply: 'build',
    writeBundle({ dir }, bundle) {
      if (!dir) throw new Error('the pages are built into a folder');
      for (const name of Object.keys(bundle)) {
        const bytes = readFileSync(join(dir, name));
        if (bytes.length < MIN_BYTES) continue;
        writeFileSync(join(dir, `${name}.gz`), gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
