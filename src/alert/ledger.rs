//! What is said about a receiver, and how often: when it fails for the first time and when it
//! works again, not every time.

/// After so many outages nothing more is said: a receiver that comes and goes must not fill a log.
const MAX_OUTAGES: u32 = 20;

/// What was said so far.
#[derive(Debug)]
pub(super) struct Ledger {
    name: String,
    failing: bool,
    outages: u32,
    told_lost: u64,
}

impl Ledger {
    /// Nothing was said about `name` yet.
    pub(super) fn new(name: String) -> Self {
        Self { name, failing: false, outages: 0, told_lost: 0 }
    }

    /// An attempt failed; what to say about it. `again` is whether there will be another one.
    pub(super) fn failed(&mut self, reason: &str, again: bool) -> Option<String> {
        if self.failing {
            return None;
        }
        self.failing = true;
        self.outages += 1;
        let then = if again { "trying again" } else { "this alert is lost" };
        let last = match self.outages {
            MAX_OUTAGES => "; it fails often, so this is not said any more",
            _ => "",
        };
        (self.outages <= MAX_OUTAGES).then(|| format!("{}: {reason}; {then}{last}", self.name))
    }

    /// An attempt succeeded, and `lost` alerts were lost up to now; what to say about it.
    pub(super) fn delivered(&mut self, lost: u64) -> Option<String> {
        if !std::mem::take(&mut self.failing) || self.outages > MAX_OUTAGES {
            return None;
        }
        let new = lost - self.told_lost.min(lost);
        self.told_lost = lost;
        let lost = match new {
            0 => "no alert was lost".into(),
            1 => "1 alert was lost".into(),
            _ => format!("{new} alerts were lost"),
        };
        Some(format!("{} works again; {lost}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told() {
        let mut ledger = Ledger::new("webhook 'http://host/'".into());
        assert_eq!(ledger.delivered(0), None);
        let said = ledger.failed("cannot connect", true).unwrap();
        assert_eq!(said, "webhook 'http://host/': cannot connect; trying again");
        assert_eq!(ledger.failed("cannot connect", false), None);
        let said = ledger.delivered(3).unwrap();
        assert_eq!(said, "webhook 'http://host/' works again; 3 alerts were lost");
        assert_eq!(ledger.delivered(3), None);
        assert!(ledger.failed("no", false).unwrap().ends_with("this alert is lost"));
        assert!(ledger.delivered(4).unwrap().ends_with("1 alert was lost"));
    }

    #[test]
    fn a_receiver_that_comes_and_goes_is_told_of_in_bounds() {
        let mut ledger = Ledger::new("x".into());
        let mut said = 0;
        for _ in 0..100 {
            said += u32::from(ledger.failed("no", true).is_some());
            said += u32::from(ledger.delivered(0).is_some());
        }
        assert_eq!(said, 2 * MAX_OUTAGES);
    }
}
