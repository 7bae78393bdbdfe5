import { fileURLToPath } from 'node:url';
import { mockServer } from './server.ts';

const port = Number(process.env.MOCK_PORT ?? 4600);
mockServer(fileURLToPath(new URL('../../dist', import.meta.url))).listen(port, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${port}/full/`);
});
