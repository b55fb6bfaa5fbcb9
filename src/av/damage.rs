//! What speaks for a damaged or cut file.

use std::sync::Arc;

use crate::source::{Places, SourceError};

/// Evidence gathered while decoding.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Packets that could not be read or decoded.
    pub(super) faults: u64,
    /// Frames that had been decoded when the first fault came.
    pub(super) frames_before: u64,
    /// Where the last packet's picture ends, in seconds on the container's time line.
    pub(super) end_s: Option<f64>,
    /// Where the picture ends by the container's header, likewise.
    pub(super) stated_end_s: Option<f64>,
    /// Seconds from frame to frame by the nominal rate.
    pub(super) frame_s: f64,
}

impl Evidence {
    /// Notes a fault after `frames` decoded frames.
    pub(super) fn fault(&mut self, frames: u64) {
        if self.faults == 0 {
            self.frames_before = frames;
        }
        self.faults += 1;
    }

    /// Notes a packet that ends at `end_s`.
    pub(super) fn packet_until(&mut self, end_s: f64) {
        self.end_s = Some(self.end_s.map_or(end_s, |so_far| so_far.max(end_s)));
    }

    /// Whether the file is whole, after its end was reached with `frames` frames.
    ///
    /// A file is cut where its picture ends more than half a second and more than three frames
    /// before its stated end. The container's frame count is no evidence: edit lists and variable
    /// frame rates make it wrong in sound files.
    pub(super) fn verdict(&self, uri: &Arc<str>, frames: u64) -> Result<(), SourceError> {
        let tolerance_s = (3.0 * self.frame_s).max(0.5);
        if let (Some(duration_s), Some(last_s)) = (self.stated_end_s, self.end_s)
            && duration_s - last_s > tolerance_s
        {
            return Err(SourceError::Cut { uri: uri.clone(), last_s, duration_s, frames });
        }
        if self.faults > 0 {
            return Err(SourceError::Damaged {
                uri: uri.clone(),
                faults: Places(self.faults),
                after: self.frames_before,
                frames,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(end_s: f64, stated_end_s: f64, fps: f64) -> Result<(), SourceError> {
        let evidence = Evidence {
            end_s: Some(end_s),
            stated_end_s: Some(stated_end_s),
            frame_s: 1.0 / fps,
            ..Evidence::default()
        };
        evidence.verdict(&"x".into(), 5)
    }

    #[test]
    fn a_file_is_cut_beyond_half_a_second_and_three_frames() {
        assert!(verdict(9.6, 10.0, 25.0).is_ok());
        assert!(matches!(verdict(9.4, 10.0, 25.0), Err(SourceError::Cut { .. })));
        assert!(verdict(7.5, 10.0, 1.0).is_ok(), "three frames of a second each");
        assert!(matches!(verdict(6.5, 10.0, 1.0), Err(SourceError::Cut { .. })));
        assert!(verdict(11.0, 10.0, 25.0).is_ok());
    }

    #[test]
    fn the_first_fault_is_remembered() {
        let mut evidence = Evidence::default();
        evidence.fault(7);
        evidence.fault(9);
        let message = evidence.verdict(&"x".into(), 20).unwrap_err().to_string();
        assert_eq!(
            message,
            "'x' is damaged in 2 places, the first after frame 7; 20 frames were decoded"
        );
    }
}
