// Which node is connected to: the one that the application names, one that a node sends this client to, or, when that does
// not answer, another one.

// Nodes that send a client on disagree about where it belongs; one that is asked not to speaks for the client instead.
const MOST_REDIRECTS = 3;

export interface Target {
  // The node, as `https://host` or `wss://host`.
  url: string;
  // How often the client goes where it is sent to from now on.
  redirects: number;
}

export interface RouteOptions {
  // Of the application, the first one first.
  given: readonly string[];
  // Whether this machine has a network at all.
  online: () => boolean;
}

export class Route {
  readonly #options: RouteOptions;
  // Of the node that was the last to welcome this client.
  #told: readonly string[] = [];
  #current: string;
  // Through which node the session went on last.
  #home: string | undefined;
  // Through which it is to go on now, while that one does not answer.
  #via: string | undefined;
  #redirects = 0;
  #unanswered = 0;

  constructor(options: RouteOptions) {
    this.#options = options;
    this.#current = options.given[0] ?? "";
  }

  // Where a new session begins.
  get target(): Target {
    return { url: this.#current, redirects: MOST_REDIRECTS - this.#redirects };
  }

  // Where the session goes on: every node of a cluster leads to the one that has it.
  get home(): Target {
    return { url: this.#via ?? this.#home ?? this.#current, redirects: 0 };
  }

  // Whether there is another node to be tried when one does not answer soon.
  get hasOthers(): boolean {
    return this.#others(this.home.url).length > 0;
  }

  // A session has begun at the target; `nodes` are others that it names.
  welcomed(nodes: readonly string[]): void {
    this.#told = nodes;
    this.#home = this.#current;
    this.#via = undefined;
    this.answered();
    this.#redirects = 0;
  }

  // The session goes on, where it was looked for last.
  answered(): void {
    this.#unanswered = 0;
    this.#home = this.#via ?? this.#home;
    this.#via = undefined;
    this.#current = this.#home ?? this.#current;
  }

  // Whoever was asked knows that there is no session any more: another one begins there.
  forgotten(): void {
    this.#current = this.home.url;
    this.#via = undefined;
    this.#home = undefined;
    this.#unanswered = 0;
  }

  // A node sends this client on; false if that has been so too often.
  redirected(url: string): boolean {
    if (this.#redirects >= MOST_REDIRECTS) return false;
    this.#redirects += 1;
    this.#current = url;
    return true;
  }

  // Nobody was there, or whoever was there has fallen silent: another node is next, with the session if it is `resuming`.
  unanswered(resuming: boolean): void {
    // Without a network nobody answers, and that says nothing about nodes.
    if (!this.#options.online()) return;
    // Whoever sent this client to where nobody is does not know better yet.
    if (this.#redirects > 0) this.#redirects = MOST_REDIRECTS;
    if (resuming) {
      const others = this.#others(this.#home);
      // The node that carried it last is tried again between any two others.
      const turn = this.#unanswered % 2 === 0;
      this.#via = turn ? others[(this.#unanswered / 2) % others.length] : undefined;
      this.#unanswered += 1;
      return;
    }
    this.#via = undefined;
    this.#home = undefined;
    const others = this.#others(undefined);
    this.#current = others[(others.indexOf(this.#current) + 1) % others.length] ?? this.#current;
  }

  #others(than: string | undefined): string[] {
    const all = [...this.#options.given, ...this.#told, ...(this.#home ? [this.#home] : [])];
    return [...new Set(all)].filter((url) => url !== than);
  }
}
