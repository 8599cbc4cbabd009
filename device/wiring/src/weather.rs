// SPDX-License-Identifier: ISC
//! Bad weather as a device: `service: Loss<Nic>` is a card that loses frames.
//!
//! How bad it is a boot argument says, beside those of the device below. Each is also the pattern
//! for a device made of another: its needs are those of the inner one, its arguments are [`Both`].

use core::time::Duration;

use fata_abi::{image::ArgumentTree, manifest::DeviceKind};
use fata_device::{
    Net,
    weather::{Burst, Bursts, Chance, Corrupt, Delay, Duplicate, Loss, Rate, Reorder, Truncate},
};
use fata_runtime::{
    Args, Error,
    args::{ArgError, Arguments, Values},
};

use crate::{Device, Port, RuntimeClock};

/// The boot arguments of a device and of the one that it is made of.
#[derive(Clone, Copy, Debug)]
pub struct Both<O, I> {
    /// Of the outer device.
    pub own: O,
    /// Of the inner one.
    pub inner: I,
}

impl<O: Arguments, I: Arguments> Both<O, I> {
    const PARTS: &'static [&'static ArgumentTree] = &[&O::TREE, &I::TREE];
}

impl<O: Arguments, I: Arguments> Arguments for Both<O, I> {
    const TREE: ArgumentTree = ArgumentTree::new(&[], Self::PARTS);

    fn parse(values: &Values) -> Result<Self, ArgError> {
        Ok(Self {
            own: O::parse(values)?,
            inner: I::parse(values)?,
        })
    }
}

/// A device whose frames meet something by a chance: two arguments, the chance and its seed.
macro_rules! by_chance {
    ($weather:ident, $arguments:ident, $what:literal, $chance:ident, $seed:ident) => {
        #[doc = concat!("Boot arguments of [`", stringify!($weather), "`].")]
        #[derive(Args)]
        #[args(crate = fata_runtime)]
        pub struct $arguments {
            #[doc = concat!("Frames to ", $what, ", out of a hundred.")]
            #[arg(default = 1, value = "PERCENT")]
            $chance: u32,
            /// Which frames these are follows from this number.
            #[arg(default = 1)]
            $seed: u64,
        }

        impl<D: Device + Net> Device for $weather<D> {
            const NEEDS: Option<DeviceKind> = D::NEEDS;
            type Arguments = Both<$arguments, D::Arguments>;

            async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
                let Both { own, inner } = arguments;
                let net = D::connect(port, inner).await?;
                Ok(Self::new(net, Chance::percent(own.$chance), own.$seed))
            }
        }
    };
}

by_chance!(Loss, LossArguments, "lose", loss, loss_seed);
by_chance!(
    Duplicate,
    DuplicateArguments,
    "double",
    duplicate,
    duplicate_seed
);
by_chance!(
    Truncate,
    TruncateArguments,
    "cut off",
    truncate,
    truncate_seed
);
by_chance!(Corrupt, CorruptArguments, "corrupt", corrupt, corrupt_seed);

/// Boot arguments of [`Burst`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct BurstArguments {
    /// Frames, out of a thousand, with which a burst of lost frames begins.
    #[arg(default = 2, value = "PERMILLE")]
    bursts: u32,
    /// Frames that are lost in a burst, on average.
    #[arg(default = 5)]
    burst_length: u32,
    /// Which frames these are follows from this number.
    #[arg(default = 1)]
    burst_seed: u64,
}

impl<D: Device + Net> Device for Burst<D> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<BurstArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        let bursts = Bursts {
            begin: Chance::per_million(own.bursts.saturating_mul(1000)),
            end: Chance::per_million(1_000_000 / own.burst_length.max(1)),
            lost: Chance::percent(100),
        };
        Ok(Self::new(net, bursts, own.burst_seed))
    }
}

/// Boot arguments of [`Rate`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct RateArguments {
    /// Thousands of bits that pass in a second.
    #[arg(default = 10_000, value = "KBIT/S")]
    rate: u64,
    /// Bytes that may wait to pass.
    #[arg(default = 65536, value = "BYTES")]
    queue: u64,
}

impl<D: Device + Net> Device for Rate<D, RuntimeClock> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<RateArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        let rate = own.rate.saturating_mul(1000);
        Ok(Self::new(net, RuntimeClock, rate, own.queue))
    }
}

/// Boot arguments of [`Delay`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct DelayArguments {
    /// Time by which every frame is delayed.
    #[arg(default = "10ms")]
    latency: Duration,
    /// Time by which a frame can be delayed further.
    #[arg(default = "0")]
    jitter: Duration,
    /// How far each is follows from this number.
    #[arg(default = 1)]
    jitter_seed: u64,
}

impl<D: Device + Net> Device for Delay<D, RuntimeClock> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<DelayArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        let least = nanoseconds(own.latency);
        let most = least.saturating_add(nanoseconds(own.jitter));
        Ok(Self::new(net, RuntimeClock, least..=most, own.jitter_seed))
    }
}

/// Boot arguments of [`Reorder`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct ReorderArguments {
    /// Frames to hold up, out of a hundred.
    #[arg(default = 1, value = "PERCENT")]
    reorder: u32,
    /// For how long they are held up.
    #[arg(default = "10ms")]
    reorder_by: Duration,
    /// Which frames these are follows from this number.
    #[arg(default = 1)]
    reorder_seed: u64,
}

impl<D: Device + Net> Device for Reorder<D, RuntimeClock> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<ReorderArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        let chance = Chance::percent(own.reorder);
        let by = nanoseconds(own.reorder_by);
        Ok(Self::new(net, RuntimeClock, chance, by, own.reorder_seed))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::Nic;

    fn names(tree: &'static ArgumentTree) -> Vec<&'static str> {
        let own = tree
            .arguments
            .get()
            .iter()
            .map(|argument| argument.name.get());
        own.chain(tree.parts.get().iter().flat_map(|part| names(part)))
            .collect()
    }

    #[test]
    fn devices_bring_the_arguments_of_all_that_they_are_made_of() {
        type Composed = Delay<Loss<Nic>, RuntimeClock>;
        static TREE: ArgumentTree = <Composed as Device>::Arguments::TREE;
        let expected = ["latency", "jitter", "jitter-seed", "loss", "loss-seed"];
        assert_eq!(names(&TREE), expected);
        assert_eq!(Composed::NEEDS, Some(DeviceKind::Net));
    }
}
