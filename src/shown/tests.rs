//! Expected texts follow from RFC 3986, sections 3.1 to 3.5, which say where each part of an address
//! ends; that no password is shown is held against every password.

use proptest::prelude::*;

use super::*;

const ADDRESSES: [&str; 12] = [
    "rtsp",
    "rtsps",
    "rtmp",
    "rtmps",
    "http",
    "https",
    "srt",
    "udp",
    "tcp",
    "s3",
    "mqtt",
    "clickhouse",
];

#[test]
fn plain_addresses_stay_as_they_are() {
    for text in [
        "rtsp://cam/1",
        "RTSPS://cam:7441/Streaming/Channels/101",
        "http://host/a.m3u8",
        "http://host/2026-11-22T06-00-00Z_garage.mp4",
        "udp://@239.0.0.1:1234",
        "udp://:1234?fifo_size=1000",
        "srt://host:9000?mode=caller",
        "rtsp://[::1]:554/cam?channel=1&subtype=0",
        "rtsp://[fe80::1%25eth0]/cam",
        "rtsp://bücher_1.example/a%20b",
        "rtsps://nvr:7441/front?enableSrtp",
    ] {
        assert_eq!(fault(text), None, "{text}");
        assert_eq!(address(text), text);
        assert_eq!(template(text), text);
        assert_eq!(given(text), text);
    }
}

#[test]
fn logins_keys_and_fragments_are_hidden() {
    for (text, shown) in [
        ("rtsp://me:se@cret@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://:pw@cam/1", "rtsp://***@cam/1"),
        ("https://ghp_token@host/x", "https://***@host/x"),
        (
            "rtsp://me:pw@cam:554/a?user=admin&password=x&channel=1",
            "rtsp://***@cam:554/a?user=***&password=***&channel=1",
        ),
        ("http://h/a.m3u8?X-Sig=1&t=2&ApiKey=3", "http://h/a.m3u8?X-Sig=***&t=2&ApiKey=***"),
        ("srt://h:1?mode=caller&passphrase=a?b#c", "srt://h:1?mode=caller&passphrase=***#***"),
        ("srt://h:1?streamid=publish:x:y", "srt://h:1?streamid=***"),
        ("http://h/x?loginuse=a&loginpas=b&c2VjcmV0", "http://h/x?loginuse=***&loginpas=***&***"),
        // Cameras of Xiongmai have the login in the path.
        ("rtsp://h/user=admin&password=x&channel=1", "rtsp://h/user=***&password=***&channel=1"),
        ("rtsp://h/user=admin_password=x_channel=1.sdp", "rtsp://h/user=***"),
        ("rtsp://h/a/password=x/y/z&channel=1?channel=2", "rtsp://h/a/password=***/***?channel=2"),
        ("https://h/live/AbCdEfGhIjKlMnOpQrStUv12/a.ts", "https://h/live/***/a.ts"),
        ("http://h/x;jsessionid=1?channel=4711", "http://h/x;***?channel=4711"),
        ("rtsp://cam/#1", "rtsp://cam/#***"),
        // It may be a key with a slash in it, in the place of a login.
        ("http://host/a@b", "http://***"),
    ] {
        assert_eq!(fault(text), None, "{text}");
        assert_eq!(address(text), shown);
    }
}

#[test]
fn a_text_that_is_no_address_is_shown_by_scheme_and_host() {
    for (text, is, shown) in [
        ("rtsp://user:s3cr/et@127.0.0.1:1/x", Fault::Port, "rtsp://***@127.0.0.1:1"),
        ("rtsp://user:s3cr#et@127.0.0.1:1/x", Fault::Port, "rtsp://***@127.0.0.1:1"),
        ("rtsp://user:s3cr?et@127.0.0.1:1/x", Fault::Port, "rtsp://***@127.0.0.1:1"),
        ("rtsp://user:s3=cr?et@host/x", Fault::Port, "rtsp://***"),
        ("rtsp://user:s3cr", Fault::Port, "rtsp://***"),
        ("rtsp://user:s3cr@", Fault::NoHost, "rtsp://***"),
        ("rtsp://host:70000/", Fault::Port, "rtsp://***"),
        ("rtsp://host:+80/", Fault::Port, "rtsp://***"),
        ("rtsp://host:0/", Fault::Port, "rtsp://***"),
        ("rtsp://ho<st/", Fault::Host, "rtsp://***"),
        ("rtsp://", Fault::NoHost, "rtsp://***"),
        ("http:///x", Fault::NoHost, "http://***"),
        ("us:pw@rtsp://host", Fault::Scheme, "***"),
        (" rtsp://u:pw@host", Fault::Scheme, "***"),
    ] {
        assert_eq!(fault(text), Some(is), "{text}");
        assert_eq!(address(text), shown);
        assert!(!receiver(text).contains("s3cr"));
    }
    // It can be one, with a host that is a piece of a password.
    assert!(is_ambiguous("rtsp://user:12/34@host/x"));
    assert_eq!(address("rtsp://user:12/34@host/x"), "rtsp://***");
    assert_eq!(address("rtsp://us/er:12@host/x"), "rtsp://***");
    assert_eq!(address("rtsp://u:p@ss/w@host/x"), "rtsp://***");
}

#[test]
fn addresses_with_a_slip_are_recognised() {
    for (text, shown) in [
        ("rtsp:/user:pw@host/x", "rtsp:***"),
        ("HTTP:user:pw@host", "HTTP:***"),
        ("user:pw@cam:554/1", "***@cam:554"),
        ("user:p/w@cam", "***@cam"),
        ("user:pw@", "***"),
        ("synthetic:64x48@10x5", "synthetic:64x48@10x5"),
        ("plain@file.mp4", "plain@file.mp4"),
        ("C:/videos/a.mp4", "C:/videos/a.mp4"),
    ] {
        assert_eq!(given(text), shown);
        assert_eq!(input(text), shown);
    }
    assert_eq!(server("me:pw@host"), "***");
    assert_eq!(server("http://me:pw@host:8123"), "http://***@host:8123");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("12:00@door.mp4");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(input(file), file, "a file that is there");
}

#[test]
fn variables_stay_where_nothing_else_stands() {
    for (text, shown) in [
        ("rtsp://viewer:${PW}@10.0.0.11/a", "rtsp://viewer:${PW}@10.0.0.11/a"),
        (
            "rtsp://${USER}:${PW}@${HOST}:${PORT}/${WAY}",
            "rtsp://${USER}:${PW}@${HOST}:${PORT}/${WAY}",
        ),
        ("rtsp://${LOGIN}@cam-${N}.lan/a?token=${T}", "rtsp://${LOGIN}@cam-${N}.lan/a?token=${T}"),
        ("rtsp://viewer:pw@${HOST}/a?token=x", "rtsp://***@${HOST}/a?token=***"),
        ("rtsp://viewer:a${PW}@host/", "rtsp://***@host/"),
        ("rtsp://user:p/w@${HOST}/", "rtsp://***"),
        ("rtsp://user:${}/w@host/", "rtsp://***@host"),
    ] {
        assert_eq!(template(text), shown);
    }
    assert_eq!(
        receiver("https://hooks.example/services/${KEY}"),
        "https://hooks.example/services/${KEY}"
    );
    assert_eq!(receiver("https://u:p@hooks.example/T0/KEY?t=1"), "https://***@hooks.example/***");
    assert_eq!(receiver("https://hooks.example"), "https://hooks.example");
}

#[test]
fn lines_of_libraries_are_cut() {
    for (text, shown) in [
        (
            "[tcp @ 0x1] Connection to tcp://127.0.0.1:1?timeout=0 failed: refused",
            "[tcp @ 0x1] Connection to tcp://127.0.0.1:1?timeout=0 failed: refused",
        ),
        (
            "[srt @ 0x1] Connection to srt://h:1?passphrase=a b failed: refused",
            "[srt @ 0x1] Connection to srt://***",
        ),
        (
            "Opening 'https://host/a/seg1.ts' for reading",
            "Opening 'https://host/a/seg1.ts' for reading",
        ),
        ("Opening 'https://u:p'w @host/a.ts' for reading", "Opening 'https://***"),
        (
            "Failed to resolve hostname ss: Name unknown",
            "Failed to resolve hostname ***: Name unknown",
        ),
        (
            "[rtsp @ 0x1] method DESCRIBE failed: 404 Not Found",
            "[rtsp @ 0x1] method DESCRIBE failed: 404 Not Found",
        ),
        ("[udp @ 0x1] getaddrinfo(ss, 0): unknown", "[udp @ 0x1] getaddrinfo(***, 0): unknown"),
        ("a http://b:c, then ftp://d/e", "a http://***, then ftp://d/e"),
    ] {
        assert_eq!(line(text), shown);
    }
}

/// Signs that no text of ours has: with them in a password, any piece of it is found.
const RARE: &str = "[ЖΩßQZ]";

/// A password of rare signs and all those that end a part of an address.
fn rare() -> impl Strategy<Value = String> {
    let sign = prop_oneof![
        3 => RARE,
        2 => "[/?#@:]",
        1 => "[ !\"$%&'()*+,;<=>\\\\^`{|}~.0-9-]",
    ];
    (RARE, prop::collection::vec(sign, 0..12), RARE)
        .prop_map(|(first, rest, last)| first + &rest.concat() + &last)
}

/// RFC 3986, section 2.1: every byte as `%XX`, but letters and digits.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Everything that is made of one text for showing it.
fn all_shown(text: &str) -> String {
    let reason = fault(text).map_or("", Fault::reason);
    // Libraries are given addresses alone.
    let line = match scheme(text).is_some() {
        true => line(&format!("cannot open '{text}': it is lost")),
        false => String::new(),
    };
    let texts = [address(text), template(text), receiver(text), given(text), input(text), line];
    [&texts.join("\n"), &server(text), reason].map(String::from).join("\n")
}

/// All that is shown of addresses of this scheme, at `host:1` with the path `x`, whose password has
/// none or some of the signs that end a part.
fn usual(scheme: &str) -> String {
    let secrets = ["N", "N/N", "1/N", "N=/N", "@N", "", "1", "1?N"];
    let shown = secrets.map(|secret| all_shown(&format!("{scheme}://N:{secret}@host:1/x")));
    let faults = [Fault::Scheme, Fault::NoHost, Fault::Host, Fault::Port].map(Fault::reason);
    shown.join("\n") + &faults.join("\n")
}

proptest! {
    /// No piece of a password of rare signs is shown, wherever it stands and however it is written.
    #[test]
    fn no_piece_of_a_password_is_shown(
        scheme in prop::sample::select(&ADDRESSES[..]),
        user in prop_oneof!["[a-z]{0,5}", "[a-z0-9/?#@: ]{0,6}"],
        password in rare(),
        is_escaped: bool,
        place in prop::sample::select(&["host", "127.0.0.1:1", "[::1]:554", "", "a b"][..]),
        form in 0..9,
    ) {
        let secret = if is_escaped { escaped(&password) } else { password.clone() };
        let text = match form {
            0 => format!("{scheme}://{user}:{secret}@{place}/a/1"),
            1 => format!("{scheme}://{user}:{secret}@{place}"),
            2 => format!("{scheme}://:{secret}@{place}/a?channel=1"),
            3 => format!("{scheme}://{user}:{secret}@{place}/a@b?x=@"),
            4 => format!("{scheme}://host:9000?mode=caller&passphrase={secret}"),
            5 => format!("{scheme}://host/a?token={secret}"),
            8 => format!("{scheme}://host/user=admin&password={secret}&channel=1"),
            6 => format!("{scheme}:/{user}:{secret}@{place}/a"),
            _ => format!("{user}:{secret}@{place}/a"),
        };
        let shown = all_shown(&text);
        let found = shown.contains(|c| "ЖΩßQZ".contains(c)) || shown.contains(&escaped("Ж"));
        prop_assert!(!found, "{text} as {shown}");
    }

    /// No password of printable signs is shown, but for one that is a part of what is shown of every
    /// address.
    #[test]
    fn no_password_is_shown(
        scheme in prop::sample::select(&ADDRESSES[..]),
        user in "\\PC{0,8}",
        password in "\\PC{1,16}",
        is_escaped: bool,
    ) {
        let text = match is_escaped {
            true => format!("{scheme}://{}:{}@host:1/x", escaped(&user), escaped(&password)),
            false => format!("{scheme}://{user}:{password}@host:1/x"),
        };
        let (shown, usual) = (all_shown(&text), usual(scheme));
        for secret in [password.clone(), escaped(&password)] {
            prop_assert!(!shown.contains(&secret) || usual.contains(&secret), "{secret} in {shown}");
        }
    }

    /// Nothing that people type is too strange, and what is shown is shown the same again.
    #[test]
    fn showing_twice_changes_nothing(
        text in "\\PC{0,40}",
        scheme in prop::sample::select(&ADDRESSES[..]),
    ) {
        for text in [text.clone(), format!("{scheme}://{text}")] {
            all_shown(&text);
            let once = address(&text);
            prop_assert_eq!(address(&once), once);
        }
    }
}
