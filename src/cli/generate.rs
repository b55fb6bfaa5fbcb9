//! Text for packagers: manual page, completions, schema.

use std::io;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_complete::Shell;

use super::{What, command};
use crate::config::keys::{KEYS, SERVE};
use crate::record::JSON_SCHEMA;

/// What the generated manual page lacks.
const MAN_TAIL: &str = r#".SH "EXIT STATUS"
.TP
0
Done; nothing detected is done too, and so is a reader that closed standard output early.
.TP
1
Failed, for none of the reasons below.
.TP
2
Wrong usage or configuration.
.TP
3
Done, but an optional output failed, lost records or left rows behind, or frames were lost at the engine.
.TP
65
The input is damaged, cut or unreadable. What could be decoded is in the outputs.
.TP
66
The input is missing.
.TP
69
A camera, address or server cannot be reached, or is lost for good.
.TP
74
Reading or writing failed: disk full, permission.
.TP
75
Another run holds the lock, writes segments of the same name, or uses the spool.
.TP
78
The model cannot be used.
.TP
101
A bug. The outputs were closed first and keep their .part names.
.TP
130, 143
Ended by SIGINT or SIGTERM after finishing the outputs. A second signal ends at once.
.SH DRAWING
\fB\-\-draw\fR takes these words, joined by commas, or \fBnone\fR:
.TP
boxes, corners, dot, ellipse
The box, its corners, its middle, an ellipse on the ground below it.
.TP
labels, confidence, ids
The parts of a label: class, confidence, number of the track.
.TP
masks, keypoints, trace
The outline, filled; keypoints and bones; where the track was in the last two seconds.
.TP
blur, pixelate
Makes objects unrecognisable, for half a second after they were last seen too, before any output
gets the picture. \fB\-\-blur\-classes\fR limits it to some classes.
.TP
heatmap, counts, zones
Where objects have stood so far; how many of each class there are; zones and lines with their counts.
.SH ANALYTICS
Zones, lines and the ground are tables of the configuration file, or values of
\fB\-\-zone\fR, \fB\-\-line\fR and \fB\-\-ground\fR in TOML's inline form. Coordinates are
pixels, or fractions of the picture where all of a table are from 0 to 1.
.TP
zone
\fIname\fR, \fIpolygon\fR, and where wanted \fIanchors\fR, \fIclasses\fR, \fIinertia\fR (frames in a
row until it counts), \fImin\-stay\fR (a time: loitering), \fImax\-count\fR (more are a crowd),
\fIsource\fR.
.TP
line
\fIname\fR, \fIfrom\fR, \fIto\fR, and where wanted \fIanchors\fR, \fIclasses\fR, \fIinertia\fR,
\fIsource\fR. "In" is the left hand of who goes from \fIfrom\fR to \fIto\fR.
.TP
ground
\fIpicture\fR and \fImetres\fR, four points each: where points of the picture lie on the ground.
.PP
Anchors are points of a box: centre, top\-left, bottom\-centre (the default) and so on.
.SH FILES
A file is written as NAME.part.EXT in its own folder and gets its name when it is whole, also
after a signal and after damaged input. Devices and pipes are written in place.
.PP
ONNX Runtime is taken from \fB\-\-onnxruntime\-lib\fR, or else from the first of these that
is there: the file that \fBORT_DYLIB_PATH\fR names, \fIlibonnxruntime.so\fR beside the program, in
\fI~/.local/share/vision\-pipe/lib\fR, and among the system's libraries.
.PP
Models that are known by name (\fBvision\-pipe inspect\fR lists them) are looked for as
\fINAME.onnx\fR in \fImodels\fR here and beside the program, and in \fIvision\-pipe/models\fR in
\fI~/.local/share\fR, \fI/usr/local/share\fR and \fI/usr/share\fR. Beside any other model,
\fINAME.toml\fR may hold settings of the model.
.SH "MANY INPUTS"
A folder stands for the videos in it, by the endings 3g2 3gp asf avi divx dv f4v flv h264 h265 hevc ivf m2ts m2v m4v mjpeg mjpg
mkv mov mp4 mpeg mpg mts mxf nut ogv qt ts vob webm wmv y4m, sorted by path; hidden files and our own NAME.part.EXT are left
out. Links are followed, to each folder once. A folder or pattern of pictures without a video is one input; where there are
both, the videos are read. What else is there is counted in one line. An animated picture is a video where it is given by
itself; among pictures its first frame is read. A picture that cannot be read is named, the rest goes on, and the exit code is
3, or 65 where it was every one. In a list blank lines and those that begin with # are left out; with \fB\-0\fR nothing is.
.PP
With \fB\-\-skip\-done\fR an input is left out where all its files have their final names and its NDJSON is that of
a run to the end of the input, with the same \fIsource_id\fR, \fIconfig_id\fR and \fIsettings_id\fR. The lock of
\fB\-\-lock\fR is the kernel's (flock): it goes with the process, and the file stays. After \fB\-\-max\-time\fR
everything ends well, with exit code 0 and what is not done in \fItotal.left\fR.
.SH SHARDS
An input is in shard \fII\fR/\fIN\fR where the first eight bytes of the SHA\-256 of its path as given
(\fB\-\-shard\-by source\fR: of its \fIsource_id\fR), as a number, leave \fII\fR \- 1 when divided by \fIN\fR.
\fBauto\fR takes both from SLURM_ARRAY_TASK_ID and _MIN, _MAX, _STEP and _COUNT, or AWS_BATCH_JOB_ARRAY_INDEX and
AWS_BATCH_JOB_ARRAY_SIZE; \fBauto/\fIN\fR takes \fII\fR from these or JOB_COMPLETION_INDEX, which counts from 0.
.SH ADDRESSES
In a name or password of an address write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A, % as %25 and a space as %20.
An address is shown without its name, password and keys, and what cannot be read as one by its scheme and host.
\fB{hash}\fR in a name is that of an address as it is shown.
.SH SEGMENTS
With \fB\-\-segment\fR, names of \fB\-o\fR, \fB\-\-ndjson\fR and \fB\-\-csv\fR with fields of
time make a row of files, each whole: \fIcam/%Y%m%d\-%H%M%S.mp4\fR. The fields are %Y %y %m %d %H %M
%S %j %s %F, and %% is a percent sign. Times are UTC, those of a file's first frame: its \fIts\fR, or
counted from the start of the run. A file ends at multiples of a time from the first frame on, or when
it has the size. None that is there is written over: a number comes before the ending.
.PP
The program lists the names of its own segments in a hidden file beside them, \fI.NAME.segments\fR,
and \fB\-\-keep\fR and \fB\-\-keep\-bytes\fR delete the oldest of these, of all outputs together,
and no other file. The one that is written comes on top of \fB\-\-keep\-bytes\fR.
.PP
With segments, live, or with \fB\-\-min\-free\fR, a nearly full disk stops clips and pictures (at
twice as much free), then the video, and the records go on; the summary counts what is missing
(\fIdropped.disk\fR), and the exit code is 3.
.SH "TIMEPLUS AND CLICKHOUSE"
With \fB\-\-timeplus\fR each detection and each frame is a row of a stream, or a table in ClickHouse, which is made
where it is missing. Each batch of rows arrives once: it keeps its id through all attempts and restarts. With
\fB\-\-spool\fR rows wait on the disk, the same command started again goes on behind the last frame that is safe there,
and \fBvision\-pipe timeplus drain\fR sends what is left. Of a camera the rows of the last second may be lost where the
program is killed.
.SH ENVIRONMENT
Every setting is also a variable: \fB\-\-max\-fps\fR is \fBVISION_PIPE_MAX_FPS\fR. An empty
variable counts as not set.
.PP
These of the Python demo supply values where nobody else says anything, and turn nothing on by themselves:
\fBTIMEPLUS_USER\fR and \fBTIMEPLUS_PASSWORD\fR say who we are; \fBTIMEPLUS_HOST\fR names the server for
\fBvision\-pipe timeplus\fR, and where something else is said of rows; \fBSTREAM_NAME\fR is \fB\-\-timeplus\-stream\fR of rows of the form raw;
\fBROBOFLOW_API_KEY\fR is \fB\-\-roboflow\-api\-key\fR; \fBROBOFLOW_USERNAME\fR and
\fBROBOFLOW_WORKFLOW\fR together are \fB\-\-workflow\fR.
.PP
Where \fBINPUT_VIDEO\fR is set and no input is given, \fBvision\-pipe run\fR acts as that program: on that video, at its own
pace, with the page at \fBSERVER_HOST\fR:\fBSERVER_PORT\fR (127.0.0.1:5001), also after the end; with raw rows to
\fBTIMEPLUS_HOST\fR, and with that workflow where \fBROBOFLOW_WORKFLOW\fR is set. Everything else that is said wins over
each; \fB\-\-print\-config\fR shows what comes from where.
"#;

/// In the place of options that were explained before.
const SHARED_OPTIONS: &str = "\
The options are those of \\fBrun\\fR that concern it; all but \\fBcheck\\fR and \\fBserve\\fR also take \\fB\\-\\-json\\fR.
";

/// In front of the commands of `timeplus`.
const COMMANDS: &str = "\
.SH COMMANDS
They take the options of \\fBrun\\fR below \"Timeplus and ClickHouse\", and without \\fB\\-\\-timeplus\\fR the
server that \\fBTIMEPLUS_HOST\\fR names.
";

/// Writes what was asked for to `out`.
///
/// # Errors
/// When `out` cannot be written.
pub fn generate(what: What, out: &mut dyn io::Write) -> io::Result<()> {
    match what {
        What::Man => man(out),
        What::Bash => shell(Shell::Bash, out),
        What::Zsh => shell(Shell::Zsh, out),
        What::Fish => shell(Shell::Fish, out),
        What::Schema => out.write_all(JSON_SCHEMA.as_bytes()),
        // Several files, which do not come this way.
        What::Static => Ok(()),
    }
}

fn shell(shell: Shell, out: &mut dyn io::Write) -> io::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "vision-pipe", &mut text);
    out.write_all(&text)
}

/// One page: the program, then each command with its options.
fn man(out: &mut dyn io::Write) -> io::Result<()> {
    let mut command = command();
    command.build();
    let mut page = Vec::new();
    let main = clap_mangen::Man::new(command.clone());
    main.render_title(&mut page)?;
    main.render_name_section(&mut page)?;
    for sub in command.get_subcommands() {
        let title = sub.get_name().to_uppercase();
        let man = clap_mangen::Man::new(sub.clone());
        page.extend_from_slice(format!(".SH \"{title}\"\n").as_bytes());
        if let Some(about) = sub.get_about() {
            page.extend_from_slice(format!("{about}.\n").as_bytes());
        }
        let mut body = Vec::new();
        man.render_synopsis_section(&mut body)?;
        // The others take options of `run`: once is enough.
        if sub.has_subcommands() {
            body.extend_from_slice(commands_of(sub).as_bytes());
        } else if matches!(sub.get_name(), "run" | "repair" | "report" | "generate") {
            man.render_options_section(&mut body)?;
            man.render_extra_section(&mut body)?;
        } else {
            if sub.get_name() == "serve" {
                let own = |arg: &Arg| arg.get_help_heading() == Some(SERVE);
                let other = |arg: Arg| if own(&arg) { arg } else { arg.hide(true) };
                clap_mangen::Man::new(sub.clone().mut_args(other))
                    .render_options_section(&mut body)?;
            }
            body.extend_from_slice(SHARED_OPTIONS.as_bytes());
        }
        page.extend_from_slice(as_subsections(&String::from_utf8_lossy(&body)).as_bytes());
    }
    out.write_all(&page)?;
    out.write_all(MAN_TAIL.as_bytes())
}

/// The commands of a command, each with the options that no other has.
fn commands_of(command: &Command) -> String {
    let mut text = String::from(COMMANDS);
    for sub in command.get_subcommands() {
        let about = escaped(sub.get_about());
        let arguments = sub.get_positionals().map(|argument| format!(" {}", argument.get_id()));
        let name = format!("{}{}", sub.get_name(), arguments.collect::<String>());
        text += &format!(".TP\n\\fB{name}\\fR\n{about}.");
        let own = |argument: &&Arg| {
            let name = argument.get_long().filter(|name| *name != "help");
            name.is_some_and(|name| KEYS.iter().all(|key| key.name != name))
        };
        for argument in sub.get_arguments().filter(own) {
            let name = argument.get_long().unwrap_or_default();
            let help = escaped(argument.get_help());
            text += &format!("\n\\fB\\-\\-{name}\\fR: {help}.");
        }
        text.push('\n');
    }
    text
}

/// A text whose hyphens can be copied from the page.
fn escaped(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().replace('-', "\\-")
}

/// Sections of a command's own page as parts of the one page.
fn as_subsections(roff: &str) -> String {
    let line = |line: &str| match line.strip_prefix(".SH ") {
        Some(title) => format!(".SS {title}\n"),
        None => format!("{line}\n"),
    };
    roff.lines().map(line).collect()
}
