// Events with types: what is listened to by name carries what its name promises.

export type Listener<A extends unknown[]> = (...args: A) => void;

export class Emitter<E extends { [K in keyof E]: unknown[] }> {
  readonly #listeners = new Map<keyof E, Set<Listener<never>>>();

  // Calls back until the returned function is called.
  on<K extends keyof E>(name: K, listener: Listener<E[K]>): () => void {
    const known = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, known);
    known.add(listener as Listener<never>);
    return () => known.delete(listener as Listener<never>);
  }

  once<K extends keyof E>(name: K, listener: Listener<E[K]>): () => void {
    const undo = this.on(name, (...args) => {
      undo();
      listener(...args);
    });
    return undo;
  }

  off<K extends keyof E>(name: K, listener: Listener<E[K]>): void {
    this.#listeners.get(name)?.delete(listener as Listener<never>);
  }

  // A listener that throws keeps nobody else from hearing; its error is reported as an uncaught one.
  protected emit<K extends keyof E>(name: K, ...args: E[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as unknown as Listener<E[K]>)(...args);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
