import { getContext, setContext } from 'svelte';
import type { Server } from './server.svelte';

const KEY = Symbol('server');

export function provideServer(server: Server): void {
  setContext(KEY, server);
}

export function useServer(): Server {
  return getContext<Server>(KEY);
}
