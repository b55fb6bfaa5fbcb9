//! Named choices that several rooms share.

use std::time::Duration;

/// What a queue does with a new item when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The sender waits: nothing is lost, a slow consumer slows the producer.
    Block,
    /// The new item is dropped: what waits keeps its place.
    DropNewest,
    /// The item that has waited longest is dropped: the consumer sees the newest.
    DropOldest,
}

/// Which frames of a live source are processed when there is no time for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LivePolicy {
    /// The newest.
    #[default]
    Latest,
    /// All that wait for no longer than this.
    Bounded(Duration),
    /// All, however late.
    All,
}

/// Whether a run can go on without an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Its failure ends the run.
    Required,
    /// Its failure is reported, and the run goes on to exit code 3.
    Optional,
}
