// SPDX-License-Identifier: ISC
//! Bad weather as a device: `service: Loss<Nic>` is a card that loses frames.
//!
//! How bad it is a boot argument says, beside those of the device below. Each is also the pattern
//! for a device made of another: its needs are those of the inner one, its arguments are [`Both`].

use core::time::Duration;

use fata_abi::{image::ArgumentTree, manifest::DeviceKind};
use fata_device::{
    Net,
    weather::{Chance, Delay, Duplicate, Loss, Reorder, Truncate},
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

/// Boot arguments of [`Loss`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct LossArguments {
    /// Frames to lose, out of a hundred.
    #[arg(default = 1, value = "PERCENT")]
    loss: u32,
    /// Which frames these are follows from this number.
    #[arg(default = 1)]
    loss_seed: u64,
}

impl<D: Device + Net> Device for Loss<D> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<LossArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        Ok(Self::new(net, Chance::percent(own.loss), own.loss_seed))
    }
}

/// Boot arguments of [`Duplicate`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct DuplicateArguments {
    /// Frames to double, out of a hundred.
    #[arg(default = 1, value = "PERCENT")]
    duplicate: u32,
    /// Which frames these are follows from this number.
    #[arg(default = 1)]
    duplicate_seed: u64,
}

impl<D: Device + Net> Device for Duplicate<D> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<DuplicateArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        let chance = Chance::percent(own.duplicate);
        Ok(Self::new(net, chance, own.duplicate_seed))
    }
}

/// Boot arguments of [`Truncate`].
#[derive(Args)]
#[args(crate = fata_runtime)]
pub struct TruncateArguments {
    /// Frames to cut off, out of a hundred.
    #[arg(default = 1, value = "PERCENT")]
    truncate: u32,
    /// Which frames these are follows from this number.
    #[arg(default = 1)]
    truncate_seed: u64,
}

impl<D: Device + Net> Device for Truncate<D> {
    const NEEDS: Option<DeviceKind> = D::NEEDS;
    type Arguments = Both<TruncateArguments, D::Arguments>;

    async fn connect(port: Port, arguments: Self::Arguments) -> Result<Self, Error> {
        let Both { own, inner } = arguments;
        let net = D::connect(port, inner).await?;
        let chance = Chance::percent(own.truncate);
        Ok(Self::new(net, chance, own.truncate_seed))
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
