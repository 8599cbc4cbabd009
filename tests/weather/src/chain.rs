// SPDX-License-Identifier: ISC
//! The middleware of one direction, in the order in which a frame meets it: first the queue and the
//! rate of the link, then what happens on it, then how long it is and who overtakes.

use std::fmt;

use fata_device::{
    Net,
    weather::{Burst, Clock, Corrupt, Delay, Duplicate, Loss, Rate, Reorder, Truncate},
};

use crate::forecast::Forecast;

/// All weather there is over a device, for frames that it receives. Outermost is what comes last.
pub struct Chain<N: Net, C: Clock>(All<N, C>);

type Kind<N, C> = Truncate<Corrupt<Burst<Loss<Rate<N, C>>>>>;
type All<N, C> = Reorder<Delay<Duplicate<Kind<N, C>>, C>, C>;

/// To how many frames what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lost because the queue was full.
    pub full: u64,
    /// Lost, each by itself.
    pub lost: u64,
    /// Lost in bursts.
    pub burst: u64,
    /// With a wrong bit.
    pub corrupted: u64,
    /// Without their end.
    pub truncated: u64,
    /// Doubled.
    pub doubled: u64,
    /// Held up for others to overtake.
    pub held_up: u64,
}

impl<N: Net, C: Clock + Clone> Chain<N, C> {
    /// Puts the weather of `forecast` over `net`; `seed` is that of this direction.
    pub fn new(net: N, clock: &C, forecast: &Forecast, seed: u64) -> Self {
        let clock = || clock.clone();
        let nanoseconds = forecast.delay..=forecast.delay.saturating_add(forecast.jitter);
        // Far apart, so that no two of one run or of runs with neighbouring seeds are the same.
        let seed = |layer: u64| (seed << 8) + layer;
        let net = Rate::new(net, clock(), forecast.rate, forecast.queue);
        let net = Loss::new(net, forecast.loss, seed(1));
        let net = Burst::new(net, forecast.bursts, seed(2));
        let net = Corrupt::new(net, forecast.corrupt, seed(3));
        let net = Truncate::new(net, forecast.truncate, seed(4));
        let net = Duplicate::new(net, forecast.duplicate, seed(5));
        let net = Delay::unordered(net, clock(), nanoseconds, seed(6));
        let by = forecast.reorder_by;
        Self(Reorder::new(net, clock(), forecast.reorder, by, seed(7)))
    }

    /// The last of the weather, from which frames are received.
    pub fn net(&mut self) -> &mut impl Net<Frame = N::Frame> {
        &mut self.0
    }

    /// What has happened.
    pub fn counts(&self) -> Counts {
        let reorder = &self.0;
        let duplicate = reorder.inner().inner();
        let truncate = duplicate.inner();
        let corrupt = truncate.inner();
        let burst = corrupt.inner();
        let loss = burst.inner();
        Counts {
            full: loss.inner().times(),
            lost: loss.times(),
            burst: burst.times(),
            corrupted: corrupt.times(),
            truncated: truncate.times(),
            doubled: duplicate.times(),
            held_up: reorder.times(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            full,
            lost,
            burst,
            corrupted,
            truncated,
            doubled,
            held_up,
        } = self;
        write!(
            f,
            "full={full} lost={lost} burst={burst} corrupted={corrupted} truncated={truncated} \
             doubled={doubled} held-up={held_up}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use fata_device::memory::{ManualClock, link, plain_info};

    use super::*;

    /// What arrives of 2000 frames, one every 0.1 ms, in a weather.
    fn arrived(options: &str, seed: u64) -> (Vec<u16>, Counts) {
        let [forecast, _] = Forecast::both(options).unwrap();
        let clock = ManualClock::default();
        let (mut a, b) = link([plain_info(1), plain_info(2)], 3000);
        let mut chain = Chain::new(b, &clock, &forecast, seed);
        let mut cx = Context::from_waker(Waker::noop());
        let mut arrived = Vec::new();
        for n in 0..2200_u16 {
            if n < 2000
                && let Poll::Ready(Ok(mut frame)) = a.poll_reserve(&mut cx, 1000)
            {
                frame[..2].copy_from_slice(&n.to_be_bytes());
                a.send(frame).unwrap();
            }
            while let Poll::Ready(frame) = chain.net().poll_receive(&mut cx) {
                let frame = frame.unwrap();
                arrived.push(u16::from_be_bytes([frame[0], *frame.get(1).unwrap_or(&0)]));
            }
            clock.advance(100_000);
        }
        (arrived, chain.counts())
    }

    #[test]
    fn fair_weather_changes_nothing() {
        let (arrived, counts) = arrived("", 1);
        assert_eq!(arrived, (0..2000).collect::<Vec<_>>());
        assert_eq!(counts, Counts::default());
    }

    #[test]
    fn all_of_it_at_once_adds_up_and_follows_from_the_seed() {
        let options = "--loss 3% --burst 1%/20% --corrupt 2% --truncate 1% --duplicate 2% \
                       --reorder 3% --delay 5ms --jitter 1ms --rate 60M --queue 20k";
        let (first, counts) = arrived(options, 1);
        let sum = 2000 - counts.full - counts.lost - counts.burst + counts.doubled;
        assert_eq!(first.len() as u64, sum);
        assert!(!first.is_sorted());
        let happened = format!("{counts}");
        assert!(!happened.contains("=0"), "{happened}");
        assert_eq!(arrived(options, 1), (first.clone(), counts));
        assert_ne!(arrived(options, 2).0, first);
    }
}
