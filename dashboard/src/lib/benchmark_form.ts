import type { Arrivals, BenchmarkRequest, Slo } from '../api/types';

/** What stands in the form, as it was typed. */
export interface FormValues {
  name: string;
  models: string[];
  scenarios: string[];
  loadKind: 'users' | 'rate';
  users: string;
  rates: string;
  endKind: 'duration' | 'requests';
  durationSeconds: string;
  requests: string;
  rampUpSeconds: string;
  maxTokens: string;
  seed: string;
  arrivals: Arrivals;
  burstiness: string;
  ttftMs: string;
  tpotMs: string;
  e2eMs: string;
  labels: string;
}

export type Field = keyof FormValues;
export type FieldErrors = Partial<Record<Field, string>>;

export const BLANK: FormValues = {
  name: '',
  models: [],
  scenarios: ['short_queries'],
  loadKind: 'users',
  users: '8',
  rates: '5',
  endKind: 'duration',
  durationSeconds: '60',
  requests: '1000',
  rampUpSeconds: '',
  maxTokens: '',
  seed: '',
  arrivals: 'poisson',
  burstiness: '',
  ttftMs: '',
  tpotMs: '',
  e2eMs: '',
  labels: '',
};

/** The request that the values make, or what is wrong with them by field. */
export function requestOf(
  values: FormValues,
): { request: BenchmarkRequest } | { errors: FieldErrors } {
  const errors: FieldErrors = {};
  const whole = (field: Field, least: number) => single(values, field, errors, least, true);
  const real = (field: Field, least: number) => single(values, field, errors, least, false);

  if (values.models.length === 0) errors.models = 'Choose at least one model.';
  if (values.scenarios.length === 0) errors.scenarios = 'Choose at least one scenario.';
  const byUsers = values.loadKind === 'users';
  const loads = byUsers
    ? list(values, 'users', errors, true)
    : list(values, 'rates', errors, false);
  const byTime = values.endKind === 'duration';
  const duration = byTime ? required(values, 'durationSeconds', errors, real) : undefined;
  const count = byTime ? undefined : required(values, 'requests', errors, whole);
  const slo = sloOf(real);
  const labels = labelsOf(values.labels, errors);
  const rampUp = real('rampUpSeconds', 0);
  const maxTokens = whole('maxTokens', 1);
  const seed = whole('seed', 0);
  const burstiness = !byUsers && values.arrivals === 'gamma' ? real('burstiness', 1e-6) : undefined;
  if (Object.keys(errors).length > 0) return { errors };

  const load = loads.length === 1 ? (loads[0] as number) : loads;
  return {
    request: withoutNone({
      models: values.models,
      test_scenarios: values.scenarios,
      concurrent_users: byUsers ? load : undefined,
      request_rate: byUsers ? undefined : load,
      arrivals: byUsers ? undefined : values.arrivals,
      burstiness,
      duration_seconds: duration,
      num_requests: count,
      name: values.name.trim() || undefined,
      ramp_up_seconds: rampUp,
      max_tokens: maxTokens,
      seed,
      slo,
      labels,
    }),
  };
}

/** What a benchmark calls each of its models. */
export function modelNames(request: BenchmarkRequest): string[] {
  return request.models.map((model) => (typeof model === 'string' ? model : model.name));
}

/** The values that make `request` again. */
export function valuesOf(request: BenchmarkRequest): FormValues {
  const text = (value: number | undefined) => (value === undefined ? '' : String(value));
  const seconds =
    request.duration_seconds ??
    (request.duration_minutes === undefined ? undefined : request.duration_minutes * 60);
  return {
    ...BLANK,
    name: request.name ?? '',
    // The form names targets; servers that were described are for the API.
    models: request.models.filter((model) => typeof model === 'string'),
    scenarios: request.test_scenarios,
    loadKind: request.request_rate === undefined ? 'users' : 'rate',
    users: [request.concurrent_users ?? BLANK.users].flat().join(', '),
    rates: [request.request_rate ?? BLANK.rates].flat().join(', '),
    endKind: request.num_requests === undefined ? 'duration' : 'requests',
    durationSeconds: text(seconds) || BLANK.durationSeconds,
    requests: text(request.num_requests) || BLANK.requests,
    rampUpSeconds: text(request.ramp_up_seconds),
    maxTokens: text(request.max_tokens),
    seed: text(request.seed),
    arrivals: request.arrivals ?? BLANK.arrivals,
    burstiness: text(request.burstiness),
    ttftMs: text(request.slo?.ttft_ms),
    tpotMs: text(request.slo?.tpot_ms),
    e2eMs: text(request.slo?.e2e_ms),
    labels: Object.entries(request.labels ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(', '),
  };
}

/** Runs a request makes: each model with each scenario under each load. */
export function runsOf(request: BenchmarkRequest): number {
  const loads = [request.concurrent_users ?? request.request_rate ?? []].flat().length;
  return request.models.length * request.test_scenarios.length * loads;
}

/** How long it takes at least, in seconds; null where only the servers' speed decides. */
export function secondsOf(request: BenchmarkRequest): number | null {
  const each = request.duration_seconds ?? (request.duration_minutes ?? NaN) * 60;
  return Number.isNaN(each) ? null : runsOf(request) * each;
}

const FIELDS: Record<string, Field> = {
  name: 'name',
  models: 'models',
  test_scenarios: 'scenarios',
  concurrent_users: 'users',
  request_rate: 'rates',
  duration_seconds: 'durationSeconds',
  duration_minutes: 'durationSeconds',
  num_requests: 'requests',
  ramp_up_seconds: 'rampUpSeconds',
  max_tokens: 'maxTokens',
  seed: 'seed',
  arrivals: 'arrivals',
  burstiness: 'burstiness',
  'slo/ttft_ms': 'ttftMs',
  'slo/tpot_ms': 'tpotMs',
  'slo/e2e_ms': 'e2eMs',
  labels: 'labels',
};

/** The field that a JSON pointer into the body means; undefined where it means none of them. */
export function fieldOf(pointer: string): Field | undefined {
  const parts = pointer.replace(/^#?\//, '').split('/');
  return FIELDS[parts.slice(0, 2).join('/')] ?? FIELDS[parts[0] ?? ''];
}

function parsed(text: string, least: number, isWhole: boolean): number | string {
  const value = Number(text.trim().replaceAll('_', ''));
  if (text.trim() === '' || !Number.isFinite(value)) return `“${text.trim()}” is no number.`;
  if (isWhole && !Number.isInteger(value)) return 'A whole number is needed.';
  if (value < least) return least > 0 && least < 1 ? 'It must be above 0.' : `At least ${least}.`;
  return value;
}

function single(
  values: FormValues,
  field: Field,
  errors: FieldErrors,
  least: number,
  isWhole: boolean,
): number | undefined {
  const text = values[field] as string;
  if (text.trim() === '') return undefined;
  const value = parsed(text, least, isWhole);
  if (typeof value === 'number') return value;
  errors[field] = value;
  return undefined;
}

function required(
  values: FormValues,
  field: Field,
  errors: FieldErrors,
  read: (field: Field, least: number) => number | undefined,
): number | undefined {
  if ((values[field] as string).trim() === '') errors[field] = 'A number is needed.';
  return read(field, 1);
}

/** Numbers with commas between them. */
function list(values: FormValues, field: Field, errors: FieldErrors, isWhole: boolean): number[] {
  const parts = (values[field] as string).split(/[,;\s]+/).filter(Boolean);
  if (parts.length === 0) errors[field] = 'At least one number is needed.';
  const numbers: number[] = [];
  for (const part of parts) {
    const value = parsed(part, isWhole ? 1 : 1e-6, isWhole);
    if (typeof value === 'number') numbers.push(value);
    else errors[field] = value;
  }
  return numbers;
}

function sloOf(real: (field: Field, least: number) => number | undefined) {
  const slo: Slo = withoutNone({
    ttft_ms: real('ttftMs', 1e-6),
    tpot_ms: real('tpotMs', 1e-6),
    e2e_ms: real('e2eMs', 1e-6),
  });
  return Object.keys(slo).length > 0 ? slo : undefined;
}

/** `team=chat, build=7` */
function labelsOf(text: string, errors: FieldErrors): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (const pair of text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)) {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    if (name === undefined || value === undefined) {
      errors.labels = `“${pair}” must have the form name=value.`;
    } else {
      labels[name.trim()] = value.trim();
    }
  }
  return Object.keys(labels).length > 0 ? labels : undefined;
}

/** Leaves out members that say nothing. */
function withoutNone<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
