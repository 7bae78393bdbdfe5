import type { Alert, AlertDelivery, AlertRule, Silence } from '../../src/api/types.ts';

const MINUTE = 60_000;

export const RULES: readonly AlertRule[] = [
  {
    name: 'HighLatency',
    metric: 'e2e_p95',
    comparison: 'above',
    threshold: 2,
    unit: 's',
    window_seconds: 300,
    for_seconds: 300,
    group_by: ['model'],
    severity: 'critical',
    summary: 'E2E latency p95 of {model} is {value}, above {threshold}',
  },
  {
    name: 'ErrorRate',
    metric: 'error_rate',
    comparison: 'above',
    threshold: 0.01,
    unit: 'share',
    window_seconds: 300,
    for_seconds: 120,
    group_by: ['model', 'region'],
    severity: 'warning',
    summary: '{value} of requests to {model} in {region} fail',
  },
  {
    name: 'CostThresholdExceeded',
    metric: 'cost_per_hour',
    comparison: 'above',
    threshold: 100,
    unit: 'usd_per_hour',
    window_seconds: 3_600,
    for_seconds: 60,
    group_by: [],
    severity: 'critical',
    summary: 'Requests cost {value}',
  },
  {
    name: 'NoTraffic',
    metric: 'no_traffic',
    comparison: 'equal',
    threshold: 0,
    unit: 'requests_per_second',
    window_seconds: 600,
    for_seconds: 0,
    group_by: ['model'],
    severity: 'warning',
    summary: 'No request to {model} has ended for 10 minutes',
  },
];

/** The alerts of the mock and the silences that are laid on them. */
export class Alerts {
  readonly #silences: Silence[] = [];
  readonly #start: number;

  constructor(start: number) {
    this.#start = start;
  }

  list(): Alert[] {
    const at = (minutesAgo: number) => new Date(this.#start - minutesAgo * MINUTE).toISOString();
    const alerts: Alert[] = [
      {
        id: 'a-1',
        rule: 'HighLatency',
        severity: 'critical',
        state: 'firing',
        labels: { model: 'llama-3.3-70b' },
        value: 2.84,
        threshold: 2,
        unit: 's',
        since: at(17),
        resolved_at: null,
        summary: 'E2E latency p95 of llama-3.3-70b is 2.84 s, above 2 s',
        silenced_until: null,
        silence_id: null,
      },
      {
        id: 'a-2',
        rule: 'ErrorRate',
        severity: 'warning',
        state: 'pending',
        labels: { model: 'gpt-4o-mini', region: 'us-west-2' },
        value: 0.0164,
        threshold: 0.01,
        unit: 'share',
        since: at(1),
        resolved_at: null,
        summary: '1.64 % of requests to gpt-4o-mini in us-west-2 fail',
        silenced_until: null,
        silence_id: null,
      },
      {
        id: 'a-3',
        rule: 'NoTraffic',
        severity: 'warning',
        state: 'resolved',
        labels: { model: 'smollm2-135m' },
        value: 0,
        threshold: 0,
        unit: 'requests_per_second',
        since: at(480),
        resolved_at: at(441),
        summary: 'No request to smollm2-135m has ended for 10 minutes',
        silenced_until: null,
        silence_id: null,
      },
    ];
    return alerts.map((alert) => {
      const silence = this.#silenceOf(alert);
      return { ...alert, silenced_until: silence?.until ?? null, silence_id: silence?.id ?? null };
    });
  }

  /** One receiver knows what fires, and one is out of reach. */
  deliveries(): AlertDelivery[] {
    const at = (secondsAgo: number) => new Date(this.#start - secondsAgo * 1_000).toISOString();
    const labels = { alertname: 'HighLatency' };
    return [
      {
        receiver: 'on-call',
        labels,
        known: 0,
        told_at: null,
        failures: 6,
        failed_at: at(40),
        retry_at: at(-80),
        error: 'https://hooks.example.com: cannot connect: Connection refused',
      },
      {
        receiver: 'team-channel',
        labels,
        known: 1,
        told_at: at(16 * 60),
        failures: 0,
        failed_at: null,
        retry_at: null,
        error: null,
      },
    ];
  }

  endSilence(id: string): void {
    const place = this.#silences.findIndex((silence) => silence.id === id);
    if (place >= 0) this.#silences.splice(place, 1);
  }

  silence(matchers: string[], until: string, comment: string): Silence {
    const silence = { id: `s-${this.#silences.length + 1}`, matchers, until, comment };
    this.#silences.push(silence);
    return silence;
  }

  #silenceOf(alert: Alert): Silence | undefined {
    const valueOf = (name: string) => (name === 'alertname' ? alert.rule : alert.labels[name]);
    return this.#silences.find(({ matchers }) =>
      matchers.every((matcher) => {
        const [, name = '', value] = /^(\w+)="(.*)"$/.exec(matcher) ?? [];
        return valueOf(name) === value;
      }),
    );
  }
}
