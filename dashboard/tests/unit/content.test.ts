import { describe, expect, test } from 'vitest';
import { Problem } from '../../src/api/problem';
import type { RequestContent } from '../../src/api/types';
import { isWithheld, partsOf } from '../../src/lib/content';

function content(change: Partial<RequestContent>): RequestContent {
  return {
    request_id: '00000000000000ab-0',
    prompt: [{ role: 'user', content: 'Why?' }],
    answer: 'So.',
    reasoning: '',
    tool_calls: [],
    is_cut: false,
    ...change,
  };
}

describe('what was asked and answered', () => {
  test('stands in the order in which it was said', () => {
    const all = content({
      prompt: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Why?' },
        { role: 'critic', content: 'Hm.' },
      ],
      reasoning: 'Let me see.',
      tool_calls: [{ name: 'look', arguments: '{"at": 1}' }],
    });
    expect(partsOf(all).map(({ title, text }) => `${title}: ${text}`)).toEqual([
      'System: Be brief.',
      'User: Why?',
      'critic: Hm.',
      'Reasoning: Let me see.',
      'Answer: So.',
      'Calls look: {"at": 1}',
    ]);
  });

  test('a prompt without roles is one text', () => {
    const [first] = partsOf(content({ prompt: [{ role: null, content: 'Once upon' }] }));
    expect(first).toEqual({ title: 'Prompt', text: 'Once upon' });
  });

  test('an empty answer is shown as one, unless tools were called instead', () => {
    const titles = (change: Partial<RequestContent>) =>
      partsOf(content({ answer: '', ...change })).map(({ title }) => title);
    expect(titles({})).toEqual(['User', 'Answer']);
    expect(titles({ tool_calls: [{ name: 'look', arguments: '{}' }] })).toEqual([
      'User',
      'Calls look',
    ]);
  });
});

describe('what cannot be read', () => {
  const refused = (status: number, type: string) =>
    Problem.from(new Response(JSON.stringify({ type, detail: 'No' }), { status }));

  test.each([
    [403, 'urn:prony:problem:forbidden', true],
    [404, 'urn:prony:problem:content-not-kept', true],
    [404, 'urn:prony:problem:not-found', false],
    [500, 'urn:prony:problem:store', false],
  ])('%d %s is withheld: %s', async (status, type, withheld) => {
    expect(isWithheld(await refused(status, type))).toBe(withheld);
  });

  test('a refusal that is no problem document has no kind', async () => {
    const problem = await Problem.from(new Response('<html>', { status: 502 }));
    expect([problem.kind, isWithheld(problem)]).toEqual(['', false]);
  });
});
