//! Mistakes that somebody could make here, each of which the simulation must find.

/// One mistake. Without the feature `faults`, which only tests have, none can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the simulation goes through all of them"
)]
pub enum Fault {
    /// A node that was found dead stays in the rooms that it had parts of.
    DeadPartsStay,
    /// A link that lives does not keep a node alive whose lease was missed.
    IgnoreLinks,
    /// A registry that has forgotten everything is not told again.
    KeepSilentAfterLoss,
    /// A home that somebody else has claimed since goes on as one.
    KeepLostHome,
    /// Changes are applied although one before them is missing.
    LoseGap,
    /// What came while a snapshot was fetched is applied to it, also what is in it already.
    ReplayWaiting,
    /// A part that the registry does not know of any more is not asked about.
    SkipAbsent,
    /// Nobody compares what he has with what owners say that there is.
    SkipMarks,
    /// What an earlier start of a node was the home of, this one believes to be its own.
    SkipNodeEpoch,
    /// A registry that has forgotten everything is believed at once.
    SkipSettling,
    /// Who was asleep decides for whole rooms until somebody tells it that its lease has ended.
    TrustOldLease,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::DeadPartsStay,
        Self::IgnoreLinks,
        Self::KeepSilentAfterLoss,
        Self::KeepLostHome,
        Self::LoseGap,
        Self::ReplayWaiting,
        Self::SkipAbsent,
        Self::SkipMarks,
        Self::SkipNodeEpoch,
        Self::SkipSettling,
        Self::TrustOldLease,
    ];

    /// Whether this mistake is made in this thread.
    #[cfg(feature = "faults")]
    pub(crate) fn is_planted(self) -> bool {
        PLANTED.with(|planted| planted.get() == Some(self))
    }

    #[cfg(not(feature = "faults"))]
    pub(crate) const fn is_planted(self) -> bool {
        let _ = self;
        false
    }
}

#[cfg(feature = "faults")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// From now on this mistake is made in this thread, and no other one.
#[cfg(feature = "faults")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.with(|planted| planted.set(fault));
}
