import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import type { BenchmarkRequest, RequestContent, RequestDetail, Role } from '../../src/api/types.ts';
import { modelNames } from '../../src/lib/benchmark_form.ts';
import { Alerts, RULES } from './alerts.ts';
import { benchmarkOf, Benchmarks, firstEntries, type Entry } from './benchmarks.ts';
import { INTERVAL_MS, SNAPSHOT_WINDOWS, windowAt } from './live.ts';
import { rollups } from './rollups.ts';
import { distributionOf, heatmapOf, resourcesOf, timelineOf } from './views.ts';
import { availabilityOf } from './availability.ts';
import { PROFILES, SCENARIOS, TARGETS } from './world.ts';

/** The key that opens the world `locked`. */
export const KEY = 'prony-test-key';

/** How long the live feed of the world `flaky` lasts, and how long it is then refused. */
const FLAKY_MS = 1_500;

/**
 * What a world holds. The first part of an address chooses it, so that one server shows every
 * state: `/full/`, `/changing/` (the same, for tests that change it), `/empty/`, `/locked/`,
 * `/viewer/`, `/flaky/`, whose live feed is lost now and then, and `/broken/`, where every question fails.
 */
class World {
  readonly benchmarks: Benchmarks;
  readonly alerts: Alerts;
  readonly name: string;
  readonly role: Role;
  /** Until when the live feed is refused. */
  refusedUntil = 0;

  constructor(name: string, now: number) {
    this.name = name;
    this.role = name === 'viewer' ? 'viewer' : 'operator';
    this.benchmarks = new Benchmarks(this.isEmpty ? [] : firstEntries(now));
    this.alerts = new Alerts(now);
  }

  get isEmpty(): boolean {
    return this.name === 'empty';
  }
}

class Refusal extends Error {
  readonly status: number;
  readonly hint: string;
  readonly errors: { pointer: string; detail: string }[];
  readonly kind: string;

  constructor(
    status: number,
    detail: string,
    hint: string,
    errors: Refusal['errors'] = [],
    kind = 'refusal',
  ) {
    super(detail);
    this.status = status;
    this.hint = hint;
    this.errors = errors;
    this.kind = kind;
  }
}

const WORLDS = ['full', 'changing', 'empty', 'locked', 'viewer', 'flaky', 'broken', 'stuck'];

/** Serves the built pages of `dist` and the contract's answers under each world's path. */
export function mockServer(dist: string): Server {
  const now = Date.now();
  const worlds = new Map(WORLDS.map((name) => [name, new World(name, now)]));
  return createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    const [, first = '', ...rest] = url.pathname.split('/');
    const world = worlds.get(first);
    if (!world) {
      response.writeHead(302, { Location: '/full/' }).end();
      return;
    }
    const path = rest.join('/');
    const answered = path.startsWith('api/v1/')
      ? answer(world, path.slice('api/v1/'.length).split('/'), url.searchParams, request, response)
      : page(dist, path, response);
    answered.catch((error: unknown) => refuse(response, error));
  });
}

async function page(dist: string, path: string, response: ServerResponse): Promise<void> {
  const file = join(dist, normalize(`/${path || 'index.html'}`));
  const types: Record<string, string> = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
  };
  const body = await readFile(file).catch(() => {
    throw new Refusal(404, `There is no ${path}.`, 'Run `npm run build` first.');
  });
  response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream' });
  response.end(body);
}

async function answer(
  world: World,
  path: string[],
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (world.name === 'broken') {
    throw new Refusal(
      503,
      'The store is being recovered.',
      'Wait until `prony serve` logs that it is ready.',
    );
  }
  if (world.name === 'locked' && request.headers.authorization !== `Bearer ${KEY}`) {
    throw new Refusal(401, 'A key is needed.', 'Enter an API key.');
  }
  if (path[0] === 'live') {
    if (Date.now() < world.refusedUntil) {
      throw new Refusal(503, 'The live feed is not there yet.', 'The page asks again by itself.');
    }
    live(world, response);
    return;
  }
  const [status, body] = await resource(world, path, query, request);
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(body === null ? undefined : JSON.stringify(body));
}

async function resource(
  world: World,
  [kind, id, part, last]: string[],
  query: URLSearchParams,
  request: IncomingMessage,
): Promise<[number, unknown]> {
  const now = Date.now();
  if (request.method !== 'GET' && world.role === 'viewer') {
    throw new Refusal(403, 'A viewer may not change anything.', 'Use a key of an operator.');
  }
  switch (kind) {
    case 'status':
      return [200, statusOf(world, now)];
    case 'targets':
      return [200, { items: world.isEmpty ? [] : TARGETS }];
    case 'availability':
      return [
        200,
        {
          items: world.isEmpty
            ? []
            : PROFILES.flatMap(({ model }, place) => availabilityOf(model, place) ?? []),
        },
      ];
    case 'scenarios':
      return [200, { items: SCENARIOS }];
    case 'rollups':
      return [200, world.isEmpty ? emptyRollups(query) : rollups(query)];
    case 'alerts':
      return [
        200,
        world.isEmpty
          ? { items: [], deliveries: [] }
          : { items: world.alerts.list(), deliveries: world.alerts.deliveries() },
      ];
    case 'alert-rules':
      return [200, { items: world.isEmpty ? [] : RULES }];
    case 'silences': {
      if (request.method === 'DELETE') {
        world.alerts.endSilence(id ?? '');
        return [204, null];
      }
      const { matchers, until, comment } = await bodyOf(request);
      return [201, world.alerts.silence(matchers, until, comment)];
    }
    case 'benchmarks': {
      if (id === undefined) return await benchmarkList(world, query, request, now);
      const entry = world.benchmarks.find(id);
      if (!entry) throw new Refusal(404, `There is no benchmark ${id}.`, 'Look at the list.');
      return benchmarkPart(world, entry, part, last, query, request, now);
    }
    default:
      throw new Refusal(404, 'There is no such resource.', 'See /docs.');
  }
}

function statusOf(world: World, now: number) {
  return {
    version: '0.1.0',
    started_at: new Date(now - 5_400_000).toISOString(),
    uptime_seconds: 5_400,
    store: {
      records: world.isEmpty ? 0 : 1_284_311,
      bytes: 311_427_072,
      path_hint: 'store',
      waiting: world.name === 'stuck' ? 8_192 : 0,
      problem:
        world.name === 'stuck' ? 'cannot write store/log/000000000007.log: no space left' : null,
    },
    auth: world.name === 'locked' ? 'key' : 'none',
    role: world.role,
  };
}

function emptyRollups(query: URLSearchParams) {
  return { step_seconds: Number(query.get('step_seconds')), times_unix_ms: [], series: [] };
}

async function benchmarkList(
  world: World,
  query: URLSearchParams,
  request: IncomingMessage,
  now: number,
): Promise<[number, unknown]> {
  if (request.method === 'POST') {
    const body = (await bodyOf(request)) as BenchmarkRequest;
    check(body);
    const entry = world.benchmarks.start(body, String(request.headers['idempotency-key']), now);
    return [202, benchmarkOf(entry, now)];
  }
  const [status, model, scenario] = ['status', 'model', 'scenario'].map((name) => query.get(name));
  const items = world.benchmarks
    .list(now)
    .filter((item) => !status || item.status === status)
    .filter((item) => !model || modelNames(item.request).includes(model))
    .filter((item) => !scenario || item.request.test_scenarios.includes(scenario));
  return [200, paged(items, query)];
}

function check(body: BenchmarkRequest): void {
  const unknown = modelNames(body).find(
    (model) => !TARGETS.some((target) => target.name === model),
  );
  if (unknown) {
    throw new Refusal(
      422,
      'The benchmark cannot be started.',
      'Correct the fields that are marked.',
      [{ pointer: '/models', detail: `there is no target ${unknown}` }],
    );
  }
  if ((body.max_tokens ?? 1) > 100_000) {
    throw new Refusal(
      422,
      'The benchmark cannot be started.',
      'Correct the fields that are marked.',
      [{ pointer: '/max_tokens', detail: 'at most 100,000' }],
    );
  }
}

function benchmarkPart(
  world: World,
  entry: Entry,
  part: string | undefined,
  last: string | undefined,
  query: URLSearchParams,
  request: IncomingMessage,
  now: number,
): [number, unknown] {
  const { benchmarks } = world;
  if (request.method === 'DELETE') {
    benchmarks.remove(entry);
    return [204, null];
  }
  if (part === undefined) return [200, benchmarkOf(entry, now)];
  if (part === 'cancel') {
    benchmarks.cancel(entry, now);
    return [202, benchmarkOf(entry, now)];
  }
  const done = benchmarks.done(entry, now);
  if (part === 'results') {
    const runs = done.map((plan) => benchmarks.summary(plan));
    return [200, { id: entry.id, status: benchmarkOf(entry, now).status, runs }];
  }
  if (part === 'content') return [200, contentOf(world, entry, last)];
  if (part === 'records') return [200, recordsOf(world, entry, last, query, now)];
  const plan = done[Number(query.get('run') ?? 0)];
  if (!plan) throw new Refusal(404, 'This run has not ended.', 'Wait for its end.');
  const requests = benchmarks.requests(plan);
  const metric = query.get('metric') ?? 'ttft';
  if (part === 'timeline') return [200, timelineOf(plan, requests)];
  if (part === 'resources') return [200, resourcesOf(plan, timelineOf(plan, requests))];
  if (part === 'distribution') {
    return [200, distributionOf(requests, metric as 'ttft' | 'tpot' | 'itl' | 'e2e')];
  }
  if (part === 'heatmap') return [200, heatmapOf(plan, requests, metric as 'ttft' | 'itl')];
  throw new Refusal(404, `A benchmark has no ${part}.`, 'See /docs.');
}

function contentOf(world: World, entry: Entry, requestId: string | undefined): RequestContent {
  if (world.role === 'viewer') {
    throw new Refusal(403, "the key's role is viewer", 'use a key whose role is operator or more');
  }
  if (entry.id !== 'b-doubtful') {
    throw new Refusal(
      404,
      'prompts and answers of this request were not asked to be kept',
      'create a benchmark with `"store_content": true`',
      [],
      'content-not-kept',
    );
  }
  return {
    request_id: requestId ?? '',
    prompt: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Is <b>this</b> bold & why?' },
    ],
    answer: 'No. It is a text. '.repeat(400),
    reasoning: '',
    tool_calls: [],
    is_cut: true,
  };
}

function recordsOf(
  world: World,
  entry: Entry,
  requestId: string | undefined,
  query: URLSearchParams,
  now: number,
): unknown {
  const run = query.get('run');
  const all = world.benchmarks
    .done(entry, now)
    .filter((plan) => run === null || plan.index === Number(run))
    .flatMap((plan) => world.benchmarks.requests(plan));
  if (requestId !== undefined) {
    const found = all.find((request) => request.request_id === requestId);
    if (!found) throw new Refusal(404, 'There is no such request.', 'Look at the list.');
    return found;
  }
  const outcome = query.get('outcome');
  const wanted = all.filter(({ error }) => !outcome || (outcome === 'failed') === (error !== null));
  const key = { '-ttft': 'ttft_ms', '-e2e': 'e2el_ms' }[query.get('sort') ?? ''] as
    'ttft_ms' | 'e2el_ms' | undefined;
  if (key) wanted.sort((a, b) => (b[key] ?? -1) - (a[key] ?? -1));
  return paged(wanted.map(withoutChunks), query);
}

function withoutChunks({ chunk_ns: _, chunk_lag_ns: __, ...record }: RequestDetail) {
  return record;
}

function paged<T>(items: T[], query: URLSearchParams) {
  const from = Number(query.get('cursor') ?? 0);
  const to = from + Number(query.get('limit') ?? 50);
  return { items: items.slice(from, to), next_cursor: to < items.length ? String(to) : null };
}

function live(world: World, response: ServerResponse): void {
  const running = () => {
    const now = Date.now();
    const ids = world.benchmarks.list(now).filter(({ status }) => status === 'running');
    return ids.flatMap(({ id }) => world.benchmarks.find(id) ?? []);
  };
  const frame = (event: string, data: unknown) =>
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const windowOf = (at: number) => {
    const window = windowAt(at, running());
    return world.isEmpty ? { ...window, series: [] } : window;
  };
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const now = Date.now();
  const past = Array.from({ length: SNAPSHOT_WINDOWS }, (_, place) =>
    windowOf(now - (SNAPSHOT_WINDOWS - place) * INTERVAL_MS),
  );
  frame('snapshot', { windows: past });
  const timer = setInterval(() => frame('window', windowOf(Date.now())), INTERVAL_MS);
  if (world.name === 'flaky') {
    setTimeout(() => {
      world.refusedUntil = Date.now() + FLAKY_MS;
      response.end();
    }, FLAKY_MS);
  }
  response.on('close', () => clearInterval(timer));
}

async function bodyOf(request: IncomingMessage) {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString());
}

function refuse(response: ServerResponse, error: unknown): void {
  const refusal =
    error instanceof Refusal
      ? error
      : new Refusal(500, String(error), 'This is a fault of the mock.');
  response.writeHead(refusal.status, { 'Content-Type': 'application/problem+json' });
  response.end(
    JSON.stringify({
      type: `urn:prony:problem:${refusal.kind}`,
      title: refusal.message,
      status: refusal.status,
      detail: refusal.message,
      hint: refusal.hint,
      errors: refusal.errors,
    }),
  );
}
