//! Words for people: why something failed, and what they may have meant.

/// The reason of an I/O error in lower case, without the operating system's number.
pub fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown".into(),
    }
}

/// Text from elsewhere on one line of at most `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= max {
        return words;
    }
    words.chars().take(max).chain("...".chars()).collect()
}

/// The candidate most like `word`, where one is alike at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_part_of_a_sentence() {
        let missing = std::fs::File::open("/no/such/file").unwrap_err();
        assert_eq!(io_reason(&missing), "no such file or directory");
        assert_eq!(one_line("a\n  b\tc", 10), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc...");
    }

    #[test]
    fn only_a_likely_word_is_suggested() {
        let words = ["workers", "stride", "conf"];
        assert_eq!(nearest("worker", words.into_iter()), Some("workers"));
        assert_eq!(nearest("zzz", words.into_iter()), None);
    }
}
