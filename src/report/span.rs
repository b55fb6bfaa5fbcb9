//! The horizontal axis: what time a position is, in the video or on the wall, and where its marks
//! are.

/// Steps between marks, seconds, beyond which days are counted.
const STEPS_S: [f64; 24] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
    3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 345_600.0, 604_800.0,
];
/// The most marks on an axis.
const MAX_TICKS: f64 = 9.0;
const DAY_S: f64 = 86_400.0;

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Where, 0 to 1 from the left or from the bottom.
    pub(super) at: f64,
    /// What it says.
    pub(super) text: String,
}

/// From where to where an axis reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The left end, microseconds or frames.
    pub(super) start: u64,
    /// The right end, greater than the left one.
    pub(super) end: u64,
    /// Whether positions are microseconds, else they are frames.
    pub(super) timed: bool,
    /// UTC of position 0, seconds since 1970, where that is known.
    pub(super) epoch_s: Option<f64>,
}

impl Span {
    /// How far from the left a position is, 0 to 1.
    pub(super) fn at(&self, position: u64) -> f64 {
        let offset = position.saturating_sub(self.start) as f64;
        (offset / (self.end - self.start) as f64).min(1.0)
    }

    /// The marks, at most ten, at round times or frames.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        if !self.timed {
            return self.frame_ticks();
        }
        let (from, to) = (self.seconds(self.start), self.seconds(self.end));
        let step = step_for(to - from);
        let first = (from / step - 1e-9).ceil();
        (0..12)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|&second| second <= to + step * 1e-6)
            .map(|second| Tick { at: (second - from) / (to - from), text: self.say(second, step) })
            .collect()
    }

    fn frame_ticks(&self) -> Vec<Tick> {
        let length = (self.end - self.start) as f64;
        let step = super::plot::nice_step(length / 7.0).max(1.0) as u64;
        let first = self.start.div_ceil(step).saturating_mul(step);
        (0..12)
            .map(|index| first.saturating_add(step.saturating_mul(index)))
            .take_while(|&frame| frame <= self.end)
            .map(|frame| Tick { at: self.at(frame), text: super::text::count(frame) })
            .collect()
    }

    /// What the axis counts.
    pub(super) fn title(&self) -> String {
        match (self.timed, self.epoch_s) {
            (false, _) => "frame".into(),
            (true, Some(_)) if self.is_long() => "UTC, month-day".into(),
            (true, Some(_)) => format!("UTC, {}", date(self.seconds(self.start), true)),
            (true, None) if self.shows_hours() => "time in the video (h:mm:ss)".into(),
            (true, None) => "time in the video (m:ss)".into(),
        }
    }

    /// A position in words, to a tenth of a second.
    pub(super) fn label(&self, position: u64) -> String {
        if self.timed {
            self.say(self.seconds(position), 0.1)
        } else {
            format!("frame {}", super::text::count(position))
        }
    }

    /// From the start of the video, or since 1970 where the wall's time is known.
    fn seconds(&self, position: u64) -> f64 {
        position as f64 / 1e6 + self.epoch_s.unwrap_or(0.0)
    }

    fn is_long(&self) -> bool {
        self.seconds(self.end) - self.seconds(self.start) > DAY_S
    }

    fn shows_hours(&self) -> bool {
        self.end >= 3_600_000_000
    }

    fn say(&self, seconds: f64, step: f64) -> String {
        if self.epoch_s.is_some() {
            let day = if self.is_long() { date(seconds, false) } else { String::new() };
            return match step {
                long if self.is_long() && long >= DAY_S => day,
                hours if hours >= 60.0 => format!("{day} {}", clock(seconds, false, false)),
                seconds_step => format!("{day} {}", clock(seconds, true, seconds_step < 1.0)),
            }
            .trim()
            .to_owned();
        }
        let tenths = (seconds * 10.0).round() as u64;
        let (whole, tenth) = (tenths / 10, tenths % 10);
        let (minutes, second) = (whole / 60, whole % 60);
        let mut text = match self.shows_hours() {
            true => format!("{}:{:02}:{second:02}", minutes / 60, minutes % 60),
            false => format!("{minutes}:{second:02}"),
        };
        if step < 1.0 && tenth > 0 {
            text.push_str(&format!(".{tenth}"));
        }
        text
    }
}

fn step_for(length_s: f64) -> f64 {
    let fits = |step: &f64| length_s / step <= MAX_TICKS;
    let days = || super::plot::nice_step(length_s / DAY_S / 7.0).max(1.0) * DAY_S;
    STEPS_S.into_iter().find(fits).unwrap_or_else(days)
}

/// The time of day of a UTC time, seconds since 1970.
fn clock(epoch_s: f64, with_seconds: bool, with_tenths: bool) -> String {
    let tenths = (epoch_s * 10.0).round().rem_euclid(DAY_S * 10.0) as u64;
    let (whole, tenth) = (tenths / 10, tenths % 10);
    let mut text = format!("{:02}:{:02}", whole / 3600, whole % 3600 / 60);
    if with_seconds {
        text.push_str(&format!(":{:02}", whole % 60));
    }
    if with_seconds && with_tenths && tenth > 0 {
        text.push_str(&format!(".{tenth}"));
    }
    text
}

/// The date of a UTC time, seconds since 1970: `2026-11-22`, or without its year `11-22`.
fn date(epoch_s: f64, with_year: bool) -> String {
    let (year, month, day) = civil((epoch_s / DAY_S + 1e-9).floor() as i64);
    if with_year {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{month:02}-{day:02}")
    }
}

/// Year, month and day of a day since 1970, in years that begin in March, so that leap days come
/// last (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// The reverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Seconds since 1970 of a UTC time as records have it, `2026-11-22T06:00:00.123Z`.
pub(super) fn parse_utc(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u16>().ok().map(i64::from));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let hour: u8 = time.next()?.parse().ok()?;
    let minute: u8 = time.next()?.parse().ok()?;
    let second: f64 = time.next()?.parse().ok()?;
    let sane = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && (0.0..61.0).contains(&second);
    let of_day = f64::from(hour) * 3600.0 + f64::from(minute) * 60.0 + second;
    sane.then(|| days(year, month, day) as f64 * DAY_S + of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(seconds: f64, epoch: Option<&str>) -> Span {
        let epoch_s = epoch.and_then(parse_utc);
        Span { start: 0, end: (seconds * 1e6) as u64, timed: true, epoch_s }
    }

    fn texts(span: &Span) -> String {
        span.ticks().into_iter().map(|tick| tick.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn marks_are_at_round_times() {
        assert_eq!(texts(&span(0.35, None)), "0:00 0:00.1 0:00.2 0:00.3");
        assert_eq!(texts(&span(79.5, None)), "0:00 0:10 0:20 0:30 0:40 0:50 1:00 1:10");
        assert_eq!(texts(&span(9000.0, None)), "0:00:00 0:30:00 1:00:00 1:30:00 2:00:00 2:30:00");
        let morning = span(1200.0, Some("2026-11-22T06:01:00.000Z"));
        assert_eq!(texts(&morning), "06:05 06:10 06:15 06:20");
        assert!((morning.ticks()[0].at - 0.2).abs() < 1e-6);
        assert_eq!(morning.title(), "UTC, 2026-11-22");
        let week = span(7.0 * DAY_S, Some("2026-02-26T12:00:00Z"));
        assert_eq!(texts(&week), "02-27 02-28 03-01 03-02 03-03 03-04 03-05");
        assert!(span(400.0 * DAY_S, Some("2024-02-28T00:00:00Z")).ticks().len() < 12);
        assert!((1..12).contains(&span(1e13, None).ticks().len()));
    }

    #[test]
    fn frames_are_counted() {
        let pictures = Span { start: 0, end: 3, timed: false, epoch_s: None };
        assert_eq!(texts(&pictures), "0 1 2 3");
        let endless = Span { start: u64::MAX - 1, end: u64::MAX, timed: false, epoch_s: None };
        assert!(endless.ticks().len() < 13);
    }

    #[test]
    fn days_and_dates_agree() {
        for day in (-800_000..800_000).step_by(37) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(parse_utc("2000-03-01T00:00:01.5Z"), Some(951_868_801.5));
        for odd in
            ["", "2026-11-22", "2026-13-01T00:00:00Z", "-1-1-1T1:1:1Z", "2026-11-22T1:2:nanZ"]
        {
            assert_eq!(parse_utc(odd), None, "{odd}");
        }
    }
}
