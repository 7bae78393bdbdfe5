import { api } from '../api/client';
import type { Scenario, Status, Target } from '../api/types';
import { shareLook } from './palette';
import { resource, type Resource } from './resource.svelte';

/** What every page needs to know of the server, asked for once. */
export interface Server {
  readonly status: Resource<Status>;
  readonly targets: Target[];
  readonly scenarios: Scenario[];
  /** Whether this reader may start, stop, delete and silence. */
  readonly mayOperate: boolean;
  reload(): void;
}

/** Asks for as long as the component that calls this lives. */
export function server(): Server {
  const status = resource((signal) => api.status(signal), {
    // Sooner while something is wrong, so that it is seen when that is over.
    refreshMs: (status) => (status?.store.problem ? 3_000 : 10_000),
  });
  const targets = resource(async (signal) => {
    const { items } = await api.targets(signal);
    // In the order of the settings, so that each model keeps its colour from page to page.
    for (const { name, model } of items) shareLook(name, model);
    return items;
  });
  const scenarios = resource(async (signal) => (await api.scenarios(signal)).items);
  return {
    status,
    get targets() {
      return targets.data ?? [];
    },
    get scenarios() {
      return scenarios.data ?? [];
    },
    get mayOperate() {
      return status.data?.role === 'operator' || status.data?.role === 'admin';
    },
    reload() {
      for (const one of [status, targets, scenarios]) one.reload();
    },
  };
}
