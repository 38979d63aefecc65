//! A camera that follows a script.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use affectd::{
    capture::{CaptureError, CaptureKind, Frame, Opener, PixelFormat, Source, Stream},
    clock::Clock,
    interrupt::Interrupt,
    measure::clip,
    pipeline::Metrics,
};

/// One step of a scripted camera.
#[derive(Clone, Copy)]
pub enum Act {
    /// Opening fails.
    Refuse(CaptureKind),
    /// Opening succeeds; the camera delivers `frames` frames that are not pictures, and ends.
    Scramble { frames: usize },
    /// Opening succeeds; the camera delivers `frames` frames of the clip, starting with number `from`, then
    /// `spoiled` frames that are not pictures, and ends.
    Spoil {
        from: usize,
        frames: usize,
        spoiled: usize,
    },
    /// Opening succeeds; the camera delivers `frames` frames of the clip, starting with number `from`, that
    /// were captured a minute ago, and ends.
    Delay { from: usize, frames: usize },
    /// Opening succeeds; the camera delivers `frames` frames of the clip, starting with number `from`, and
    /// fails.
    Deliver {
        from: usize,
        frames: usize,
        then: CaptureKind,
    },
}

pub struct Script {
    pub acts: VecDeque<Act>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

impl Opener for Script {
    fn discard(&mut self) {}

    fn open(&mut self, _: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        match self.acts.pop_front() {
            None => Err(CaptureError::new(CaptureKind::Ended, "the script is over")),
            Some(Act::Refuse(kind)) => Err(CaptureError::new(kind, format!("scripted: {kind:?}"))),
            Some(Act::Scramble { frames }) => {
                Ok(self.play(vec![b"no picture".to_vec(); frames], CaptureKind::Ended))
            }
            Some(Act::Delay { from, frames }) => {
                let pictures = clip::pictures().skip(from).take(frames).map(<[u8]>::to_vec);
                Ok(Box::new(Playing {
                    age: Duration::from_secs(60),
                    ..self.playing(pictures.collect(), CaptureKind::Ended)
                }))
            }
            Some(Act::Spoil {
                from,
                frames,
                spoiled,
            }) => {
                let pictures = clip::pictures().skip(from).take(frames).map(<[u8]>::to_vec);
                let undecodable = std::iter::repeat_n(b"no picture".to_vec(), spoiled);
                Ok(self.play(pictures.chain(undecodable).collect(), CaptureKind::Ended))
            }
            Some(Act::Deliver { from, frames, then }) => {
                let pictures = clip::pictures().skip(from).take(frames).map(<[u8]>::to_vec);
                Ok(self.play(pictures.collect(), then))
            }
        }
    }
}

impl Script {
    fn play(&self, pictures: Vec<Vec<u8>>, then: CaptureKind) -> Box<dyn Source> {
        Box::new(self.playing(pictures, then))
    }

    fn playing(&self, pictures: Vec<Vec<u8>>, then: CaptureKind) -> Playing {
        let (width, height) = clip::SIZE;
        let stream = Stream {
            name: "script".into(),
            format: PixelFormat::Mjpeg,
            width,
            height,
            rate: None,
        };
        Playing {
            pictures: pictures.into_iter(),
            age: Duration::ZERO,
            then,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            stream,
        }
    }
}

struct Playing {
    pictures: std::vec::IntoIter<Vec<u8>>,
    /// The age of each frame when it is delivered.
    age: Duration,
    then: CaptureKind,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    stream: Stream,
}

impl Playing {
    /// Waits until every frame so far was processed, so that none is dropped on a busy machine.
    fn wait_for_sensing(&self) {
        let start = Instant::now();
        while self.metrics.finished_frames() < self.metrics.captured_frames()
            && start.elapsed() < Duration::from_secs(30)
        {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Source for Playing {
    fn next(&mut self, frame: &mut Frame, _: &Interrupt) -> Result<(), CaptureError> {
        thread::sleep(Duration::from_millis(100));
        let Some(picture) = self.pictures.next() else {
            return Err(CaptureError::new(self.then, format!("scripted: {:?}", self.then)));
        };
        self.wait_for_sensing();
        let captured = self.clock.now().saturating_sub(self.age);
        clip::fill(frame, &picture, 0, captured);
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}
