// Media through a TURN server, with the name and password that the node hands out.

import { expect, test } from "@playwright/test";
import { Coturn } from "../support/coturn";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { expectFullMeeting, type StatsEntry, Visitor } from "../support/visitor";

const SECRET = "north";

let coturn: Coturn;
let hall: Hall | undefined;

test.beforeAll(async () => {
  coturn = await Coturn.start(SECRET);
});

test.afterAll(() => coturn?.stop());

test.afterEach(async ({ browserName: _ }, info) => {
  await keepEvidence(info, hall);
  for (const visitor of Visitor.present) await visitor.close();
  await hall?.stop();
  hall = undefined;
});

function candidates(reports: StatsEntry[]): StatsEntry[] {
  return reports.filter(({ type }) => type === "local-candidate");
}

// The candidate of the page that its media leaves by.
function taken(reports: StatsEntry[]): StatsEntry | undefined {
  const transport = reports.find(({ type }) => type === "transport");
  const pair = reports.find(({ id }) => id === transport?.selectedCandidatePairId);
  return reports.find(({ id }) => id === pair?.localCandidateId);
}

for (const protocol of ["udp", "tcp"]) {
  test(`who reaches nothing but the relay over ${protocol} sends and receives`, async ({ browser }) => {
    const turn = `turn:127.0.0.1:${coturn.port}?transport=${protocol}`;
    hall = await Hall.open(1, { "ice.turn": turn, "ice.turn_secret": SECRET });
    const params = { forceTurn: "true" };
    const one = await Visitor.arrive(browser, hall, { room: "relay", peer: "peer1", params });
    const two = await Visitor.arrive(browser, hall, { room: "relay", peer: "peer2" });
    await expectFullMeeting([one, two]);
    const { send, recv } = await one.reports();
    for (const reports of [send, recv]) {
      expect(taken(reports)).toMatchObject({ candidateType: "relay", relayProtocol: protocol });
      for (const { candidateType } of candidates(reports)) expect(candidateType).toBe("relay");
    }
    for (const reports of Object.values(await two.reports()))
      expect(taken(reports)?.candidateType).not.toBe("relay");
    expect(one.errors).toEqual([]);
  });
}
