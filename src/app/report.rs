//! `report`: a page of the records of a run.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use crate::cli::ReportRequest;
use crate::config::{ConfigError, LogFormat};
use crate::exit::{Error, Status};
use crate::logging;
use crate::report::{MAX_FRAME_BYTES, ReportError};
use crate::sink::file::{Target, TextFile};
use crate::sink::{Ending, SinkError};
use crate::source::SourceError;

/// Bytes that are read at once: records are long lines.
const CHUNK: usize = 1 << 20;

/// Makes the page that is asked for.
pub(super) fn report(request: &ReportRequest, stdout: File) -> Result<Status, Error> {
    logging::init(LogFormat::Text, false, false);
    let shown = request.records.display().to_string();
    let frame = request.frame.as_deref().map(picture).transpose()?;
    let mut records: Box<dyn BufRead> = if request.records == Path::new("-") {
        Box::new(BufReader::with_capacity(CHUNK, std::io::stdin()))
    } else {
        let file = File::open(&request.records);
        let file = file.map_err(|error| SourceError::from_io(&shown, &error))?;
        Box::new(BufReader::with_capacity(CHUNK, file))
    };
    // Read whole before anything is written: records that are none leave an old page alone.
    let mut page = Vec::new();
    let facts = crate::report::report(&mut records, frame.as_deref(), &mut page);
    let facts = facts.map_err(|error| failed(&shown, error))?;
    let mut file = if request.page == Path::new("-") {
        TextFile::stdout(stdout)
    } else {
        refuse_input(request)?;
        TextFile::create(Target::prepare(&request.page, false)?)?
    };
    let written = file.writer().write_all(&page);
    written.map_err(|error| -> SinkError { file.failed(&error) })?;
    file.finish(Ending::Whole)?;
    if facts.cut || facts.unfinished > 0 {
        log::warn!("the records of '{shown}' have no end: the run was killed, or still goes on");
    }
    Ok(Status::Code(0))
}

fn refuse_input(request: &ReportRequest) -> Result<(), ConfigError> {
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let inputs = [Some(&request.records), request.frame.as_ref()];
    if inputs.into_iter().flatten().any(|input| same(input, &request.page)) {
        let message = format!("--output '{}' is the input", request.page.display());
        return Err(ConfigError::new(message).with_hint("give the page another name"));
    }
    Ok(())
}

/// The bytes of a picture, no more than a page takes.
fn picture(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| SourceError::from_io(&path.to_string_lossy(), &error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FRAME_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn failed(records: &str, error: ReportError) -> Error {
    match error {
        ReportError::Frame(reason) => ConfigError::new(format!("--frame: {reason}")).into(),
        error => {
            let (uri, reason) = (records.into(), error.to_string());
            let hint = "make them with: vision-pipe run VIDEO --ndjson FILE".to_owned();
            SourceError::Unreadable { uri, reason, hint: Some(hint) }.into()
        }
    }
}
