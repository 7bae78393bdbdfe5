import type { Scenario, Target } from '../../src/api/types.ts';
import { availabilityOf } from './availability.ts';

/** How a simulated model behaves. */
export interface Profile {
  model: string;
  provider: string;
  region: string;
  /** Time to first token of a lone request. */
  ttftMs: number;
  /** Time per further token of a lone request. */
  tpotMs: number;
  /** Users at which latencies have doubled. */
  knee: number;
  errorShare: number;
  usdPerMtok: number | null;
}

export const PROFILES: readonly Profile[] = [
  {
    model: 'llama-3.3-70b',
    provider: 'vllm',
    region: 'us-east-1',
    ttftMs: 182,
    tpotMs: 21,
    knee: 48,
    errorShare: 0.002,
    usdPerMtok: 0.71,
  },
  {
    model: 'qwen3-8b',
    provider: 'vllm',
    region: 'eu-central-1',
    ttftMs: 64,
    tpotMs: 9.4,
    knee: 110,
    errorShare: 0.0008,
    usdPerMtok: 0.12,
  },
  {
    model: 'gpt-4o-mini',
    provider: 'openai',
    region: 'us-west-2',
    ttftMs: 310,
    tpotMs: 13.5,
    knee: 400,
    errorShare: 0.006,
    usdPerMtok: 0.6,
  },
  {
    model: 'smollm2-135m',
    provider: 'engine',
    region: 'ap-southeast-1',
    ttftMs: 38,
    tpotMs: 7.2,
    knee: 12,
    errorShare: 0,
    usdPerMtok: null,
  },
];

export const TARGETS: readonly Target[] = PROFILES.map((profile, place) => ({
  name: profile.model,
  provider: profile.provider,
  model: profile.model,
  url_host:
    { openai: 'api.openai.com', engine: null, vllm: `gpu-${place + 1}.internal:8000` }[
      profile.provider
    ] ?? null,
  region: profile.region,
  labels: { team: place % 2 ? 'search' : 'chat' },
  availability: availabilityOf(profile.model, place)?.windows.at(-1) ?? null,
}));

export const SCENARIOS: readonly Scenario[] = [
  { name: 'short_queries', description: 'Questions of one or two sentences', prompts: 75_600 },
  { name: 'long_documents', description: 'Documents of 2,000 tokens to sum up', prompts: 4_210 },
  {
    name: 'code_generation',
    description: 'Functions to write from their description',
    prompts: 1_138,
  },
];

export const VANTAGES = ['us-east-1', 'eu-west-1', 'ap-northeast-1'] as const;

export function profileOf(model: string): Profile {
  const profile = PROFILES.find((candidate) => candidate.model === model);
  if (!profile) throw new Error(`the mock has no model ${model}`);
  return profile;
}
