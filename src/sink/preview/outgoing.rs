//! Bytes on their way to a viewer, shared with all others that get the same.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::picture::Picture;

/// A viewer that takes no byte for so long is let go.
const STALLED: Duration = Duration::from_secs(2);

/// What was queued at once must be gone after so long: dripping is no reading.
const SLOWEST: Duration = Duration::from_secs(20);

/// Pieces that are given to the system at once.
const SLICES: usize = 32;

/// A piece of an answer.
pub(super) enum Chunk {
    /// Made for this viewer.
    Own(Vec<u8>),
    /// Part of the program.
    Fixed(&'static [u8]),
    /// An entry of the journal.
    Text(Arc<str>),
    /// The headers of a picture's part.
    PartHead(Arc<Picture>),
    /// What comes before a picture among those of all sources.
    PacketHead(Arc<Picture>),
    /// A picture.
    Jpeg(Arc<Picture>),
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Fixed(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
            Self::PartHead(picture) => &picture.part_head,
            Self::PacketHead(picture) => &picture.packet_head,
            Self::Jpeg(picture) => &picture.jpeg,
        }
    }
}

/// What is still to be sent to a viewer.
#[derive(Default)]
pub(super) struct Outgoing {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are sent.
    sent: usize,
    /// Since when there was something to send.
    since: Option<Instant>,
    /// When it last took something.
    moved: Option<Instant>,
}

impl Outgoing {
    /// Whether everything is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, chunk: Chunk, now: Instant) {
        if chunk.bytes().is_empty() {
            return;
        }
        if self.chunks.is_empty() {
            (self.since, self.moved) = (Some(now), Some(now));
        }
        self.chunks.push_back(chunk);
    }

    /// Sends as much as the socket takes without waiting.
    ///
    /// # Errors
    /// When the viewer has left.
    pub(super) fn send(&mut self, mut to: &TcpStream, now: Instant) -> io::Result<()> {
        while !self.chunks.is_empty() {
            let mut skip = self.sent;
            let slices = self.chunks.iter().take(SLICES).map(|chunk| {
                let slice = IoSlice::new(&chunk.bytes()[skip..]);
                skip = 0;
                slice
            });
            let slices: Vec<IoSlice<'_>> = slices.collect();
            match to.write_vectored(&slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.drop_sent(count, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn drop_sent(&mut self, count: usize, now: Instant) {
        self.moved = Some(now);
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            let length = first.bytes().len();
            if self.sent < length {
                return;
            }
            self.sent -= length;
            self.chunks.pop_front();
        }
    }

    /// When the viewer is given up unless it takes more.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (since, moved) = (self.since?, self.moved?);
        (!self.chunks.is_empty()).then(|| (moved + STALLED).min(since + SLOWEST))
    }
}
