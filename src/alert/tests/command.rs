//! Programs that read, fail, hang, or leave others behind.

use std::path::Path;

use super::*;
use crate::alert::command::Run;
use crate::alert::{AlertError, Patience, Refusal};
use crate::net::fake::bounded_test;

fn shell(script: &str, limit: Duration) -> Run {
    let argv = ["sh", "-c", script].map(str::to_owned);
    Run::new(&argv, limit).unwrap()
}

fn run(script: &str) -> Result<(), Refusal> {
    shell(script, BOUND).deliver(&alert("an-id"), &Patience::default())
}

fn reason(result: Result<(), Refusal>) -> String {
    match result {
        Err(Refusal::Never { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// Whether a process runs; one that only waits to be reaped by another does not.
fn lives(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let state = state.ok().and_then(|text| Some(text.rsplit_once(')')?.1.trim().chars().next()));
    !matches!(state.flatten(), None | Some('Z' | 'X'))
}

#[test]
fn it_has_the_record_and_the_environment() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let script = format!(
            "cat >{at}/stdin; echo lost; echo \"$VISION_PIPE_EVENT/$VISION_PIPE_NAME/\
             $VISION_PIPE_SOURCE/$VISION_PIPE_EVENT_ID\" >{at}/env; \
             out=$(readlink /proc/$$/fd/1); echo $out >&2; exit 1"
        );
        assert_eq!(reason(run(&script)), "it ended with exit status: 1: /dev/null");
        assert_eq!(read(folder.path(), "stdin"), line("an-id"));
        assert_eq!(read(folder.path(), "env"), "alert/door/cam 1/an-id\n");
    });
}

#[test]
fn no_shell_looks_at_its_words() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a $(b) 'c'; d");
        let argv = ["touch".to_owned(), file.display().to_string()];
        let mut action = Run::new(&argv, BOUND).unwrap();
        action.deliver(&alert("a"), &Patience::default()).unwrap();
        assert!(file.exists());
    });
}

#[test]
fn a_failure_says_how_and_why() {
    bounded_test(|| {
        let said = reason(run("echo first >&2; printf 'it \\033[31mbroke\\n\\n' >&2; exit 7"));
        assert_eq!(said, "it ended with exit status: 7: it [31mbroke");
        assert_eq!(reason(run("exit 1")), "it ended with exit status: 1");
        assert!(reason(run("kill -9 $$")).contains("signal: 9"));
        let mut missing = Run::new(&["/no/such/program".to_owned()], BOUND).unwrap();
        let said = reason(missing.deliver(&alert("a"), &Patience::default()));
        assert_eq!(
            said,
            "cannot be run: no such file or directory; is it there, and may it be run?"
        );
    });
}

#[test]
fn it_need_not_read_and_may_say_much() {
    bounded_test(|| {
        let large = Alert { body: vec![b'x'; 4 << 20], ..alert("a") };
        shell("exit 0", BOUND).deliver(&large, &Patience::default()).unwrap();
        run("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero").unwrap();
    });
}

#[test]
fn it_is_killed_with_all_that_it_started() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        // Neither ends when it is asked to.
        let script = format!(
            "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >{at}/grandchild; while :; do sleep 0.1; done' & \
             echo $$ >{at}/child; while :; do sleep 0.1; done"
        );
        let mut action = shell(&script, Duration::from_millis(500));
        let said = reason(action.deliver(&alert("a"), &Patience::default()));
        assert_eq!(said, "it was killed after 0.5 s");
        // The child is reaped: not even a zombie is left.
        let child = read(folder.path(), "child");
        assert!(!Path::new(&format!("/proc/{}", child.trim())).exists());
        let grandchild = read(folder.path(), "grandchild");
        until("the grandchild's end", || !lives(&grandchild));
    });
}

#[test]
fn who_ends_when_asked_may_clean_up() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cleaned");
        let script =
            format!("trap 'touch {}; exit' TERM; while :; do sleep 0.05; done", file.display());
        let mut action = shell(&script, Duration::from_millis(300));
        reason(action.deliver(&alert("a"), &Patience::default()));
        assert!(file.exists());
    });
}

#[test]
fn what_it_leaves_running_on_purpose_holds_nobody_up() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        run(&format!("sleep 60 & echo $! >{}; exit 0", file.display())).unwrap();
        let pid = std::fs::read_to_string(file).unwrap();
        assert!(lives(&pid));
        std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
    });
}

#[test]
fn the_end_of_the_run_ends_it() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("echo $$ >{}; sleep 60", file.display());
        let settings = Settings { drain: Duration::from_millis(100), ..keen() };
        let mut courier = start(shell(&script, BOUND), &settings);
        fire(&mut courier, "a");
        until("the program", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))
        });
        fire(&mut courier, "b");
        let (lost, fired, _) = losses(finish(courier));
        assert_eq!((lost, fired), (2, 2));
        let pid = std::fs::read_to_string(&file).unwrap();
        assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists());
    });
}

#[test]
fn it_runs_once_for_each_alert_and_never_twice_at_once() {
    bounded_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let script = format!(
            "mkdir {at}/lock || exit 1; echo $VISION_PIPE_EVENT_ID >>{at}/ids; sleep 0.05; \
             rmdir {at}/lock; [ $VISION_PIPE_EVENT_ID != b ]"
        );
        let mut courier = start(shell(&script, BOUND), &keen());
        for id in ["a", "b", "c"] {
            fire(&mut courier, id);
        }
        let (lost, fired, _) = losses(finish(courier));
        assert_eq!((lost, fired), (1, 3));
        assert_eq!(read(folder.path(), "ids"), "a\nb\nc\n");
    });
}

#[test]
fn mistakes_are_found_at_the_start() {
    let new = |argv: &[&str]| {
        let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
        Run::new(&argv, BOUND).unwrap_err()
    };
    assert_eq!(new(&[]), AlertError::NoProgram);
    assert_eq!(new(&[""]), AlertError::NoProgram);
    assert_eq!(new(&["a", "b\0c"]), AlertError::ZeroByte);
}
