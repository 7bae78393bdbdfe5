import type { Problem } from '../api/problem';
import type { RequestContent } from '../api/types';

/** One text of a request, with who wrote it. */
export interface Part {
  title: string;
  text: string;
}

const ROLES: Record<string, string> = {
  system: 'System',
  user: 'User',
  assistant: 'Assistant, earlier',
  tool: 'Tool result',
};

/** What was asked and answered, in the order in which it was said. */
export function partsOf(content: RequestContent): Part[] {
  const prompt = content.prompt.map(({ role, content: text }) => ({
    title: role === null ? 'Prompt' : (ROLES[role] ?? role),
    text,
  }));
  const reasoning = content.reasoning ? [{ title: 'Reasoning', text: content.reasoning }] : [];
  const calls = content.tool_calls.map(({ name, arguments: text }) => ({
    title: `Calls ${name}`,
    text,
  }));
  // A model that only calls tools says nothing; one that does neither shows that it did not.
  const isSilent = content.answer === '' && calls.length > 0;
  const answer = isSilent ? [] : [{ title: 'Answer', text: content.answer }];
  return [...prompt, ...reasoning, ...answer, ...calls];
}

/** Whether there is nothing to read for this reader, which is no fault and not to be tried again. */
export function isWithheld(problem: Problem): boolean {
  return problem.status === 403 || problem.kind === 'content-not-kept';
}
