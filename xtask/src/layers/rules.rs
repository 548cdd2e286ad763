//! The rules themselves. Arrows of `use` point down only; the reasons stand in ARCHITECTURE.md.

/// What a crate of ours may use of ours, outside its tests.
pub(super) struct Layer {
    pub(super) name: &'static str,
    pub(super) may_use: &'static [&'static str],
}

/// External crates that some of ours must not reach, not even through others.
pub(super) struct Ban {
    pub(super) crates: &'static [&'static str],
    pub(super) never: &'static [&'static str],
    /// Ours behind which it does not count: what they are for.
    pub(super) behind: &'static [&'static str],
    pub(super) reason: &'static str,
}

/// Crates that only tests and benchmarks use.
pub(super) const TEST_ONLY: &[&str] = &["plenum-clusterkit", "plenum-harness", "plenum-testkit"];
/// Those that may use them in their own right, because they never ship.
pub(super) const NEVER_SHIPPED: &[&str] = &["plenum-bench", "plenum-harness"];

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use }
}

/// From the bottom up.
pub(super) const LAYERS: &[Layer] = &[
    // Words and settings that everybody shares.
    layer("plenum-ids", &[]),
    layer("plenum-params", &["plenum-ids"]),
    layer("plenum-api", &["plenum-ids", "plenum-params"]),
    layer("plenum-config", &["plenum-ids", "plenum-params"]),
    layer("plenum-telemetry", &[]),
    // Protocols without I/O.
    layer("plenum-prefetch", &[]),
    layer("plenum-rtp", &[]),
    layer("plenum-bwe", &["plenum-prefetch"]),
    layer("plenum-codec", &["plenum-rtp"]),
    layer("plenum-ice", &[]),
    layer("plenum-dtls", &[]),
    layer("plenum-sctp", &[]),
    layer("plenum-sdp", &["plenum-params"]),
    layer("plenum-srtp", &["plenum-prefetch", "plenum-rtp"]),
    layer(
        "plenum-engine",
        &[
            "plenum-bwe",
            "plenum-codec",
            "plenum-dtls",
            "plenum-ice",
            "plenum-ids",
            "plenum-params",
            "plenum-prefetch",
            "plenum-rtp",
            "plenum-sctp",
            "plenum-srtp",
        ],
    ),
    // The operating system.
    layer("plenum-udp", &[]),
    // Node and worker talk.
    layer("plenum-ipc", &["plenum-ids", "plenum-params"]),
    layer(
        "plenum-worker",
        &[
            "plenum-dtls",
            "plenum-engine",
            "plenum-ids",
            "plenum-ipc",
            "plenum-params",
            "plenum-rtp",
            "plenum-telemetry",
            "plenum-udp",
        ],
    ),
    layer(
        "plenum-supervisor",
        &["plenum-ids", "plenum-ipc", "plenum-params", "plenum-udp"],
    ),
    // Rooms over many nodes: facts and their keeping, decisions, connections.
    layer("plenum-cluster", &["plenum-ids"]),
    layer("plenum-link", &["plenum-ids"]),
    layer("plenum-placement", &["plenum-ids"]),
    layer("plenum-registry", &["plenum-ids"]),
    // Rooms: decisions, then those who carry them out.
    layer(
        "plenum-room",
        &["plenum-api", "plenum-ids", "plenum-ipc", "plenum-params"],
    ),
    layer(
        "plenum-host",
        &[
            "plenum-api",
            "plenum-cluster",
            "plenum-ids",
            "plenum-ipc",
            "plenum-link",
            "plenum-params",
            "plenum-placement",
            "plenum-registry",
            "plenum-room",
            "plenum-supervisor",
        ],
    ),
    // The outside.
    layer("plenum-auth", &["plenum-api", "plenum-ids"]),
    layer(
        "plenum-signal",
        &[
            "plenum-api",
            "plenum-auth",
            "plenum-host",
            "plenum-ids",
            "plenum-params",
            "plenum-room",
            "plenum-sdp",
        ],
    ),
    layer("plenum-console", &["plenum-api", "plenum-ids"]),
    layer(
        "plenum-client",
        &[
            "plenum-codec",
            "plenum-dtls",
            "plenum-ice",
            "plenum-ids",
            "plenum-params",
            "plenum-rtp",
            "plenum-srtp",
            "plenum-udp",
        ],
    ),
    layer("plenum-sim", &["plenum-ids", "plenum-placement"]),
    layer(
        "plenum-load",
        &[
            "plenum-api",
            "plenum-auth",
            "plenum-client",
            "plenum-ids",
            "plenum-udp",
        ],
    ),
    // Composition: everything but the engine, which only a worker runs.
    layer(
        "plenum",
        &[
            "plenum-api",
            "plenum-auth",
            "plenum-cluster",
            "plenum-config",
            "plenum-console",
            "plenum-host",
            "plenum-ids",
            "plenum-link",
            "plenum-load",
            "plenum-params",
            "plenum-placement",
            "plenum-registry",
            "plenum-room",
            "plenum-signal",
            "plenum-sim",
            "plenum-supervisor",
            "plenum-telemetry",
            "plenum-worker",
        ],
    ),
    // Tools.
    layer("plenum-clusterkit", &["plenum-cluster", "plenum-ids"]),
    layer(
        "plenum-testkit",
        &[
            "plenum-codec",
            "plenum-dtls",
            "plenum-ice",
            "plenum-ids",
            "plenum-params",
            "plenum-rtp",
            "plenum-sctp",
            "plenum-srtp",
            "plenum-udp",
        ],
    ),
    layer(
        "plenum-harness",
        &[
            "plenum-codec",
            "plenum-dtls",
            "plenum-engine",
            "plenum-ids",
            "plenum-params",
            "plenum-rtp",
            "plenum-sctp",
            "plenum-testkit",
        ],
    ),
    layer(
        "plenum-bench",
        &[
            "plenum-client",
            "plenum-codec",
            "plenum-dtls",
            "plenum-engine",
            "plenum-harness",
            "plenum-ice",
            "plenum-ids",
            "plenum-ipc",
            "plenum-params",
            "plenum-rtp",
            "plenum-srtp",
            "plenum-supervisor",
            "plenum-testkit",
            "plenum-udp",
            "plenum-worker",
        ],
    ),
    layer("xtask", &["plenum-api"]),
];

/// External crates, judged over the whole graph.
pub(super) const BANS: &[Ban] = &[
    Ban {
        crates: &[
            "plenum-api",
            "plenum-cluster",
            "plenum-codec",
            "plenum-dtls",
            "plenum-engine",
            "plenum-ice",
            "plenum-ids",
            "plenum-ipc",
            "plenum-params",
            "plenum-placement",
            "plenum-room",
            "plenum-rtp",
            "plenum-srtp",
            "plenum-udp",
            "plenum-worker",
        ],
        never: &["axum", "hyper", "redis", "tokio"],
        behind: &[],
        reason: "protocols, decisions and the media worker are synchronous",
    },
    Ban {
        crates: &["plenum-host", "plenum-supervisor"],
        never: &["axum", "hyper", "redis"],
        behind: &["plenum-registry"],
        reason: "HTTP belongs to plenum-signal, Redis to plenum-registry, which others know by its traits",
    },
    Ban {
        crates: &["plenum-signal"],
        never: &["redis"],
        behind: &["plenum-registry"],
        reason: "edges only translate; the cluster's state is behind the registry",
    },
    Ban {
        crates: &[
            "plenum-bwe",
            "plenum-codec",
            "plenum-engine",
            "plenum-ice",
            "plenum-ids",
            "plenum-params",
            "plenum-rtp",
            "plenum-srtp",
        ],
        never: &["mio", "rustix", "socket2"],
        behind: &[],
        reason: "sans-IO crates open no sockets and files",
    },
];
