//! What a refusal means: exception code first, status second.
//!
//! The status alone misleads: Proton answers 500 for a wrong column and 404 while a stream is
//! being made. The codes are those of ClickHouse's `ErrorCodes.cpp`, which Proton shares; which of
//! them are worth a retry follows ClickHouse's own Kafka connector (`util/Utils.java`). What is
//! done about a verdict is for `deliver`.

use super::fit::EITHER_SETTINGS;

/// What to do with a batch that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it again, later.
    Retry {
        /// Whether the rows may be there all the same.
        maybe_stored: bool,
    },
    /// The stream or database is not there, or not yet: make it, and send again.
    SchemaNotReady,
    /// A mistake in the configuration: keep the rows and try now and then.
    Park,
    /// Some row is not acceptable: find it.
    Poison,
    /// Send it in halves.
    TooLarge,
    /// The packed body was not understood: send it as it is.
    Uncompressed,
    /// The server does not know this setting of ours: leave it out.
    DropSetting(&'static str),
    /// There is no such REST path: use SQL.
    NoRest,
}

/// Settings that go with an insert where the server knows them.
pub(super) const OPTIONAL_SETTINGS: [(&str, &str); 2] = EITHER_SETTINGS;

/// Judges a refusal with this status, exception code and message.
pub fn verdict(status: u16, code: Option<u32>, message: &str) -> Verdict {
    match code {
        Some(code) => by_code(code, message),
        None => by_status(status),
    }
}

fn by_code(code: u32, message: &str) -> Verdict {
    match code {
        // Refused before anything is written: too many queries, read-only replica or disk, no
        // space, too many parts, the disk's share is used up.
        202 | 203 | 242 | 243 | 252 | 2529 => Verdict::Retry { maybe_stored: false },
        // Time-outs, broken connections, memory, replicas of unknown state; an insert of the same
        // name that is still under way.
        3 | 107 | 159 | 216 | 209 | 210 | 236 | 241 | 285 | 319 | 364 | 425 | 999 => {
            Verdict::Retry { maybe_stored: true }
        }
        60 | 81 => Verdict::SchemaNotReady,
        // Cannot be parsed or converted, no such column, not in range, no null allowed.
        6 | 16 | 25..=27 | 38 | 41 | 53 | 69 | 70 | 72 | 117 | 131 | 321 | 349 | 376 | 407 => {
            Verdict::Poison
        }
        229 | 2514 => Verdict::TooLarge,
        271 | 354 => Verdict::Uncompressed,
        78 => Verdict::NoRest,
        115 => {
            let mut ours = OPTIONAL_SETTINGS.iter().map(|(name, _)| *name);
            ours.find(|name| message.contains(name)).map_or(Verdict::Park, Verdict::DropSetting)
        }
        // 164, 192 to 194, 497 and 516 are about who we are; what is not known is kept as well.
        _ => Verdict::Park,
    }
}

/// Whether an insert that was refused with this code may have come as far as to write: all but
/// those that are refused before it begins. A stream, database, column or setting is not there, we
/// may not, the server has too much to do, or it cannot take the body.
pub(super) fn follows_writing(code: u32) -> bool {
    !matches!(
        code,
        16 | 47 | 60 | 62 | 78 | 81 | 115 | 164 | 192
            ..=194 | 202 | 203 | 229 | 242 | 271 | 354 | 497 | 516 | 2514 | 2529
    )
}

fn by_status(status: u16) -> Verdict {
    match status {
        429 => Verdict::Retry { maybe_stored: false },
        // A 2xx gets here when there is something where nothing should be.
        200..=299 | 408 | 425 | 500.. => Verdict::Retry { maybe_stored: true },
        413 => Verdict::TooLarge,
        _ => Verdict::Park,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTAIN: Verdict = Verdict::Retry { maybe_stored: false };
    const UNCERTAIN: Verdict = Verdict::Retry { maybe_stored: true };

    #[test]
    fn the_code_goes_before_the_status() {
        let cases: [(&[u32], Verdict); 8] = [
            (&[202, 203, 242, 243, 252, 2529], CERTAIN),
            (&[3, 159, 209, 210, 236, 241, 285, 319, 364, 425, 999], UNCERTAIN),
            (&[60, 81], Verdict::SchemaNotReady),
            (&[192, 193, 194, 516, 497, 164, 115, 62, 44, 381, 12_345], Verdict::Park),
            (&[6, 16, 25, 26, 27, 38, 41, 53, 72, 117, 131], Verdict::Poison),
            (&[2514, 229], Verdict::TooLarge),
            (&[354, 271], Verdict::Uncompressed),
            (&[78], Verdict::NoRest),
        ];
        for (codes, expected) in cases {
            for &code in codes {
                for status in [200, 400, 401, 403, 404, 413, 429, 500, 503] {
                    assert_eq!(verdict(status, Some(code), "words"), expected, "{code}");
                }
            }
        }
    }

    #[test]
    fn without_a_code_the_status_decides() {
        for status in [408, 425, 500, 502, 503, 504, 599, 200] {
            assert_eq!(verdict(status, None, ""), UNCERTAIN, "{status}");
        }
        assert_eq!(verdict(429, None, ""), CERTAIN);
        assert_eq!(verdict(413, None, ""), Verdict::TooLarge);
        for status in [301, 400, 401, 403, 404, 405, 411] {
            assert_eq!(verdict(status, None, ""), Verdict::Park, "{status}");
        }
    }

    #[test]
    fn only_our_own_settings_are_left_out() {
        let words = "Unknown setting input_format_skip_unknown_fields";
        let ours = Verdict::DropSetting("input_format_skip_unknown_fields");
        assert_eq!(verdict(404, Some(115), words), ours);
        assert_eq!(verdict(404, Some(115), "Unknown setting x"), Verdict::Park);
    }
}
