// Media on other ways than UDP over IPv4 to the port that all share.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { expectFullMeeting, type StatsEntry, Visitor } from "../support/visitor";

interface Pair {
  local: StatsEntry | undefined;
  remote: StatsEntry | undefined;
}

// The pair of candidates that a transport's media takes.
function selectedPair(reports: StatsEntry[]): Pair {
  const byId = (id: unknown): StatsEntry | undefined => reports.find((entry) => entry.id === id);
  const transport = reports.find(({ type }) => type === "transport");
  const pair = byId(transport?.selectedCandidatePairId);
  return { local: byId(pair?.localCandidateId), remote: byId(pair?.remoteCandidateId) };
}

// Three people meet; all of their media takes the way that `check` is shown.
async function meet(
  browser: Parameters<typeof Visitor.arrive>[0],
  hall: Hall,
  params: Record<string, string>,
  check: (pair: Pair) => void,
): Promise<[Visitor, Visitor, Visitor]> {
  const arrive = (peer: string): Promise<Visitor> =>
    Visitor.arrive(browser, hall, { room: "way", peer, params });
  const visitors: [Visitor, Visitor, Visitor] = [
    await arrive("peer1"),
    await arrive("peer2"),
    await arrive("peer3"),
  ];
  await expectFullMeeting(visitors);
  for (const visitor of visitors) {
    const { send, recv } = await visitor.reports();
    for (const reports of [send, recv]) check(selectedPair(reports));
  }
  return visitors;
}

const WAYS: {
  name: string;
  settings: Record<string, string | number>;
  params: Record<string, string>;
  check: (pair: Pair) => void;
}[] = [
  {
    name: "over TCP alone",
    settings: {},
    params: { forceTcp: "true" },
    check: ({ local, remote }) => {
      expect(remote?.protocol).toBe("tcp");
      expect(local?.protocol).toBe("tcp");
    },
  },
  {
    name: "over IPv6 alone",
    settings: { "http.listen_ip": "::1" },
    params: {},
    check: ({ remote }) => {
      expect(remote?.address).toMatch(/^\[?::1\]?$/);
      expect(remote?.protocol).toBe("udp");
    },
  },
  {
    name: "over TCP and IPv6",
    settings: { "http.listen_ip": "::1" },
    params: { forceTcp: "true" },
    check: ({ remote }) => {
      expect(remote?.address).toMatch(/^\[?::1\]?$/);
      expect(remote?.protocol).toBe("tcp");
    },
  },
  {
    name: "under a host name",
    settings: { "rtc.announced_ip": "localhost" },
    params: {},
    // While names are looked up, either protocol may be the first to stand.
    check: ({ remote }) => expect(["tcp", "udp"]).toContain(remote?.protocol),
  },
  {
    name: "with a port for every transport",
    settings: { "rtc.mode": "port-per-transport", "rtc.ports_per_worker": 40 },
    params: {},
    check: ({ remote }) => expect(remote?.protocol).toBe("udp"),
  },
];

let hall: Hall | undefined;

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of Visitor.present) await visitor.close();
  await hall?.stop();
  hall = undefined;
});

for (const { name, settings, params, check } of WAYS) {
  test(`people see and hear each other ${name}`, async ({ browser }) => {
    hall = await Hall.open(1, settings);
    const visitors = await meet(browser, hall, params, check);
    const ports = new Set<unknown>();
    for (const visitor of visitors) {
      const { send, recv } = await visitor.reports();
      for (const reports of [send, recv]) ports.add(selectedPair(reports).remote?.port);
    }
    expect(ports.size).toBe(settings["rtc.mode"] === "port-per-transport" ? 6 : 1);
  });
}
