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

/// An address without the name and password in it.
pub fn masked(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.into() };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(host);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => uri.into(),
    }
}

/// What is to be the address of a server, but may be none: without all that may be a name and
/// password, and without a query.
pub fn masked_text(text: &str) -> String {
    let text = text.split_once('?').map_or_else(|| text.to_owned(), |(at, _)| format!("{at}?***"));
    let Some((before, host)) = text.rsplit_once('@') else { return text };
    let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
    format!("{}***@{host}", scheme.unwrap_or_default())
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
    fn credentials_are_masked() {
        assert_eq!(masked("rtsp://me:se@cret@cam:554/1?x=@"), "rtsp://***@cam:554/1?x=@");
        assert_eq!(masked("http://host/a@b"), "http://host/a@b");
        assert_eq!(masked("plain@file.mp4"), "plain@file.mp4");
    }

    #[test]
    fn only_a_likely_word_is_suggested() {
        let words = ["workers", "stride", "conf"];
        assert_eq!(nearest("worker", words.into_iter()), Some("workers"));
        assert_eq!(nearest("zzz", words.into_iter()), None);
    }
}
