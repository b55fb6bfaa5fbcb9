//! Named choices that several rooms share.

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

/// Whether a run can go on without an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Its failure ends the run.
    Required,
    /// Its failure is reported, and the run goes on to exit code 3.
    Optional,
}
