//! Each verdict, as a server sees what follows from it.

use super::*;
use crate::net::fake::{bounded_test, code, free_port};

/// Runs frames against a script, and returns the requests behind the first one.
fn against(
    trial: &Trial,
    script: Vec<Reply>,
    frames: u64,
) -> (Vec<Request>, Result<(), SinkError>, Snapshot) {
    let requests = script.len();
    let fake = Fake::start(script);
    let (ended, stats) = trial.run(&fake.url("/"), frames);
    let mut seen: Vec<_> = (0..requests).map(|_| fake.request()).collect();
    assert!(fake.is_quiet());
    assert_eq!(question(&seen.remove(0)), "SELECT version()");
    (seen, ended, stats)
}

/// The inserts among requests.
fn inserts(seen: &[Request]) -> impl Iterator<Item = &Request> {
    seen.iter().filter(|request| request.path != "/")
}

#[test]
fn rows_arrive_packed_under_one_id_from_who_we_are() {
    bounded_test(|| {
        let trial = trial();
        let (seen, ended, stats) = against(&trial, vec![version(), code(200)], 3);
        ended.unwrap();
        let (id, numbers) = inserted(&seen[0]);
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(id.len(), 36);
        let tail = "%28%60batch%5Fid%60%2C%60n%60%29%20FORMAT%20JSONEachRow\
                    &date_time_input_format=best_effort&input_format_skip_unknown_fields=1&query_id=";
        let tail = format!("{tail}{}", id.replace('-', "%2D"));
        assert!(seen[0].path.ends_with(&tail), "{}", seen[0].path);
        // printf 'me:hidden-from-all' | base64
        assert_eq!(seen[0].header("authorization"), Some("Basic bWU6aGlkZGVuLWZyb20tYWxs"));
        assert_eq!(seen[0].header("content-encoding"), Some("gzip"));
        assert_eq!((stats.rows_sent, stats.batches_sent, stats.rows_waiting), (3, 1, 0));
        assert_eq!(trial.prepared.load(SeqCst), 1);
    });
}

#[test]
fn what_is_surely_not_stored_is_sent_again_as_it_is() {
    bounded_test(|| {
        // A refusal that comes while rows are written is followed by a question at once.
        let busy = exception(500, 202);
        let script = vec![version(), exception(500, 252), ok("0\n"), busy, code(429), code(200)];
        let (seen, ended, stats) = against(&trial(), script, 2);
        ended.unwrap();
        assert!(question(&seen[1]).starts_with("SELECT count()"));
        let all: Vec<_> = inserts(&seen).map(inserted).collect();
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        assert_eq!((stats.retries, stats.rows_sent, stats.mood), (3, 2, Mood::Fine));
        assert_eq!(stats.last_code, Some(429));
    });
}

#[test]
fn rows_that_are_there_though_a_view_refused_them_are_not_sent_again() {
    bounded_test(|| {
        for refused in [exception(500, 153), exception(500, 252), exception(400, 27)] {
            let script = vec![version(), refused, ok("2\n")];
            let (seen, ended, stats) = against(&trial(), script, 2);
            ended.unwrap();
            let (id, _) = inserted(&seen[0]);
            assert!(question(&seen[1]).ends_with(&format!("WHERE batch_id = '{id}'")));
            assert_eq!((stats.rows_sent, stats.rows_dead), (2, 0));
        }
    });
}

#[test]
fn an_insert_that_is_still_under_way_is_not_sent_beside_itself() {
    bounded_test(|| {
        let asked = || [ok("1\n"), ok("0\n")];
        let mut script = vec![version(), Reply::Close];
        script.extend(asked());
        script.push(exception(500, 216));
        script.extend([ok("1\n"), ok("2\n")]);
        let (seen, ended, stats) = against(&trial(), script, 2);
        ended.unwrap();
        let query_id =
            |request: &Request| request.path.rsplit("&query_id=").next().map(str::to_owned);
        assert_eq!(query_id(&seen[3]), query_id(&seen[0]));
        assert_eq!(stats.rows_sent, 2);
    });
}

#[test]
fn what_may_be_stored_is_asked_for_first() {
    bounded_test(|| {
        for lost in [Reply::Close, exception(500, 159), code(504), ok("what is this")] {
            let script =
                vec![version(), lost.clone(), ok("1\n"), ok("0\n"), lost, ok("1\n"), ok("2\n")];
            let (seen, ended, stats) = against(&trial(), script, 2);
            ended.unwrap();
            let (id, _) = inserted(&seen[0]);
            assert_eq!(question(&seen[1]), "SELECT 1");
            let count = format!("SELECT count() FROM `default`.`det` WHERE batch_id = '{id}'");
            assert_eq!(question(&seen[2]), count);
            assert_eq!(inserted(&seen[3]), inserted(&seen[0]));
            assert_eq!(question(&seen[5]), count);
            assert_eq!(stats.rows_sent, 2);
        }
    });
}

#[test]
fn of_a_batch_that_is_there_in_part_the_rest_is_sent() {
    bounded_test(|| {
        let mut script = vec![version(), Reply::Close];
        for _ in 0..5 {
            script.extend([ok("1\n"), ok("1\n")]);
        }
        script.extend([ok("1\n"), code(200)]);
        let (seen, ended, stats) = against(&trial(), script, 3);
        ended.unwrap();
        let (id, _) = inserted(&seen[0]);
        let keys =
            format!("SELECT `n` FROM `default`.`det` WHERE batch_id = '{id}' FORMAT TabSeparated");
        assert_eq!(question(&seen[11]), keys);
        let (new, numbers) = inserted(&seen[12]);
        assert_ne!(new, id);
        assert_eq!(numbers, [0, 2]);
        assert_eq!(stats.rows_sent, 3);
    });
}

#[test]
fn a_table_of_texts_that_knows_no_batches_may_get_one_twice() {
    bounded_test(|| {
        let texts = Stream { key: None, ..typed() };
        let trial = Trial { stream: texts, ..trial() };
        let script = vec![version(), Reply::Close, ok("1\n"), exception(404, 47), code(200)];
        let (seen, ended, stats) = against(&trial, script, 2);
        ended.unwrap();
        assert_eq!(inserted(&seen[3]), inserted(&seen[0]));
        assert_eq!(stats.rows_sent, 2);
    });
}

#[test]
fn a_missing_stream_is_made() {
    bounded_test(|| {
        let trial = trial();
        let script = vec![version(), exception(404, 60), exception(404, 81), code(200)];
        let (_, ended, _) = against(&trial, script, 1);
        ended.unwrap();
        assert_eq!(trial.prepared.load(SeqCst), 3);
    });
}

#[test]
fn a_mistake_in_the_configuration_can_be_mended_meanwhile() {
    bounded_test(|| {
        let script =
            vec![version(), exception(500, 516), exception(401, 193), code(403), code(200)];
        let (_, ended, stats) = against(&trial(), script, 1);
        ended.unwrap();
        assert_eq!((stats.retries, stats.rows_sent), (3, 1));
        // Before anything was sent too.
        let fake = Fake::start(vec![exception(403, 516), version(), code(200)]);
        trial().run(&fake.url("/"), 1).0.unwrap();
    });
}

#[test]
fn a_bad_row_is_found_and_the_others_arrive() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join("dead.ndjson");
        let mut trial = trial();
        trial.settings.dead_letters = Some(dead.clone());
        // A constraint of the table.
        let bad = || exception(500, 469);
        let none = || ok("0\n");
        let script =
            vec![version(), bad(), none(), code(200), bad(), none(), bad(), none(), code(200)];
        let (seen, ended, stats) = against(&trial, script, 4);
        let error = ended.unwrap_err();
        assert!(error.to_string().contains("1 were refused for good"), "{error}");
        assert!(error.to_string().contains("code 469"), "{error}");
        let rows: Vec<_> = inserts(&seen).map(|request| inserted(request).1).collect();
        assert_eq!(rows, [vec![0, 1, 2, 3], vec![0, 1], vec![2, 3], vec![2], vec![3]]);
        let mut ids: Vec<_> = inserts(&seen).map(|request| inserted(request).0).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5, "parts have ids of their own");
        assert_eq!((stats.rows_sent, stats.rows_dead), (3, 1));
        let letter: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(dead).unwrap()).unwrap();
        assert_eq!((&letter["code"], &letter["row"]["n"]), (&469.into(), &2.into()));
        assert!(letter["message"].as_str().unwrap().contains("at row 1"));
    });
}

#[test]
fn when_every_row_is_refused_it_is_not_the_rows() {
    bounded_test(|| {
        let mut trial = trial();
        trial.settings.drain = ms(3000);
        trial.settings.waits = Waits { first: ms(50), longest: ms(300), settle: ms(1) };
        let fake = Fake::start([vec![version()], vec![exception(500, 16); 99]].concat());
        let (ended, stats) = trial.run(&fake.url("/"), 64);
        ended.unwrap_err();
        assert_eq!((stats.rows_dead, stats.mood), (20, Mood::Parked));
    });
}

#[test]
fn what_is_too_large_is_halved() {
    bounded_test(|| {
        for large in [exception(500, 2514), code(413), exception(413, 229)] {
            let script = vec![version(), large, code(200), code(200)];
            let (seen, ended, _) = against(&trial(), script, 3);
            ended.unwrap();
            let rows: Vec<_> = seen.iter().map(|request| inserted(request).1).collect();
            assert_eq!(rows, [vec![0, 1, 2], vec![0], vec![1, 2]]);
        }
    });
}

#[test]
fn what_the_server_does_not_know_is_left_out() {
    bounded_test(|| {
        let words = b"Code: 115. Unknown setting input_format_skip_unknown_fields".to_vec();
        let unknown = Reply::Code(404, String::new(), words);
        let script = vec![version(), exception(500, 354), unknown, code(200)];
        let (seen, ended, _) = against(&trial(), script, 2);
        ended.unwrap();
        assert_eq!(seen[1].header("content-encoding"), None);
        assert!(seen[2].path.contains("JSONEachRow&date_time_input_format=best_effort&query_id="));
        assert!(seen.iter().all(|request| inserted(request) == inserted(&seen[0])));
    });
}

/// An insert that is put off is answered before its rows are stored, and a later one may be stored
/// before it: nothing that we do about a batch would hold.
#[test]
fn an_answer_says_that_rows_are_stored() {
    bounded_test(|| {
        let modern = || ok("26.9.2.1\n");
        let refuses = |code: u32, setting: &str| {
            let words = format!("Code: {code}. DB::Exception: Setting {setting} is not for you");
            Reply::Code(500, String::new(), words.into_bytes())
        };
        let asked = |seen: &[Request]| -> Vec<String> {
            let setting = |request: &Request| {
                let found = request.path.split('&').find(|part| part.contains("async"));
                found.unwrap_or_default().to_owned()
            };
            inserts(seen).map(setting).collect()
        };
        let (seen, ended, _) = against(&trial(), vec![modern(), code(200)], 1);
        ended.unwrap();
        assert_eq!(asked(&seen), ["async_insert=0"]);
        // Somebody has fixed it: then the answer is to wait.
        let script = vec![modern(), refuses(452, "async_insert"), code(200)];
        let (seen, ended, _) = against(&trial(), script, 1);
        ended.unwrap();
        assert_eq!(asked(&seen), ["async_insert=0", "wait_for_async_insert=1"]);
        // Neither is known: then nothing is put off.
        let script =
            [refuses(115, "async_insert"), refuses(115, "wait_for_async_insert"), code(200)];
        let (seen, ended, _) = against(&trial(), [vec![modern()], script.into()].concat(), 1);
        ended.unwrap();
        assert_eq!(asked(&seen), ["async_insert=0", "wait_for_async_insert=1", ""]);
        // Neither is allowed: an answer would say nothing, so rows wait until that is mended.
        let script = [
            modern(),
            refuses(452, "async_insert"),
            refuses(452, "wait_for_async_insert"),
            code(200),
        ];
        let (seen, ended, stats) = against(&trial(), script.into(), 1);
        ended.unwrap();
        let waits = "wait_for_async_insert=1";
        assert_eq!(asked(&seen), ["async_insert=0", waits, waits]);
        assert_eq!((stats.retries, stats.rows_sent), (1, 1));
        // Older servers and Timeplus put nothing off.
        for old in [ok("21.8.1\n"), timeplus()] {
            let (seen, ended, _) = against(&trial(), vec![old, code(200)], 1);
            ended.unwrap();
            assert_eq!(asked(&seen), [""]);
        }
    });
}

#[test]
fn an_exception_within_an_answer_is_judged_by_its_code() {
    bounded_test(|| {
        let words = "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)";
        let frame = format!("\r\n__exception__\r\nabc\r\n{words}\n59 abc\r\n__exception__\r\n");
        let within =
            Reply::Code(200, "X-ClickHouse-Exception-Tag: abc\r\n".into(), frame.into_bytes());
        let script = vec![version(), within, ok("0\n"), code(200)];
        let (seen, ended, stats) = against(&trial(), script, 1);
        ended.unwrap();
        assert!(question(&seen[1]).starts_with("SELECT count()"), "it is not of unknown fate");
        assert_eq!((stats.rows_sent, stats.last_code), (1, Some(252)));
    });
}

#[test]
fn timeplus_counts_an_id_once() {
    bounded_test(|| {
        let trial = Trial { stream: raw(), ..trial() };
        let no_path =
            Reply::Code(404, String::new(), br#"{"error_msg":"Unknown URI","code":78}"#.to_vec());
        let script = vec![timeplus(), Reply::Close, no_path, code(200)];
        let (seen, ended, _) = against(&trial, script, 2);
        ended.unwrap();
        for request in &seen[..2] {
            assert_eq!(request.path, "/proton/v1/ingest/streams/det");
            assert!(request.header("x-timeplus-idempotent-id").is_some());
            let body = gzip::unpack(&request.body, 1000).unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), r#"{"columns":["n"],"data":[[0],[1]]}"#);
        }
        let id = |request: &Request| request.header("x-timeplus-idempotent-id").map(str::to_owned);
        assert_eq!(id(&seen[0]), id(&seen[1]));
        assert_eq!(inserted(&seen[2]).1, [0, 1]);
    });
}

#[test]
fn timeplus_is_asked_about_a_stream_as_a_table() {
    bounded_test(|| {
        let script = vec![timeplus(), Reply::Close, ok("1\n"), ok("1\n")];
        let (seen, ended, _) = against(&trial(), script, 1);
        ended.unwrap();
        assert!(question(&seen[2]).starts_with("SELECT count() FROM table(`default`.`det`) WHERE"));
    });
}

#[test]
fn who_cannot_wait_lets_the_oldest_go() {
    bounded_test(|| {
        let mut trial = trial();
        trial.settings.max_bytes = 1;
        trial.settings.limits.rows = 1;
        trial.settings.when_full = WhenSpoolFull::DropOldest;
        trial.settings.drain = ms(10);
        let (ended, stats) = trial.run(&format!("http://127.0.0.1:{}", free_port()), 50);
        let error = ended.unwrap_err();
        assert!(error.to_string().starts_with("50 rows did not get to timeplus"), "{error}");
        assert!(matches!(error, SinkError::LeftBehind { kept: 0, lost: 50, .. }), "{error:?}");
        assert!(stats.rows_dropped >= 48, "{stats:?}");
    });
}

#[test]
fn who_waits_gives_up_in_the_end() {
    bounded_test(|| {
        let mut trial = trial();
        trial.settings.max_bytes = 1;
        trial.settings.limits.rows = 1;
        trial.settings.when_full = WhenSpoolFull::Block(ms(100));
        let (ended, stats) = trial.run(&format!("http://127.0.0.1:{}", free_port()), 100);
        // The run goes on without, and knows how many rows were lost.
        let error = ended.unwrap_err();
        assert!(matches!(error, SinkError::LeftBehind { kept: 0, lost: 100, .. }), "{error:?}");
        assert!(error.to_string().contains("it took nothing for 0 s"), "{error}");
        assert_eq!((stats.rows_dropped, stats.rows_waiting), (100, 0));
        trial.settings.required = true;
        let mut sink = trial.start(&format!("http://127.0.0.1:{}", free_port()));
        sink.write(&run_item(false)).unwrap();
        let failed = (0..100).find_map(|frame| sink.write(&frame_item(frame)).err());
        let error = failed.unwrap();
        assert!(matches!(error, SinkError::Away { .. }), "{error:?}");
        assert!(error.to_string().contains("cannot connect"), "{error}");
        assert!(!format!("{error} {error:?}").contains(PASSWORD));
    });
}

#[test]
fn the_native_port_is_recognised() {
    let server = Server::new("http://host:8463", None, None, ServerSettings::default());
    let error = server.unwrap_err();
    assert!(error.hint().unwrap().contains("8123"));
}
