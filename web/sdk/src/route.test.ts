import { describe, expect, it } from "vitest";
import { Route } from "./route.js";

function route(given: string[], online = true): Route {
  return new Route({ given, online: () => online });
}

describe("Route", () => {
  it("goes where a node sends it, a bounded number of times", () => {
    const one = route(["a"]);
    expect(one.target).toEqual({ url: "a", redirects: 3 });
    for (const to of ["b", "c", "d"]) expect(one.redirected(to)).toBe(true);
    expect(one.target).toEqual({ url: "d", redirects: 0 });
    expect(one.redirected("e")).toBe(false);
    expect(one.target.url).toBe("d");
    one.welcomed([]);
    expect(one.target).toEqual({ url: "d", redirects: 3 });
  });

  it("does not let itself be sent on any more when nobody was where it was sent to", () => {
    const one = route(["a"]);
    one.redirected("b");
    one.unanswered(false);
    expect(one.target).toEqual({ url: "a", redirects: 0 });
    one.welcomed([]);
    expect(one.target.redirects).toBe(3);
  });

  it("goes on through other nodes, and tries the one before between any two of them", () => {
    const one = route(["a", "b", "c"]);
    one.welcomed([]);
    expect(one.hasOthers).toBe(true);
    const tried = [0, 1, 2, 3, 4].map(() => {
      one.unanswered(true);
      return one.home.url;
    });
    expect(tried).toEqual(["b", "a", "c", "a", "b"]);
    one.answered();
    expect([one.home.url, one.target.url]).toEqual(["b", "b"]);
    one.unanswered(true);
    expect(one.home.url).toBe("a");
  });

  it("begins anew where nobody knows the session any more", () => {
    const one = route(["a", "b"]);
    one.welcomed([]);
    one.unanswered(true);
    one.forgotten();
    expect(one.target).toEqual({ url: "b", redirects: 3 });
    one.unanswered(false);
    expect(one.target.url).toBe("a");
  });

  it("tries all that it knows when there is no session, one after the other", () => {
    const one = route(["a", "b"]);
    one.welcomed(["b", "c"]);
    const tried = [0, 1, 2, 3].map(() => {
      one.unanswered(false);
      return one.target.url;
    });
    expect(tried).toEqual(["b", "c", "a", "b"]);
  });

  it("has nowhere else to go with a single node, and without a network looks for nothing", () => {
    const alone = route(["a"]);
    alone.welcomed([]);
    expect(alone.hasOthers).toBe(false);
    for (let n = 0; n < 4; n += 1) alone.unanswered(n % 2 === 0);
    expect([alone.home.url, alone.target.url]).toEqual(["a", "a"]);
    const offline = route(["a", "b"], false);
    offline.welcomed([]);
    for (let n = 0; n < 4; n += 1) offline.unanswered(true);
    expect(offline.home.url).toBe("a");
  });
});
