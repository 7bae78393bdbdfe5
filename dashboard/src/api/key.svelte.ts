const STORAGE = 'prony.key';

let key = $state(sessionStorage.getItem(STORAGE) ?? '');
let wanted = $state(false);

/** The API key of this tab, forgotten when the tab closes. */
export const apiKey = {
  get value(): string {
    return key;
  },
  /** Whether the server refused the key there is, so that another must be entered. */
  get wanted(): boolean {
    return wanted;
  },
  refused(): void {
    wanted = true;
  },
  enter(value: string): void {
    key = value;
    wanted = false;
    sessionStorage.setItem(STORAGE, value);
  },
  forget(): void {
    key = '';
    sessionStorage.removeItem(STORAGE);
  },
};
