use super::*;
use crate::Options;

/// What holds at any moment of a run: everybody is counted once, where he is; nobody is at a node that is known to be gone;
/// what nodes carry is what their rooms come to.
pub(super) fn check(simulation: &Simulation<'_>) {
    let mut peers = vec![0; simulation.nodes.len()];
    for (person, at) in simulation.at.iter().enumerate() {
        if *at == NONE {
            continue;
        }
        peers[*at as usize] += 1;
        let room = simulation.crowd.people[person].room as usize;
        let parts = &simulation.rooms[room].nodes;
        assert!(parts.iter().any(|part| part.node == *at as usize));
    }
    let mut flows = vec![Flow::default(); simulation.nodes.len()];
    let mut sent = 0.0;
    let mut received = 0.0;
    for room in &simulation.rooms {
        assert_eq!(room.parts.len(), room.nodes.len());
        assert_eq!(room.home.is_none(), room.parts.is_empty());
        for (part, at) in room.parts.iter().zip(&room.nodes) {
            assert!(part.peers > 0 && part.publishers <= part.peers);
            assert_eq!(part.node, simulation.world.nodes[at.node].id);
            flows[at.node].add(&at.flow, 1.0);
            sent += at.flow.piped_out;
            received += at.flow.piped_in;
        }
    }
    for ((state, peers), flow) in simulation.nodes.iter().zip(peers).zip(flows) {
        assert_eq!(state.peers, peers);
        assert!(
            (state.flow.work() - flow.work()).abs() < 1e3,
            "{state:?} {flow:?}"
        );
        assert!(peers == 0 || state.health != Health::Judged);
    }
    if simulation.choice != Choice::Policy(Policy::Broadcast) {
        // Every stream that a node takes from another is sent by one.
        assert!(
            (sent - received).abs() <= 1e-6 * sent.max(1e3),
            "{sent} {received}"
        );
    }
}

#[test]
fn everybody_is_somewhere_once_at_every_moment_of_a_day_with_failures() {
    let options = Options {
        nodes: 40,
        users: 3000,
        hours: 3.0,
        ..Options::default()
    };
    let crowd = Crowd::new(&options);
    let world = World::new(40, &crowd, options.seed);
    for choice in Choice::all() {
        let mut simulation = Simulation::new(&world, &crowd, choice, options.seed);
        // Far more goes wrong than in a usual day.
        simulation.faults = (0..30)
            .flat_map(|number: u32| {
                let node = (number * 7 % 40) as usize;
                let at = number * 300_000;
                let kinds = if number.is_multiple_of(2) {
                    [(0, Kind::Fail), (3000, Kind::Judged), (200_000, Kind::Back)].to_vec()
                } else {
                    [(0, Kind::Drain), (290_000, Kind::Back)].to_vec()
                };
                kinds.into_iter().map(move |(after, kind)| Fault {
                    at: at + after,
                    node,
                    kind,
                })
            })
            .collect();
        simulation.faults.sort_by_key(|fault| fault.at);
        let figures = simulation.run(&mut |_| {});
        check(&simulation);
        let arrivals = crowd.arrivals.len() as u64;
        assert_eq!(figures.joins + figures.refused, arrivals);
        assert!(figures.moved_by_failures > 0 && figures.moved_by_drains > 0);
        assert_eq!((figures.failures, figures.drains), (15, 15));
    }
}
