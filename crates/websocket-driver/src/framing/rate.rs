use std::time::Instant;

use crate::config::settings::Settings;
use crate::error::ProtocolError;

/// The limits on frames per second, as one token bucket each: one second's worth of frames is
/// allowed at once, and tokens are refilled over time.
#[derive(Debug)]
pub(crate) struct Rates {
    frames: Option<Bucket>,
    controls: Option<Bucket>,
    now: Option<Instant>,
}

#[derive(Debug)]
struct Bucket {
    limit: u32,
    tokens: f64,
}

impl Rates {
    pub(crate) fn new(settings: &Settings) -> Option<Box<Self>> {
        let bucket = |limit: Option<u32>| limit.map(|limit| Bucket { limit, tokens: limit.into() });
        let (frames, controls) = (bucket(settings.max_frame_rate), bucket(settings.max_control_rate));
        if frames.is_none() && controls.is_none() { None } else { Some(Box::new(Self { frames, controls, now: None })) }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        let before = self.now.replace(now).unwrap_or(now);
        let seconds = now.saturating_duration_since(before).as_secs_f64();
        for bucket in [&mut self.frames, &mut self.controls].into_iter().flatten() {
            let limit = f64::from(bucket.limit);
            bucket.tokens = (bucket.tokens + seconds * limit).min(limit);
        }
    }

    /// Counts a frame. If one limit is exceeded, no token is taken from the other, so that a
    /// repeated call returns the same error.
    pub(crate) fn admit(&mut self, is_control: bool) -> Result<(), ProtocolError> {
        let controls = self.controls.as_mut().filter(|_| is_control);
        if let Some(frames) = &self.frames
            && !frames.has_token()
        {
            return Err(ProtocolError::TooManyFrames { limit: frames.limit });
        }
        if let Some(controls) = &controls
            && !controls.has_token()
        {
            return Err(ProtocolError::TooManyControlFrames { limit: controls.limit });
        }
        for bucket in [self.frames.as_mut(), controls].into_iter().flatten() {
            bucket.tokens -= 1.0;
        }
        Ok(())
    }
}

impl Bucket {
    fn has_token(&self) -> bool {
        self.tokens >= 1.0
    }
}
