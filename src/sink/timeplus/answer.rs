//! How an answer of a server reads: a good one, a refusal, or a good beginning with an exception
//! behind it.
//!
//! ClickHouse sends its head before it knows that all is well. An exception that comes later stands
//! in the body: from 25.11 on between marks with a tag that the head names, in 25.8 behind a bare
//! mark, before that as its last line; from 24 on the last chunk is missing, so that nobody takes
//! such a body for a whole one (`WriteBufferFromHTTPServerResponse.cpp`).

use std::time::SystemTime;

use super::server::ServerError;
use crate::net::http::Response;
use crate::reason::one_line;

/// The most characters of a server's words that are passed on.
const MAX_MESSAGE: usize = 300;

/// Stands in front of an exception within a body.
const MARK: &str = "__exception__\r\n";

/// The header that names the tag of such marks.
const TAG: &str = "x-clickhouse-exception-tag";

/// The answer, if it is a good one. An error may come in the body behind a 200.
pub(super) fn good(answer: Response) -> Result<Response, ServerError> {
    let ok = (200..300).contains(&answer.status) && code_of(&answer).is_none();
    if ok { Ok(answer) } else { Err(refusal(&answer)) }
}

/// An answer that refuses, as an error.
pub(super) fn refusal(answer: &Response) -> ServerError {
    let message = one_line(&message_of(&text(answer)), MAX_MESSAGE);
    let after = answer.retry_after(SystemTime::now());
    ServerError::Refused { status: answer.status, code: code_of(answer), message, after }
}

/// The body as text.
pub(super) fn text(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Takes an exception out of a body whose head said that all is well, and returns it. Left in the
/// body is what came before. `is_cut` says whether the body broke off.
pub(super) fn take_exception(answer: &mut Response, is_cut: bool) -> Option<ServerError> {
    if !(200..300).contains(&answer.status) {
        return None;
    }
    let body = text(answer);
    let tag = answer.header(TAG).map(str::trim).filter(|tag| !tag.is_empty());
    let (before, words) = match tag {
        Some(tag) => tagged(&body, tag)?,
        None if is_cut => marked(&body).or_else(|| last_line(&body))?,
        None => last_line(&body)?,
    };
    let (code, message) = (code_in(words), one_line(&message_of(words), MAX_MESSAGE));
    // Rows are of whole characters up to here, or the server's words are no text.
    let before = before.len();
    answer.body = body.into_bytes();
    answer.body.truncate(before);
    Some(ServerError::Refused { status: answer.status, code, message, after: None })
}

/// Between marks with a tag: the tag is made up for each answer, so no row has it.
fn tagged<'a>(body: &'a str, tag: &str) -> Option<(&'a str, &'a str)> {
    let (before, behind) = body.rsplit_once(&format!("\r\n{MARK}{tag}\r\n")).or_else(|| {
        // The marks at the end are the same ones.
        let whole = body.strip_prefix(&format!("{MARK}{tag}\r\n"))?;
        Some(("", whole))
    })?;
    // `LENGTH TAG` on a line of its own ends the words.
    let end = behind.find(&format!(" {tag}\r\n")).unwrap_or(behind.len());
    let words = behind.get(..end)?;
    let words = if end < behind.len() { words.rsplit_once('\n')?.0 } else { words };
    Some((before, words))
}

/// Behind a bare mark.
fn marked(body: &str) -> Option<(&str, &str)> {
    let (before, words) = body.rsplit_once(MARK)?;
    code_in(words).map(|_| (before.strip_suffix("\r\n").unwrap_or(before), words))
}

/// As the last line.
fn last_line(body: &str) -> Option<(&str, &str)> {
    let trimmed = body.trim_end();
    let start = trimmed.rfind('\n').map_or(0, |line| line + 1);
    let (before, last) = trimmed.split_at_checked(start)?;
    (code_in(last).is_some() && last.contains("Exception")).then_some((before, last))
}

/// The code in the words of an exception.
fn code_in(words: &str) -> Option<u32> {
    let digits = words.strip_prefix("Code: ")?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The exception's code: in a header, behind `Code: `, or in the JSON of REST.
fn code_of(answer: &Response) -> Option<u32> {
    let names =
        ["x-timeplus-exception-code", "x-proton-exception-code", "x-clickhouse-exception-code"];
    let header = names.iter().find_map(|name| answer.header(name)?.trim().parse().ok());
    header
        .or_else(|| {
            let head = answer.body.get(..answer.body.len().min(64))?;
            code_in(&String::from_utf8_lossy(head))
        })
        .or_else(|| {
            let is_error = !(200..300).contains(&answer.status);
            let rest: RestError = serde_json::from_slice(&answer.body).ok().filter(|_| is_error)?;
            rest.code
        })
}

/// What REST answers when it refuses.
#[derive(serde::Deserialize)]
struct RestError {
    #[serde(alias = "message")]
    error_msg: Option<String>,
    code: Option<u32>,
}

/// The words of a refusal, without what 18.16 puts behind them for its developers.
fn message_of(body: &str) -> String {
    match serde_json::from_str::<RestError>(body) {
        Ok(RestError { error_msg: Some(message), .. }) => message,
        _ => body.split(", e.what() =").next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero. \
                         (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.9.2.1)";

    fn answer(headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Response { status: 200, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    /// What is left of a body, and the code of its exception.
    fn taken(headers: &[(&str, &str)], body: &str, is_cut: bool) -> (String, Option<u32>) {
        let mut answer = answer(headers, body);
        let error = take_exception(&mut answer, is_cut);
        if let Some(error) = &error {
            let said = error.to_string();
            assert!(said.contains("throwIf") && !said.contains("__exception__"), "{said}");
            assert!(!said.contains("dngjzjnx"), "{said}");
        }
        (text(&answer), error.map(|error| error.number()))
    }

    #[test]
    fn an_exception_is_told_from_the_rows_before_it() {
        let tag = "dngjzjnxkvlwkeua";
        let head: &[(&str, &str)] = &[(TAG, tag)];
        let length = WORDS.len() + 1;
        let frame =
            format!("__exception__\r\n{tag}\r\n{WORDS}\n{length} {tag}\r\n__exception__\r\n");
        let rows = "0\n1\n2";
        let whole = format!("{rows}\r\n{frame}");
        assert_eq!(taken(head, &whole, true), (rows.into(), Some(395)));
        assert_eq!(taken(head, &whole, false), (rows.into(), Some(395)));
        assert_eq!(taken(head, &frame, true), (String::new(), Some(395)));
        let lines = WORDS.replace(". (FUNC", ".\nStack\n(FUNC");
        let long = format!("{rows}\r\n{}", frame.replace(WORDS, &lines));
        assert_eq!(taken(head, &long, true), (rows.into(), Some(395)));
        let bare = format!("{rows}\n__exception__\r\n{WORDS}\n");
        assert_eq!(taken(&[], &bare, true), (format!("{rows}\n"), Some(395)));
        let last = format!("{rows}\n{WORDS}\n");
        for is_cut in [true, false] {
            assert_eq!(taken(&[], &last, is_cut), (format!("{rows}\n"), Some(395)));
        }
    }

    #[test]
    fn rows_that_look_like_one_are_rows() {
        let head: &[(&str, &str)] = &[(TAG, "dngjzjnxkvlwkeua")];
        for rows in [
            "__exception__\r\nother\r\nCode: 1. DB::Exception: x\n",
            "Code: 395. DB::Exception: said in a text\n",
            "",
        ] {
            assert_eq!(taken(head, rows, false), (rows.into(), None));
        }
        let rows = "__exception__\r\na row\n";
        assert_eq!(taken(&[], rows, true), (rows.into(), None));
        let mut refused = Response { status: 500, ..answer(&[], WORDS) };
        assert_eq!(take_exception(&mut refused, false), None, "that is a refusal");
    }
}
