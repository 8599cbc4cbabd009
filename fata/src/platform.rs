// SPDX-License-Identifier: ISC
//! Which platform an image is for. This file alone reads `cfg(fata_platform)`, which the tool
//! passes; without it a program is an ordinary process.

#[cfg(fata_platform = "spt")]
mod chosen {
    // Linked for what they define: the platform, and what a sealed image has instead of a C library.
    use fata_bare as _;
    use fata_platform_spt as _;

    /// Name of the platform as the tool spells it.
    pub const NAME: &str = "spt";
}

#[cfg(fata_platform = "hvt")]
mod chosen {
    // Linked for what they define, as on spt.
    use fata_bare as _;
    use fata_platform_hvt as _;

    /// Name of the platform as the tool spells it.
    pub const NAME: &str = "hvt";
}

#[cfg(not(any(fata_platform = "spt", fata_platform = "hvt")))]
mod chosen {
    use core::{
        alloc::{GlobalAlloc, Layout},
        arch::global_asm,
    };

    use fata_abi::image::{ArgumentTree, Image, LAYOUT, Slice, Text};
    // Linked also for what it defines: the platform, and the `main` that the host's C library calls.
    use fata_platform_unix::report;
    use fata_runtime::heap::{self, Heap};

    /// Name of the platform as the tool spells it.
    pub const NAME: &str = "unix";

    #[global_allocator]
    static HEAP: ProcessHeap = ProcessHeap(Heap::new());

    /// The heap of sealed images here too, so that what is tried as a process meets its checks; but
    /// a panic is reported with memory of the host.
    struct ProcessHeap(Heap);

    impl ProcessHeap {
        fn check(block: *mut u8) -> *mut u8 {
            if block.is_null() {
                report::explain_with(heap::report_failure);
            }
            block
        }
    }

    // SAFETY: each block comes from one of two allocators. It goes back to the heap if it came from
    // there, and nowhere while a panic is reported: what both are given then stays valid.
    unsafe impl GlobalAlloc for ProcessHeap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if let Some(block) = report::spare(layout) {
                return block;
            }
            // SAFETY: the caller's promise is passed on.
            Self::check(unsafe { self.0.alloc(layout) })
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if !report::is_reporting() {
                // SAFETY: the caller's promise is passed on, and as no panic was reported so far,
                // the block is the heap's.
                unsafe { self.0.dealloc(block, layout) };
            }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller promises that the new size, rounded up, is valid.
            let larger = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            let Some(new) = report::spare(larger) else {
                // SAFETY: the caller's promise is passed on.
                return Self::check(unsafe { self.0.realloc(block, layout, size) });
            };
            if !new.is_null() {
                // SAFETY: both blocks are valid for the smaller of their sizes, and distinct.
                unsafe { new.copy_from_nonoverlapping(block, size.min(layout.size())) };
            }
            new
        }
    }

    // What `#[fata::main]` defines, for what has none: the tests of a library that uses this
    // crate. Weak, which only assembly can say, so that it gives way in a program.
    #[cfg(target_arch = "x86_64")]
    global_asm!(
        ".weak __fata_image", "__fata_image: jmp {image}",
        ".weak __fata_main", "__fata_main: jmp {main}",
        image = sym image, main = sym main
    );
    #[cfg(target_arch = "aarch64")]
    global_asm!(
        ".weak __fata_image", "__fata_image: b {image}",
        ".weak __fata_main", "__fata_main: b {main}",
        image = sym image, main = sym main
    );

    fn image() -> &'static Image {
        static IMAGE: Image = Image {
            layout: LAYOUT,
            sealed: 0,
            name: Text::new("test"),
            version: Text::new(""),
            about: Text::new(""),
            platform: Text::new(NAME),
            boot_arguments: Text::new(""),
            arguments: &ArgumentTree::EMPTY,
            manifest: Slice::new(&[]),
        };
        &IMAGE
    }

    fn main() -> u8 {
        unreachable!("a test harness has a main function of its own")
    }
}

pub use chosen::NAME;

/// Places a note where tenders and tools look for it.
#[cfg(any(fata_platform = "spt", fata_platform = "hvt"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __note {
    ($section:literal, static $name:ident: $type:ty = $value:expr;) => {
        #[used]
        #[unsafe(link_section = $section)]
        static $name: $type = $value;
    };
}

/// A process has no notes that anyone reads, but it reads its own.
#[cfg(not(any(fata_platform = "spt", fata_platform = "hvt")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __note {
    ($section:literal, static $name:ident: $type:ty = $value:expr;) => {
        static $name: $type = $value;
    };
}
