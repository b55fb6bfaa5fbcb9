//! A state that changes only when the new one is seen several times in a row.

/// A state with inertia.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    now: bool,
    /// How often in a row the other state was seen.
    run: u32,
}

impl Settled {
    /// In a state from the start.
    pub(super) fn at(now: bool) -> Self {
        Self { now, run: 0 }
    }

    /// The state that counts.
    pub(super) fn now(self) -> bool {
        self.now
    }

    /// What was seen last.
    pub(super) fn last_seen(self) -> bool {
        self.now != (self.run > 0)
    }

    /// Takes what is seen now; whether the state changes with it. It does when the other one is
    /// seen for the `inertia`th time in a row; 0 is as 1.
    pub(super) fn see(&mut self, seen: bool, inertia: u32) -> bool {
        if seen == self.now {
            self.run = 0;
            return false;
        }
        self.run = self.run.saturating_add(1);
        let changes = self.run >= inertia;
        if changes {
            *self = Self::at(seen);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_the_inertia_in_a_row() {
        let mut state = Settled::at(false);
        let seen = [true, true, false, true, true, true, false];
        let changes = seen.map(|seen| state.see(seen, 3));
        assert_eq!(changes, [false, false, false, false, false, true, false]);
        assert!(state.now() && !state.last_seen());
    }
}
