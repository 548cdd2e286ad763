// Which node is connected to: the one that the application names, one that a node sends this client to, or, when that does
// not answer, another one.

// Nodes that send a client on disagree about where it belongs; one that is asked not to speaks for the client instead.
const MOST_REDIRECTS = 3;

// A node that has a session is tried as often before others are: most connections break without their node.
const PATIENT_WITH_HOME = 2;

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
  // Where the session is.
  #home: string | undefined;
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

  // Where the session goes on.
  get home(): Target {
    return { url: this.#home ?? this.#current, redirects: 0 };
  }

  // A session has begun at the target; `nodes` are others that it names.
  welcomed(nodes: readonly string[]): void {
    this.#told = nodes;
    this.#home = this.#current;
    this.answered();
    this.#redirects = 0;
  }

  // The session goes on.
  answered(): void {
    this.#unanswered = 0;
    this.#current = this.#home ?? this.#current;
  }

  // A node sends this client on; false if that has been so too often.
  redirected(url: string): boolean {
    if (this.#redirects >= MOST_REDIRECTS) return false;
    this.#redirects += 1;
    this.#current = url;
    return true;
  }

  // Nobody was there. Whether to begin anew at the target, which is another node then, instead of going on with the session
  // that there may be at home.
  unanswered(resuming: boolean): boolean {
    // Without a network nobody answers, and that says nothing about nodes.
    if (!this.#options.online()) return false;
    this.#unanswered += 1;
    if (!resuming) this.#home = undefined;
    // Whoever sent this client to where nobody is does not know better yet.
    if (this.#redirects > 0) this.#redirects = MOST_REDIRECTS;
    const spare = resuming && this.#unanswered < PATIENT_WITH_HOME;
    // What has a session is tried again between any two others.
    const turn = !resuming || this.#unanswered % 2 === 0;
    if (spare || !turn) return false;
    return this.#next();
  }

  #next(): boolean {
    const all = [...new Set([...this.#options.given, ...this.#told, ...(this.#home ? [this.#home] : [])])];
    const others = all.filter((url) => url !== this.#home);
    const after = others.indexOf(this.#current) + 1;
    const next = others[after % others.length];
    if (next === undefined) return false;
    this.#current = next;
    return true;
  }
}
