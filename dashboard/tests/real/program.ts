import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** The program under test: `PRONY`, or what `cargo build` made last. */
const PRONY = process.env.PRONY ?? new URL('../../../target/debug/prony', import.meta.url).pathname;

/** How long a program may take until it says where it listens. */
const START_MS = 30_000;

/** How long one may take to end when it is asked to. */
const STOP_MS = 10_000;

/** A server of Prony's, as a process of its own. */
export class Program {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  /** Starts it in a folder, and waits until it says where it listens. */
  static async start(args: string[], folder: string): Promise<Program> {
    const process = spawn(PRONY, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const url = await new Promise<string>((resolve, reject) => {
      let said = '';
      const fail = (why: string) =>
        reject(new Error(`prony ${args.join(' ')} ${why}; it said:\n${said}`));
      const late = setTimeout(() => {
        process.kill();
        fail('does not listen');
      }, START_MS);
      process.once('error', (error) => fail(error.message));
      process.once('exit', (code) => fail(`ended with ${code}`));
      process.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const address = /http:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(said);
        if (!address) return;
        clearTimeout(late);
        resolve(address[0]);
      });
    });
    return new Program(process, url);
  }

  /** Asks it to end, and waits until it has: what does not end by itself is ended. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const late = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(late);
  }
}
