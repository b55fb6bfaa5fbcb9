//! Records as newline-delimited JSON, flushed when a frame is done.

use std::io::{ErrorKind, Write};

use super::file::TextFile;
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::record::Record;

/// What a frame becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// One line a frame.
    Frames,
    /// One flat line a box.
    Detections,
}

/// An NDJSON output.
pub struct Ndjson {
    file: TextFile,
    emit: Emit,
}

impl Ndjson {
    /// Writes records to `file`.
    pub fn new(file: TextFile, emit: Emit) -> Self {
        Self { file, emit }
    }

    fn lines(&mut self, item: &Item) -> std::io::Result<()> {
        match item {
            Item::Run(run) => self.line(&Record::Run(run))?,
            Item::Event(event) => self.line(&Record::Event(event))?,
            Item::Gap(gap) => self.line(&Record::Gap(gap))?,
            Item::Summary(summary) => self.line(&Record::Summary(summary))?,
            Item::Total(total) => self.line(&Record::Total(total))?,
            Item::Frame { record, .. } if self.emit == Emit::Frames => {
                self.line(&Record::Frame(record))?;
            }
            Item::Frame { record, .. } => {
                for detection in record.detections() {
                    self.line(&Record::Detection(detection))?;
                }
            }
        }
        self.file.flush()
    }

    fn line(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        serde_json::to_writer(self.file.writer(), record)?;
        self.file.writer().write_all(b"\n")
    }
}

impl Sink for Ndjson {
    fn kind(&self) -> &'static str {
        "ndjson"
    }

    fn target(&self) -> String {
        self.file.shown()
    }

    fn wants_summary(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match self.lines(item) {
            Ok(()) => Ok(Flow::Continue),
            // `| head`: who reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Flow::Done),
            Err(error) => Err(self.file.failed(&error)),
        }
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        self.file.finish(ending)
    }
}
