//! What a remote engine may give besides detections: a picture that it has drawn on, or a frame
//! that it failed at.

use super::*;

/// Fails at every third frame; gives a picture of the frame's size for even ones, else of another.
struct Remote;

impl Detector for Remote {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        let number = image.bytes()[0];
        if number % 3 == 2 {
            return Ok(Found { basis: crate::infer::Basis::Failed, ..Found::default() });
        }
        let size = if number.is_multiple_of(2) { image.size() } else { Size::new(3, 3) };
        let picture = Some(Arc::new(Image::filled(size, [100 + number; 3])));
        Ok(Found { picture, ..Found::default() })
    }
}

/// Draws 1 into the first byte and hides the last.
struct Pen;

impl Annotator for Pen {
    fn redact(&mut self, image: &mut Image, _: &FrameRecord) -> Result<(), AnnotateError> {
        *image.bytes_mut().last_mut().unwrap() = 0;
        Ok(())
    }

    fn annotate(&mut self, image: &mut Image, _: &FrameRecord) -> Result<(), AnnotateError> {
        image.bytes_mut()[0] = 1;
        Ok(())
    }
}

/// Remembers the first and last byte of each picture, and the gaps.
#[derive(Clone, Default)]
struct Eyes {
    seen: Arc<Mutex<Vec<(u64, u8, u8)>>>,
    gaps: Arc<Mutex<Vec<&'static str>>>,
}

impl Sink for Eyes {
    fn kind(&self) -> &'static str {
        "eyes"
    }

    fn target(&self) -> String {
        "memory".into()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match item {
            Item::Frame { record, image: Some(image), .. } => {
                let (first, last) = (image.bytes()[0], *image.bytes().last().unwrap());
                self.seen.lock().unwrap().push((record.frame_id, first, last));
            }
            Item::Gap(gap) => self.gaps.lock().unwrap().push(gap.reason),
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, _: Ending) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn its_picture_takes_the_place_of_ours_and_lost_frames_are_gaps() {
    within(20, || {
        let eyes = Eyes::default();
        let (when_full, need) = (WhenFull::Block, Need::Required);
        let sink = SinkSpec { sink: Box::new(eyes.clone()), when_full, capacity: 2, need };
        let parts = Parts {
            source: Box::new(counting(6)),
            gate: None,
            detector: Arc::new(Remote),
            workers: workers(3, false),
            observer: bare(|_| {}),
            annotator: Some(Box::new(Pen)),
            sinks: vec![sink],
            run: Arc::new(run_record()),
        };
        let settings =
            Settings { drain_timeout: Duration::from_secs(8), live: None, fail_fast: false };
        let stats = Arc::<Stats>::default();
        let outcome = run(parts, settings, &Cancel::default(), &stats, |_| summary());
        assert!(outcome.error.is_none());
        // Frame 0 and 4 are the engine's pictures, 1 and 3 ours; nobody sees what is hidden.
        assert_eq!(*eyes.seen.lock().unwrap(), [(0, 100, 0), (1, 1, 0), (3, 1, 0), (4, 104, 0)]);
        assert_eq!(*eyes.gaps.lock().unwrap(), ["engine_error"; 2]);
        assert_eq!((stats.frames.load(Relaxed), stats.gaps.load(Relaxed)), (4, 2));
        assert_eq!(stats.lost.load(Relaxed), 2);
    });
}

/// Fails at every frame.
struct Away;

impl Detector for Away {
    fn detect(&self, _: &Image) -> Result<Found, InferError> {
        let failure = Some("it is away".into());
        Ok(Found { basis: crate::infer::Basis::Failed, failure, ..Found::default() })
    }
}

#[test]
fn where_every_frame_is_lost_the_run_fails_with_its_outputs_whole() {
    within(20, || {
        let eyes = Eyes::default();
        let (when_full, need) = (WhenFull::Block, Need::Required);
        let parts = Parts {
            source: Box::new(counting(6)),
            gate: None,
            detector: Arc::new(Away),
            workers: workers(3, false),
            observer: bare(|_| {}),
            annotator: None,
            sinks: vec![SinkSpec { sink: Box::new(eyes.clone()), when_full, capacity: 2, need }],
            run: Arc::new(run_record()),
        };
        let settings =
            Settings { drain_timeout: Duration::from_secs(8), live: None, fail_fast: false };
        let outcome = run(parts, settings, &Cancel::default(), &Arc::default(), |_| summary());
        assert!(matches!(outcome.error, Some(StageError::NothingInferred { frames: 6, .. })));
        assert!(message(&outcome).ends_with("6 of them, the last time: it is away"));
        assert!(outcome.failed_outputs.is_empty() && outcome.unfinished.is_empty());
        assert_eq!(eyes.gaps.lock().unwrap().len(), 6);
    });
}
