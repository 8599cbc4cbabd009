// SPDX-License-Identifier: ISC
//! The notes by which a tender knows an image before it starts it, and the offer that it fills in.
//!
//! Sections and their order are those of the linker script, [`fata_abi::solo5::LINKER_SCRIPT`].

use core::{cell::UnsafeCell, hint::black_box};

use fata_abi::offer::Offer;

/// An [`Offer`] that the tender fills in before the image starts.
#[repr(transparent)]
#[derive(Debug)]
pub struct OfferSlot(UnsafeCell<Offer>);

// SAFETY: the tender writes before the image starts, `take` reads and then wipes it, once, and
// nobody else touches it.
unsafe impl Sync for OfferSlot {}

impl OfferSlot {
    /// Nothing offered.
    #[expect(
        clippy::new_without_default,
        reason = "it is the content of a static, which nothing but a constant function makes"
    )]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Offer::NOTHING))
    }

    /// Lets `user` read the offer, then forgets it, and the seed with it.
    ///
    /// # Safety
    ///
    /// Called once.
    #[inline(always)]
    pub unsafe fn take(&self, user: impl FnOnce(&Offer)) {
        // Behind `black_box`, because the compiler cannot see who filled it in.
        let slot = black_box(self.0.get());
        // SAFETY: the slot is valid, and nobody writes to it while this refers to it.
        user(unsafe { &*slot });
        // SAFETY: nobody refers to it any more. Volatile, so that the seed is wiped indeed.
        unsafe { slot.write_volatile(Offer::NOTHING) };
    }
}

/// Defines the notes of an image for a target of Solo5's with this version of its ABI, and `OFFER`,
/// an [`OfferSlot`].
#[macro_export]
macro_rules! notes {
    ($target:expr, $version:expr) => {
        #[used]
        #[unsafe(link_section = ".interp")]
        static INTERPRETER: [u8; fata_abi::note::INTERPRETER.len()] = *fata_abi::note::INTERPRETER;

        #[used]
        #[unsafe(link_section = ".note.solo5.not_openbsd")]
        static OPENBSD: fata_abi::note::Note<24> = fata_abi::note::OPENBSD;

        #[used]
        #[unsafe(link_section = ".note.solo5.abi")]
        static ABI: fata_abi::note::Note<36> = fata_abi::note::abi($target, $version);

        #[used]
        #[unsafe(link_section = ".note.fata.offer")]
        static OFFER_NOTE: fata_abi::note::AddressNote<$crate::notes::OfferSlot> =
            fata_abi::note::AddressNote::with_remark(
                fata_abi::note::TYPE_OFFER,
                &OFFER,
                fata_abi::offer::Offer::remark(
                    fata_abi::offer::WANT_LARGE | fata_abi::offer::WANT_LARGE_UDP,
                ),
            );

        // In `.data` although it is zero, because a tender passes over a segment that has nothing in
        // the file.
        #[unsafe(link_section = ".data.offer")]
        static OFFER: $crate::notes::OfferSlot = $crate::notes::OfferSlot::new();
    };
}

#[cfg(test)]
mod tests {
    use fata_abi::offer::OFFER_SEED;

    use super::*;

    #[test]
    fn what_was_offered_is_seen_once() {
        let slot = OfferSlot(UnsafeCell::new(Offer {
            features: OFFER_SEED,
            seed: [7; 64],
            ..Offer::NOTHING
        }));
        let mut seen = None;
        // SAFETY: the first of two calls, of which the second finds what a new slot has.
        unsafe { slot.take(|offer| seen = Some((offer.features, offer.seed))) };
        assert_eq!(seen, Some((OFFER_SEED, [7; 64])));
        // SAFETY: nobody else refers to the slot.
        unsafe { slot.take(|offer| seen = Some((offer.features, offer.seed))) };
        assert_eq!(seen, Some((0, [0; 64])));
    }
}
