//! Every setting in one table: flags, environment variables, the configuration file, the help,
//! the man page and `--print-config` all follow from it.

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Long flag, key of the file, and, in capitals after `VISION_PIPE_`, the variable.
    pub name: &'static str,
    /// Short flag.
    pub short: Option<char>,
    /// Another long flag for the same.
    pub alias: Option<&'static str>,
    /// Name of the value; a switch has none.
    pub value: Option<&'static str>,
    /// What holds when nobody says anything; shown in the help and parsed like any other value.
    pub default: Option<&'static str>,
    /// Headline in the help.
    pub heading: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// Whether it makes sense outside the command line.
    pub in_file: bool,
}

/// Headline of settings of the input.
pub const INPUT: &str = "Input";
/// Headline of settings of the model.
pub const MODEL: &str = "Model";
const OUTPUT: &str = "Output";
const TRACKING: &str = "Tracking";
const DRAWING: &str = "Drawing";
const LIVE: &str = "Cameras and streams";
/// Headline of settings of the page.
pub const PREVIEW: &str = "Preview";
/// Headline of settings of Timeplus.
pub const TIMEPLUS: &str = "Timeplus and ClickHouse";
const THRIFT: &str = "Less inference";
const ROBOFLOW: &str = "Roboflow";
/// Headline of settings of `serve`.
pub const SERVE: &str = "Serving";
/// Headline of settings of the program.
pub const CONTROL: &str = "Control";

const fn key(name: &'static str, heading: &'static str, help: &'static str) -> Key {
    Key { name, short: None, alias: None, value: None, default: None, heading, help, in_file: true }
}

impl Key {
    const fn value(self, value: &'static str) -> Self {
        Self { value: Some(value), ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    const fn only_flag(self) -> Self {
        Self { in_file: false, ..self }
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("VISION_PIPE_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

/// All settings of a run, in the order of the help.
pub const KEYS: &[Key] = &[
    key(
        "input",
        INPUT,
        "A video, picture, folder or glob; an address, webcam or -; several, also without a flag",
    )
    .short('i')
    .value("INPUT"),
    key("inputs-from", INPUT, "More inputs from a file, one a line; - is standard input")
        .value("FILE"),
    key("null", INPUT, "Inputs of --inputs-from end in a zero byte, as find -print0 writes them")
        .short('0'),
    key("recursive", INPUT, "Find videos in the folders below a folder too"),
    key(
        "detections",
        INPUT,
        "Records of earlier runs in place of the model, also without a video; several, or a pattern",
    )
    .value("FILE"),
    key(
        "live",
        LIVE,
        "Whether frames may be dropped to keep up: yes, no, or auto, for cameras and streams",
    )
    .value("HOW")
    .default("auto"),
    key(
        "live-policy",
        LIVE,
        "Which frames then: latest, bounded:500ms (none that waited longer), or all",
    )
    .value("POLICY")
    .default("latest"),
    key("realtime", LIVE, "Read a file at its own pace"),
    key("loop", LIVE, "Read a file again and again"),
    key("reconnect", LIVE, "Open a stream again: never, once-open (after it was open), or always")
        .value("WHEN")
        .default("once-open"),
    key("reconnect-max", LIVE, "Longest pause before the next attempt; the first is 0.5 s")
        .value("TIME")
        .default("30s"),
    key("read-timeout", LIVE, "How long a stream may give nothing").value("TIME").default("10s"),
    key("rtsp-transport", LIVE, "How RTSP carries pictures: tcp or udp")
        .value("HOW")
        .default("tcp"),
    key(
        "hwaccel",
        INPUT,
        "What decodes: none (software), auto, vaapi or cuda; software where it fails",
    )
    .value("HOW")
    .default("none"),
    key(
        "video-stream",
        INPUT,
        "Which video stream of a file with several, counted from 0 [default: the best]",
    )
    .value("N"),
    key("name", INPUT, "Name of the source in the records [default: the input's base name]")
        .value("NAME"),
    key("start", INPUT, "First time to process: 90, 1m30s or 00:01:30.5").value("TIME"),
    key("end", INPUT, "Time to stop at").value("TIME"),
    key("duration", INPUT, "How long to process from the start").value("TIME"),
    key("stride", INPUT, "Process every Nth frame").alias("vid-stride").value("N").default("1"),
    key("max-fps", INPUT, "Process at most N frames for each second of the video").value("N"),
    key("segment-of", INPUT, "Only part I of N of a video, cut at key frames; frames keep their numbers")
        .value("I/N"),
    key("max-frames", INPUT, "Process at most N frames").value("N"),
    key(
        "recorded-at",
        INPUT,
        "UTC of the first frame, for `ts`: an RFC 3339 time, container, mtime or now",
    )
    .value("WHEN"),
    key("model", MODEL, "An ONNX model, or the name of a known one; see 'vision-pipe inspect'")
        .short('m')
        .value("MODEL")
        .default("nanodet-g-416"),
    key(
        "engine",
        MODEL,
        "What runs the model: auto, onnxruntime, tract (built in) or roboflow, a server",
    )
    .value("ENGINE")
    .default("auto"),
    key("device", MODEL, "What ONNX Runtime computes on: auto, cpu, cuda[:N] or openvino[:GPU]")
        .value("DEVICE")
        .default("auto"),
    key(
        "onnxruntime-lib",
        MODEL,
        "The ONNX Runtime library [default: see FILES in the manual page]",
    )
    .value("FILE"),
    key("conf", MODEL, "Least confidence of a detection, 0 to 1").value("X").default("0.25"),
    key(
        "iou",
        MODEL,
        "Largest overlap (IoU) of two boxes of a class, 0 to 1 [default: the model's]",
    )
    .value("X"),
    key("agnostic-nms", MODEL, "Boxes of different classes suppress each other too"),
    key("classes", MODEL, "Keep only these classes, by name or id: person,car").value("LIST"),
    key("max-det", MODEL, "Most detections a frame").value("N").default("300"),
    key(
        "imgsz",
        MODEL,
        "Size of the model's input where it is open: 640 or 640x384 (width x height)",
    )
    .value("SIZE"),
    key("labels", MODEL, "Class names, one a line").value("FILE"),
    key("class-names", MODEL, "Class names themselves: red,green,blue").value("LIST"),
    key("head", MODEL, "How the outputs are read [default: recognised; see 'vision-pipe inspect']")
        .value("FAMILY"),
    key(
        "resize",
        MODEL,
        "Fit of pictures: letterbox, letterbox:636, top-left, stretch, crop, crop:256 [default: the model's]",
    )
    .value("HOW"),
    key(
        "interpolation",
        MODEL,
        "How they are scaled: linear, antialias, bicubic or cubic [default: the model's]",
    )
    .value("HOW"),
    key("colour", MODEL, "Order of colours: rgb or bgr [default: the model's]").value("ORDER"),
    key(
        "mean",
        MODEL,
        "Subtracted from colours of 0 to 255, one or three numbers [default: the model's]",
    )
    .value("LIST"),
    key("std", MODEL, "Divides them then, one or three numbers [default: the model's]")
        .value("LIST"),
    key("tile", MODEL, "Look at so many parts too, for small objects: 2x2 (across x down)")
        .value("TILES"),
    key("cascade", MODEL, "A classifier for every box; adds `attributes`").value("MODEL"),
    key(
        "output",
        OUTPUT,
        "Annotated video: .mp4, .mkv, .mov, .webm, .ts or .gif; - is standard output",
    )
    .short('o')
    .value("FILE"),
    key(
        "output-format",
        OUTPUT,
        "What the video on standard output is: matroska or mpegts [default: matroska]",
    )
    .value("FORM"),
    key(
        "encoder",
        OUTPUT,
        "Encoder of the video, by FFmpeg's name [default: libx264 or what works]",
    )
    .value("NAME"),
    key("crf", OUTPUT, "Quality of the video, less is better and larger [default: 23; webm 31]")
        .value("N"),
    key("preset", OUTPUT, "Preset of the encoder [default: veryfast]").value("NAME"),
    key("output-size", OUTPUT, "Size of the video: 1280x720, or 1280:-2 to keep the proportions")
        .value("SIZE"),
    key("output-fps", OUTPUT, "Give the video a constant rate [default: the frames' own times]")
        .value("N"),
    key("side-by-side", OUTPUT, "Put the picture as it was to the left of the annotated one"),
    key("no-audio", OUTPUT, "Leave the sound out of the video"),
    key(
        "ndjson",
        OUTPUT,
        "Records; - is standard output, the default where no other output is given",
    )
    .value("FILE"),
    key("emit", OUTPUT, "What NDJSON has a line for: frames, or detections (flat, a box a line)")
        .value("WHAT")
        .default("frames"),
    key("csv", OUTPUT, "Detections as CSV; - is standard output").value("FILE"),
    key(
        "mot",
        OUTPUT,
        "Tracks as the MOT challenge has them; - is standard output; needs a tracker",
    )
    .value("FILE"),
    key("save-frames", OUTPUT, "Annotated frames as JPEG files").value("DIR"),
    key("segment", OUTPUT, "Begin new files after this time or size: 10m or 500MB; see SEGMENTS")
        .value("LENGTH"),
    key("keep", OUTPUT, "Delete our own segments when they are older than this: 7d").value("TIME"),
    key("keep-bytes", OUTPUT, "Delete our oldest segments when all are more than this: 50GB")
        .value("SIZE"),
    key(
        "min-free",
        OUTPUT,
        "Stop the video and its like while less is free [default: 1 % of the disk, live only]",
    )
    .value("SIZE"),
    key("no-clobber", OUTPUT, "Do not replace files that are there").short('n'),
    key("summary-json", OUTPUT, "The summary record, also where stdout was closed").value("FILE"),
    key("timing", OUTPUT, "Add the time of each stage to every frame record"),
    key("tracker", TRACKING, "Who is who from frame to frame: none, bytetrack, sort or ocsort")
        .value("NAME")
        .default("none"),
    key("track", TRACKING, "Short for --tracker bytetrack"),
    key("track-time", TRACKING, "The time between frames: frames, or pts where some were left out")
        .value("KIND")
        .default("frames"),
    key(
        "track-high",
        TRACKING,
        "Detections above this are tracked first [default: bytetrack 0.45, others 0.5]",
    )
    .value("X"),
    key("track-low", TRACKING, "Those above this continue tracks [default: 0.1; ocsort: none do]")
        .value("X"),
    key("track-new", TRACKING, "Least confidence of a new track [default: track-high + 0.1]")
        .value("X"),
    key("track-buffer", TRACKING, "Thirtieths of a second a lost track is kept [default: 60]")
        .value("N"),
    key("track-match", TRACKING, "Largest cost, 1 - IoU * confidence, of a match [default: 0.85]")
        .value("X"),
    key("track-match-low", TRACKING, "The same, 1 - IoU, of unsure detections [default: 0.5]")
        .value("X"),
    key("track-match-new", TRACKING, "The same of tracks that were seen once [default: 0.7]")
        .value("X"),
    key("track-duplicate", TRACKING, "Tracks as near as this cost are one [default: 0.15]")
        .value("X"),
    key("track-no-fuse", TRACKING, "Costs without the confidence"),
    key("track-mix-classes", TRACKING, "A track may change its class"),
    key("track-min-iou", TRACKING, "Least IoU of a match (sort, ocsort) [default: 0.3]").value("X"),
    key("track-min-hits", TRACKING, "Frames until a track is sure (sort, ocsort) [default: 3]")
        .value("N"),
    key("track-max-age", TRACKING, "Frames a lost track is kept [default: sort 1, ocsort 30]")
        .value("N"),
    key("track-delta", TRACKING, "Frames over which a direction is taken (ocsort) [default: 3]")
        .value("N"),
    key("track-inertia", TRACKING, "Weight of the direction (ocsort) [default: 0.2]").value("X"),
    key(
        "zone",
        TRACKING,
        "An area to watch: {name = \"door\", polygon = [[x, y], ...]}; see ANALYTICS",
    )
    .value("TABLE"),
    key("line", TRACKING, "A line to count at: {name = \"gate\", from = [x, y], to = [x, y]}")
        .value("TABLE"),
    key("ground", TRACKING, "Four points and where they are: {picture = [...], metres = [...]}")
        .value("TABLE"),
    key(
        "rule",
        TRACKING,
        "What is worth an alert: {name = \"intruder\", event = \"zone_entered\", ...}",
    )
    .value("TABLE"),
    key("clips", TRACKING, "A video of each event, named by time and track; needs a tracker")
        .value("DIR"),
    key("clip-on", TRACKING, "The events of which videos are made, as in the records")
        .value("LIST")
        .default("appeared"),
    key("pre", TRACKING, "How much of the time before an event its video shows")
        .value("TIME")
        .default("5s"),
    key("post", TRACKING, "How much of the time after it").value("TIME").default("5s"),
    key("snapshots", TRACKING, "The best picture of each track as JPEG; needs a tracker")
        .value("DIR"),
    key(
        "draw",
        DRAWING,
        "What to draw, or none; also trace, corners, ellipse, dot, blur, pixelate, heatmap, counts",
    )
    .value("LIST")
    .default("boxes,labels,confidence,ids,masks,keypoints,zones"),
    key("color", DRAWING, "Colour of what is drawn: class, track, or one such as red or #ff8800")
        .value("COLOR")
        .default("class"),
    key("line-width", DRAWING, "Width of lines in pixels [default: from the picture's size]")
        .value("N"),
    key("font-scale", DRAWING, "Size of the text, as a multiple of the usual")
        .value("X")
        .default("1"),
    key("font", DRAWING, "A font file for labels [default: DejaVu Sans, then the system's]")
        .value("FILE"),
    key("blur-classes", DRAWING, "Blur or pixelate only these classes, by name or id: person,face")
        .value("LIST"),
    key("workflow", ROBOFLOW, "The workflow that --engine roboflow asks for").value("WORKSPACE/ID"),
    key("workflow-file", ROBOFLOW, "The same as a JSON definition, which is sent along")
        .value("FILE"),
    key("workflow-input", ROBOFLOW, "A parameter of it; NAME=@FILE takes a picture, JSON or text")
        .value("NAME=VALUE"),
    key("workflow-image", ROBOFLOW, "Its output that takes the place of our annotated picture")
        .value("NAME"),
    key("roboflow-model", ROBOFLOW, "A model to ask for in place of a workflow, such as project/3")
        .value("MODEL"),
    key("roboflow-task", ROBOFLOW, "What that model does: detect, classify, pose or segment")
        .value("TASK")
        .default("detect"),
    key(
        "roboflow-url",
        ROBOFLOW,
        "The server: local (localhost:9001), hosted (frames go to Roboflow) or its address",
    )
    .value("URL")
    .default("local"),
    key("roboflow-api-key", ROBOFLOW, "What the server wants to know; better in ROBOFLOW_API_KEY")
        .value("KEY"),
    key("roboflow-jpeg-quality", ROBOFLOW, "Of the frames that are sent, 1 to 100")
        .value("N")
        .default("90"),
    key(
        "on-engine-error",
        ROBOFLOW,
        "When the server fails at a frame for good: stop, or skip, which leaves a gap record",
    )
    .value("WHAT")
    .default("stop"),
    key(
        "detect-every",
        THRIFT,
        "Run the model on every Nth frame; tracks carry the boxes between; or auto",
    )
    .value("N")
    .default("1"),
    key(
        "motion-gate",
        THRIFT,
        "Run the model only where the picture has changed since it last did",
    ),
    key(
        "motion-threshold",
        THRIFT,
        "Change of an area's mean colour that counts as motion, 1 to 255",
    )
    .value("X")
    .default("6"),
    key("mask", THRIFT, "An area without motion: {name = \"tree\", polygon = [[x, y], ...]}")
        .value("TABLE"),
    key(
        "preview",
        PREVIEW,
        "A page to watch the run on, at PORT or HOST:PORT; loopback unless told",
    )
    .value("ADDR"),
    key("preview-fps", PREVIEW, "Pictures a second that it shows at most")
        .value("FPS")
        .default("15"),
    key("preview-width", PREVIEW, "Width of its pictures at most, in pixels")
        .value("N")
        .default("960"),
    key("preview-quality", PREVIEW, "Their JPEG quality, 1 to 100").value("N").default("80"),
    key("preview-clients", PREVIEW, "How many may watch at once").value("N").default("64"),
    key("preview-token", PREVIEW, "What everybody who asks must know; better in the environment")
        .value("TEXT"),
    key("preview-cors", PREVIEW, "Whose pages may read the answers: an origin, or *")
        .value("ORIGIN"),
    key("preview-linger", PREVIEW, "Serve the page on after the end, until a signal comes"),
    key("static-dir", PREVIEW, "A folder whose files replace those of the page").value("DIR"),
    key("timeplus", TIMEPLUS, "Rows to the server at this address, such as http://localhost:8123")
        .value("URL"),
    key("timeplus-user", TIMEPLUS, "Who we are there [default: TIMEPLUS_USER]").value("NAME"),
    key(
        "timeplus-password",
        TIMEPLUS,
        "The password; better in TIMEPLUS_PASSWORD, where ps does not show it",
    )
    .value("PASSWORD"),
    key("timeplus-schema", TIMEPLUS, "Rows of what: detections (frames too), events, raw; several")
        .value("SCHEMAS")
        .default("detections"),
    key(
        "timeplus-stream",
        TIMEPLUS,
        "Name of the stream of the first schema [default: vision_pipe_detections and its like]",
    )
    .value("NAME"),
    key("timeplus-dialect", TIMEPLUS, "Whose SQL it speaks: auto, timeplus or clickhouse")
        .value("NAME")
        .default("auto"),
    key("timeplus-ttl", TIMEPLUS, "Days for which streams that we make keep rows").value("DAYS"),
    key("timeplus-ca", TIMEPLUS, "Trusted certificates (PEM) in place of this machine's")
        .value("FILE"),
    key("timeplus-give-up", TIMEPLUS, "How long a file may wait for a server that takes nothing")
        .value("TIME")
        .default("10m"),
    key("spool", TIMEPLUS, "A folder for rows that are not there yet: they survive everything")
        .value("DIR"),
    key("spool-bytes", TIMEPLUS, "The most that may wait, on disk or else in memory")
        .value("SIZE")
        .default("256MB"),
    key("require", TIMEPLUS, "End the run where rows cannot be delivered: timeplus").value("WHAT"),
    key("listen", SERVE, "Where to serve, PORT or HOST:PORT; loopback unless told")
        .value("ADDR")
        .default("127.0.0.1:9001"),
    key("model-id", SERVE, "The model's only name for clients, such as project/3 [default: any]")
        .value("NAME"),
    key("allow-url-images", SERVE, "Fetch pictures from public addresses that clients name"),
    key(
        "workers",
        CONTROL,
        "Inference threads [default: the processors this process may use; roboflow 4]",
    )
    .short('w')
    .value("N"),
    key("drain-timeout", CONTROL, "How long outputs may take to finish after a signal")
        .value("TIME")
        .default("8s"),
    key("progress", CONTROL, "How to show progress on stderr: auto, bar, json or none")
        .value("HOW")
        .default("auto"),
    key("log-format", CONTROL, "Form of messages on stderr: text or json")
        .value("FORM")
        .default("text"),
    key("verbose", CONTROL, "Say more, the decoder too").short('v'),
    key("quiet", CONTROL, "Say nothing but errors").short('q'),
    key("jobs", CONTROL, "How many files are processed at once; cameras and streams always are")
        .value("N")
        .default("1"),
    key("resume", CONTROL, "Keep what the model finds, and go on from there when begun again"),
    key(
        "skip-done",
        CONTROL,
        "Leave out inputs whose outputs are whole and as they would be made now",
    ),
    key("fail-fast", CONTROL, "Stop all when the first input fails, with its exit code"),
    key("max-time", CONTROL, "End well after this time, wherever it is then: 2h").value("TIME"),
    key("lock", CONTROL, "Run only if no other run holds this file; exit code 75 otherwise")
        .value("FILE"),
    key("nice", CONTROL, "Let other programs come first, as nice does: 0 to 19").value("N"),
    key("shard", CONTROL, "Only part I of the inputs in N, or auto[/N] by a job array's variables")
        .value("I/N"),
    key("shard-by", CONTROL, "What inputs are told apart by then: path (as given) or source (content)")
        .value("WHAT")
        .default("path"),
    key("config", CONTROL, "A TOML file with these settings, the names without --")
        .short('c')
        .value("FILE")
        .only_flag(),
    key("print-config", CONTROL, "Print every setting and where it came from, and stop")
        .only_flag(),
    key("dry-run", CONTROL, "Try input, model and outputs without running").only_flag(),
];

/// Settings that are tables, and may be several.
pub const TABLES: [&str; 5] = ["zone", "line", "ground", "mask", "rule"];

/// Where a layer keeps the `[[input]]` tables, which are no values of the setting `input`.
pub const INPUT_TABLES: &str = "[[input]]";

/// Whether a setting can be one input's own: the model, the page and the program are shared.
pub fn is_of_an_input(key: &Key) -> bool {
    match key.heading {
        MODEL => matches!(key.name, "classes" | "conf" | "iou" | "max-det" | "agnostic-nms"),
        PREVIEW | CONTROL | TIMEPLUS | ROBOFLOW | SERVE => false,
        _ => !matches!(
            key.name,
            "detections"
                | "emit"
                | "input"
                | "inputs-from"
                | "no-clobber"
                | "null"
                | "rule"
                | "summary-json"
        ),
    }
}

/// Settings of a model, for the file beside it.
pub const OF_MODEL: [&str; 14] = [
    "agnostic-nms",
    "class-names",
    "colour",
    "conf",
    "head",
    "imgsz",
    "interpolation",
    "iou",
    "labels",
    "max-det",
    "mean",
    "resize",
    "std",
    "tile",
];

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_are_unique_and_helps_are_short() {
        let mut names: Vec<_> = KEYS.iter().map(|k| k.name).collect();
        names.extend(KEYS.iter().filter_map(|k| k.alias));
        let mut letters: Vec<_> = KEYS.iter().filter_map(|k| k.short).collect();
        let counts = (names.len(), letters.len());
        names.sort_unstable();
        names.dedup();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!((names.len(), letters.len()), counts);
        assert!(KEYS.iter().all(|k| k.help.len() <= 100 && !k.help.ends_with('.')));
    }
}
