//! What a refusal means: exception code first, status second.
//!
//! The status alone misleads: Proton answers 500 for a wrong column and 404 while a stream is
//! being made. The codes are those of ClickHouse's `ErrorCodes.cpp`, which Proton shares; which of
//! them are worth a retry follows ClickHouse's own Kafka connector (`util/Utils.java`). What is
//! done about a verdict is for `deliver`.

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
    /// The server does not know or allow this setting of ours: leave it out.
    DropSetting(&'static str),
    /// There is no such REST path: use SQL.
    NoRest,
}

/// Whether an insert is put off and answered at once or later.
pub(super) const ASYNC: &str = "async_insert";

/// Whether an insert that is put off is answered when it is done.
pub(super) const WAIT_FOR_ASYNC: &str = "wait_for_async_insert";

/// Settings of an insert that older servers do not know and that rows are right without. A time
/// would be wrong or refused without `date_time_input_format`, so that stays.
const OPTIONAL: [&str; 3] = ["input_format_skip_unknown_fields", WAIT_FOR_ASYNC, ASYNC];

/// Stands in what a server says of a row, whichever its code.
const AT_ROW: &str = "(at row ";

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
        // The same code is for an insert of too many partitions, which waiting does not mend.
        252 if message.contains("Too many partitions") => Verdict::TooLarge,
        202 | 203 | 242 | 243 | 252 | 2016 | 2529 => Verdict::Retry { maybe_stored: false },
        // Time-outs, broken connections, memory, replicas of unknown state, a session in use; an
        // insert of the same name that is still under way.
        3 | 107 | 159 | 209 | 210 | 216 | 225 | 236 | 241 | 279 | 285 | 286 | 319 | 364 | 373
        | 394 | 425 | 473 | 574 | 999 | 2013 => Verdict::Retry { maybe_stored: true },
        60 | 81 => Verdict::SchemaNotReady,
        // Cannot be parsed or converted, no such column, not in range, no null allowed.
        6 | 16 | 25..=27 | 38 | 41 | 53 | 69 | 70 | 72 | 117 | 131 | 321 | 349 | 376 | 407
        // The same of lists, fixed texts, enums, booleans, addresses and nested columns.
        | 19 | 33 | 128 | 130 | 190 | 366 | 441 | 467 | 563 | 632 | 645 | 675 | 676 | 691
        // Refused by what the table says of its rows: a constraint, or an expression of a column or
        // a view that divides by zero or throws.
        | 153 | 395 | 469 => Verdict::Poison,
        229 | 2015 | 2514 | 2516 => Verdict::TooLarge,
        271 | 354 => Verdict::Uncompressed,
        78 => Verdict::NoRest,
        115 => named(message).map_or(Verdict::Park, Verdict::DropSetting),
        // Somebody has fixed it. Where an insert may not wait either, its answer says nothing.
        452 if named(message) == Some(ASYNC) => Verdict::DropSetting(ASYNC),
        // The statement, who we are, and what we may.
        62 | 164 | 192..=195 | 452 | 497 | 516 => Verdict::Park,
        _ if message.contains(AT_ROW) => Verdict::Poison,
        // What is not known is kept.
        _ => Verdict::Park,
    }
}

/// The setting of ours that a server speaks of.
fn named(message: &str) -> Option<&'static str> {
    OPTIONAL.into_iter().find(|name| message.contains(name))
}

/// Whether an insert that was refused with this code may have come as far as to write: all but
/// those that are refused before it begins. A stream, database, column or setting is not there, we
/// may not, the server has too much to do, or it cannot take the body.
pub(super) fn follows_writing(code: u32) -> bool {
    !matches!(
        code,
        16 | 47 | 60 | 62 | 78 | 81 | 115 | 164 | 192
            ..=194 | 202 | 203 | 229 | 242 | 271 | 354 | 452 | 497 | 516 | 2514 | 2529
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
        let cases: [(&[u32], Verdict); 9] = [
            (&[202, 203, 242, 243, 252, 2016, 2529], CERTAIN),
            (&[3, 159, 209, 210, 236, 241, 285, 319, 364, 425, 999], UNCERTAIN),
            (&[60, 81], Verdict::SchemaNotReady),
            (&[192, 193, 194, 516, 497, 164, 115, 62, 44, 381, 452, 12_345], Verdict::Park),
            (&[6, 16, 25, 26, 27, 38, 41, 53, 72, 117, 131], Verdict::Poison),
            // A constraint, throwIf, a division by zero, and values that are not of their type.
            (&[469, 395, 153, 691, 467, 190, 675], Verdict::Poison),
            (&[2514, 2516, 229], Verdict::TooLarge),
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
        // A time without it would be refused, or be another one.
        let time = "Unknown setting date_time_input_format";
        assert_eq!(verdict(404, Some(115), time), Verdict::Park);
        for name in [ASYNC, WAIT_FOR_ASYNC] {
            let words = format!("Setting {name} is neither a builtin setting nor custom");
            assert_eq!(verdict(404, Some(115), &words), Verdict::DropSetting(name));
        }
        let fixed = |name: &str| verdict(500, Some(452), &format!("Setting {name} is fixed"));
        assert_eq!(fixed(ASYNC), Verdict::DropSetting(ASYNC));
        assert_eq!(fixed(WAIT_FOR_ASYNC), Verdict::Park, "what is put off may be lost");
        assert_eq!(fixed("input_format_skip_unknown_fields"), Verdict::Park);
    }

    #[test]
    fn words_about_a_row_are_about_a_row() {
        let words = "Unknown element 'zz' for enum: (while reading key e): (at row 1)";
        // ClickHouse before 22 has code 36 for it, which is for bad settings too.
        assert_eq!(verdict(500, Some(36), words), Verdict::Poison);
        assert_eq!(verdict(500, Some(36), "Bad settings"), Verdict::Park);
        let many = "Too many partitions for single INSERT block (more than 100)";
        assert_eq!(verdict(500, Some(252), many), Verdict::TooLarge);
    }
}
