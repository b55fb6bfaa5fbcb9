//! Streams from servers and pipes that answer, stay silent, break off and lie.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::Builder;
use std::time::Instant;

use super::*;
use crate::av::Decoder;
use crate::source::Source;
use crate::source::stream::Decoding;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/pedestrians.mp4");
const PICTURE: &[u8] = include_bytes!("../../samples/astronaut.jpg");
/// Frames of the sample.
const FRAMES: usize = 100;

/// Runs `work`, which must be done in time.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, done) = mpsc::sync_channel(1);
    Builder::new().spawn(move || send.send(work()).ok()).unwrap();
    done.recv_timeout(Duration::from_secs(60)).expect("done in time, without a panic")
}

/// A server that treats every connection alike; its address.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            Builder::new().spawn(move || serve(stream)).unwrap();
        }
    };
    Builder::new().spawn(accept).unwrap();
    address
}

#[test]
fn the_host_is_what_stands_between() {
    for (url, expected) in [
        ("http://cam:8080/a:b", "cam"),
        ("rtsp://me:p@w@cam/1", "cam"),
        ("http://[::1]:80/x", "::1"),
        ("http://cam?x=1", "cam"),
        ("pipe:3", ""),
    ] {
        assert_eq!(host(url), expected, "{url}");
    }
    assert_eq!(never_opened("http://no.such.host.invalid/x"), "the host is unknown");
}

/// The path that was asked for.
fn request(stream: &mut TcpStream) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok();
}

/// A server of the files of a folder; its address.
fn files(folder: PathBuf) -> String {
    server(move |mut stream| {
        let path = request(&mut stream);
        match std::fs::read(folder.join(path.trim_start_matches('/'))) {
            Ok(body) => answer(&mut stream, "200 OK", &body),
            Err(_) => answer(&mut stream, "404 Not Found", b""),
        }
    })
}

fn access(milliseconds: u64) -> Access {
    Access { read_timeout: Duration::from_millis(milliseconds), ..Access::default() }
}

fn decoder(url: &str) -> Result<Decoder, SourceError> {
    let stream = Stream::of(url).unwrap().unwrap();
    Decoder::connect(&stream, &access(20_000), &Cancel::default())
}

fn refused(url: &str, milliseconds: u64) -> SourceError {
    let stream = Stream::of(url).unwrap().unwrap();
    match Decoder::connect(&stream, &access(milliseconds), &Cancel::default()) {
        Ok(_) => panic!("'{url}' was opened"),
        Err(error) => error,
    }
}

/// Times of all frames to the end.
fn times(source: &mut Decoder) -> Vec<f64> {
    std::iter::from_fn(|| source.grab().unwrap()).map(|meta| meta.pts_s.unwrap()).collect()
}

fn ffmpeg(arguments: &str, output: &str) -> Child {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i", SAMPLE]).args(arguments.split(' ')).arg(output);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

fn made_by_ffmpeg(arguments: &str, output: &Path) {
    assert!(ffmpeg(arguments, output.to_str().unwrap()).wait().unwrap().success());
}

#[test]
fn a_server_that_says_nothing_is_silent() {
    in_time(|| {
        let address = server(|stream| {
            std::thread::sleep(Duration::from_secs(100));
            drop(stream);
        });
        for scheme in ["rtsp", "http"] {
            let start = Instant::now();
            let error = refused(&format!("{scheme}://me:secret@{address}/x"), 400);
            let elapsed = start.elapsed();
            assert!(matches!(error, SourceError::Silent { .. }), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(elapsed >= Duration::from_millis(390), "{scheme}: {elapsed:?}");
            assert!(elapsed < Duration::from_secs(4), "{scheme}: {elapsed:?}");
        }
    });
}

#[test]
fn a_stop_is_heard_while_nothing_comes() {
    in_time(|| {
        let address = server(|stream| {
            std::thread::sleep(Duration::from_secs(100));
            drop(stream);
        });
        for scheme in ["rtsp", "http", "tcp"] {
            let cancel = Cancel::default();
            let stop = cancel.clone();
            Builder::new()
                .spawn(move || {
                    std::thread::sleep(Duration::from_millis(200));
                    stop.without_signal();
                })
                .unwrap();
            let stream = Stream::of(&format!("{scheme}://{address}/x")).unwrap().unwrap();
            let start = Instant::now();
            let error = Decoder::connect(&stream, &access(60_000), &cancel).err().unwrap();
            assert!(matches!(error, SourceError::Stopped { .. }), "{error}");
            assert!(start.elapsed() < Duration::from_secs(2), "{scheme}: {:?}", start.elapsed());
        }
    });
}

#[test]
fn a_server_that_hangs_up_or_refuses_is_unreachable() {
    in_time(|| {
        let hangs_up = server(|mut stream| {
            let mut start = [0; 8];
            stream.read_exact(&mut start).ok();
        });
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for url in [
            format!("rtsp://me:secret@{hangs_up}/x"),
            format!("http://me:secret@{hangs_up}/x"),
            format!("rtsp://me:secret@{closed}/x"),
            format!("http://me:secret@{closed}/x"),
        ] {
            let start = Instant::now();
            let error = refused(&url, 10_000);
            assert!(start.elapsed() < Duration::from_secs(5), "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
            let open =
                matches!(error, SourceError::Unreachable { .. } | SourceError::Unreadable { .. });
            assert!(open, "{url}: {error}");
        }
    });
}

#[test]
fn what_http_refuses_is_said() {
    in_time(|| {
        for (status, says) in [
            ("404 Not Found", "404 Not Found"),
            ("401 Unauthorized", "401 Unauthorized"),
            ("503 Service Unavailable", "5XX"),
        ] {
            let address = server(move |mut stream| {
                request(&mut stream);
                answer(&mut stream, status, b"");
            });
            let error = refused(&format!("http://me:secret@{address}/x"), 10_000).to_string();
            assert!(error.contains(says) && error.contains("***"), "{error}");
        }
        let page = server(|mut stream| {
            request(&mut stream);
            answer(&mut stream, "200 OK", b"<!doctype html><title>a page</title>");
        });
        let error = refused(&format!("http://{page}/x"), 10_000);
        assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
    });
}

#[test]
fn motion_jpeg_is_live_and_told_by_the_wall_clock() {
    in_time(|| {
        let address = server(|mut stream| {
            request(&mut stream);
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            for _ in 0..8 {
                let part = format!(
                    "--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                    PICTURE.len()
                );
                let sent = stream
                    .write_all(part.as_bytes())
                    .and_then(|()| stream.write_all(PICTURE))
                    .and_then(|()| stream.write_all(b"\r\n"));
                if sent.is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let mut source = decoder(&format!("http://{address}/cam")).unwrap();
        assert!(source.info().live);
        assert_eq!((source.info().fps, source.info().frames), (None, None));
        let mut all = Vec::new();
        while let Ok(Some(meta)) = source.grab() {
            assert_eq!(source.retrieve().unwrap().size(), source.info().size);
            all.push(meta.pts_s.unwrap());
        }
        assert!(all.len() >= 7, "{all:?}");
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert!(all[all.len() - 1] > 0.3, "{all:?}");
        assert!(source.verdict().is_ok());
    });
}

#[test]
fn a_film_over_http_is_as_from_a_file() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        made_by_ffmpeg("-c copy", &dir.path().join("a.ts"));
        std::fs::copy(SAMPLE, dir.path().join("a.mp4")).unwrap();
        let address = files(dir.path().into());
        for name in ["a.mp4", "a.ts"] {
            let mut far = decoder(&format!("http://{address}/{name}")).unwrap();
            let mut near = Decoder::open(&dir.path().join(name), Decoding::default()).unwrap();
            assert!(!far.info().live, "{name}");
            assert_eq!(far.info().duration_s, near.info().duration_s);
            far.grab().unwrap();
            near.grab().unwrap();
            assert!(far.retrieve().unwrap() == near.retrieve().unwrap());
            assert_eq!(times(&mut far), times(&mut near), "{name}");
            assert!(far.verdict().is_ok());
        }
    });
}

#[test]
fn a_film_that_breaks_off_is_cut() {
    in_time(|| {
        let film = std::fs::read(SAMPLE).unwrap();
        let address = server(move |mut stream| {
            request(&mut stream);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", film.len());
            let half = &film[..film.len() / 2];
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(half)).ok();
        });
        let mut film = decoder(&format!("http://{address}/a.mp4")).unwrap();
        assert!((10..90).contains(&times(&mut film).len()));
        assert!(matches!(film.verdict(), Err(SourceError::Cut { .. })));
    });
}

#[test]
fn a_film_that_stalls_is_silent() {
    in_time(|| {
        let film = std::fs::read(SAMPLE).unwrap();
        let address = server(move |mut stream| {
            request(&mut stream);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", film.len());
            let half = &film[..film.len() / 2];
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(half)).ok();
            std::thread::sleep(Duration::from_secs(100));
        });
        let stream = Stream::of(&format!("http://{address}/a.mp4")).unwrap().unwrap();
        let mut film = Decoder::connect(&stream, &access(1500), &Cancel::default()).unwrap();
        let start = Instant::now();
        let error = loop {
            match film.grab() {
                Ok(meta) => assert!(meta.is_some()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SourceError::Silent { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(film.grab().unwrap(), None);
    });
}

#[test]
fn hls_is_read_and_its_end_tells_whether_it_is_live() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("a.m3u8");
        made_by_ffmpeg("-c copy -f hls -hls_time 2 -hls_list_size 0", &list);
        let address = files(dir.path().into());
        let mut film = decoder(&format!("http://{address}/a.m3u8")).unwrap();
        assert!(!film.info().live);
        assert_eq!(times(&mut film).len(), FRAMES);
        assert!(film.verdict().is_ok());
        let text = std::fs::read_to_string(&list).unwrap().replace("#EXT-X-ENDLIST", "");
        std::fs::write(dir.path().join("live.m3u8"), text).unwrap();
        let mut live = decoder(&format!("http://{address}/live.m3u8")).unwrap();
        assert!(live.info().live);
        assert!(live.grab().unwrap().is_some());
    });
}

#[test]
fn a_playlist_from_the_network_reads_no_local_file() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        let film = dir.path().join("a.ts");
        made_by_ffmpeg("-c copy", &film);
        let list = |address: &str| {
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{address}\n#EXT-X-ENDLIST\n")
        };
        let write = |name: &str, address: &str| {
            std::fs::write(dir.path().join(name), list(address)).unwrap();
        };
        write("near.m3u8", &format!("file://{}", film.display()));
        write("concat.m3u8", &format!("concat:{}", film.display()));
        write("crypto.m3u8", &format!("crypto+file:{}", film.display()));
        write("good.m3u8", "a.ts");
        let address = files(dir.path().into());
        for name in ["near", "concat", "crypto"] {
            refused(&format!("http://{address}/{name}.m3u8"), 5_000);
        }
        let mut good = decoder(&format!("http://{address}/good.m3u8")).unwrap();
        assert_eq!(times(&mut good).len(), FRAMES);
    });
}

#[test]
fn pipes_are_read_to_their_end() {
    in_time(|| {
        for format in
            ["-f yuv4mpegpipe -pix_fmt yuv420p", "-c copy -f mpegts", "-c copy -f matroska"]
        {
            let mut child = ffmpeg(format, "pipe:1");
            let output = child.stdout.take().unwrap();
            // What standard input is for the program.
            let path = format!("/proc/self/fd/{}", output.as_raw_fd());
            let stream = Stream::Fifo(path.into());
            // Longer than any pause of a pipe, were it watched.
            let mut source = Decoder::connect(&stream, &access(1), &Cancel::default()).unwrap();
            drop(output);
            assert!(!source.info().live);
            assert_eq!(times(&mut source).len(), FRAMES, "{format}");
            assert!(source.verdict().is_ok());
            assert!(child.wait().unwrap().success());
        }
    });
}

fn fifo() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.ts");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    (dir, path)
}

#[test]
fn a_named_pipe_waits_for_its_writer() {
    in_time(|| {
        let (_dir, path) = fifo();
        let own = path.clone();
        let writer = Builder::new()
            .spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                made_by_ffmpeg("-c copy -f mpegts", &own);
            })
            .unwrap();
        let stream = Stream::Fifo(path);
        let mut source = Decoder::connect(&stream, &access(1), &Cancel::default()).unwrap();
        assert_eq!(times(&mut source).len(), FRAMES);
        writer.join().unwrap();
    });
}

#[test]
fn a_stop_is_heard_while_a_pipe_is_empty() {
    in_time(|| {
        // First nobody writes, then somebody writes nothing.
        for opened in [false, true] {
            let (_dir, path) = fifo();
            let writer = opened
                .then(|| std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap());
            let cancel = Cancel::default();
            let stop = cancel.clone();
            Builder::new()
                .spawn(move || {
                    std::thread::sleep(Duration::from_millis(200));
                    stop.without_signal();
                })
                .unwrap();
            let start = Instant::now();
            let stream = Stream::Fifo(path);
            let error = Decoder::connect(&stream, &Access::default(), &cancel).err().unwrap();
            assert!(matches!(error, SourceError::Stopped { .. }), "{error}");
            assert!(start.elapsed() < Duration::from_secs(2));
            drop(writer);
        }
    });
}

#[test]
fn a_script_in_a_pipe_opens_nothing() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        for script in [
            format!("ffconcat version 1.0\nfile '{SAMPLE}'\n"),
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{SAMPLE}\n#EXT-X-ENDLIST\n"),
            "just words\n".repeat(50),
        ] {
            let path = dir.path().join("script");
            std::fs::write(&path, script).unwrap();
            let stream = Stream::Fifo(path);
            assert!(Decoder::connect(&stream, &access(5_000), &Cancel::default()).is_err());
        }
    });
}

#[test]
fn transport_streams_over_udp_are_live() {
    in_time(|| {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let to = format!("udp://127.0.0.1:{port}?pkt_size=1316");
        let mut sender = Command::new("ffmpeg")
            .args(["-v", "quiet", "-re", "-stream_loop", "-1", "-i", SAMPLE])
            .args(["-c", "copy", "-f", "mpegts", &to])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let source = decoder(&format!("udp://127.0.0.1:{port}"));
        let frames = source.map(|mut source| {
            let frames = (0..30).map_while(|_| source.grab().ok().flatten()).count();
            (frames, source.info().live)
        });
        sender.kill().unwrap();
        sender.wait().unwrap();
        assert_eq!(frames.unwrap(), (30, true));
    });
}

#[test]
fn a_webcam_that_cannot_be_read_says_why() {
    let device = PathBuf::from("/dev/null");
    let stream = Stream::Webcam(device);
    let error = Decoder::connect(&stream, &access(1_000), &Cancel::default()).err().unwrap();
    assert!(error.to_string().contains("'/dev/null'"), "{error}");
}
