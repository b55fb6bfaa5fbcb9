//! What outputs that deliver rows to a server count, for whoever shows it. How rows are delivered
//! is for the output.

/// How a server does, as the last attempt says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Rows go through.
    #[default]
    Up,
    /// It is away or busy.
    Down,
    /// It refuses, until somebody mends the configuration.
    Parked,
}

impl Link {
    /// All with their words.
    pub const WORDS: [(&'static str, Self); 3] =
        [("up", Self::Up), ("down", Self::Down), ("parked", Self::Parked)];
}

/// Rows at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Those that the server has acknowledged.
    pub delivered: u64,
    /// Those in the queue or the spool.
    pub waiting: u64,
    /// Packed bytes of those.
    pub waiting_bytes: u64,
    /// Those that were given up, because nothing more fitted or the run ended.
    pub dropped: u64,
    /// Those that the server refuses for good: the dead letters.
    pub refused: u64,
    /// Attempts that failed.
    pub retries: u64,
    /// How the server does.
    pub link: Link,
}

/// Who counts rows while they are delivered, and after.
pub trait CountsRows: Send + Sync {
    /// The counts now.
    fn counts(&self) -> RowCounts;
}
