//! AMX: eight registers of this thread that hold tiles of 16 rows of 64 bytes. The compiler has no stable intrinsics for
//! them, but takes their instructions.

use std::marker::PhantomData;

/// This thread's tiles are configured as long as this lives, so whoever has one may use their instructions.
pub(crate) struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// Makes all tiles of this thread 16 rows of 64 bytes.
    ///
    /// # Safety
    /// [`crate::Isa::Amx`] must have been detected.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: the machine has tiles, by the caller's promise.
        unsafe { amx::configure() };
        Self(PhantomData)
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: `new` configured them on this thread: the type is not `Send`.
        unsafe { amx::release() };
    }
}

#[cfg(target_arch = "x86_64")]
mod amx {
    use std::arch::asm;

    /// What `ldtilecfg` reads: palette 1, and for each tile its bytes a row and its rows.
    #[repr(C, align(64))]
    #[allow(dead_code)] // the instruction reads it
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    static CONFIGURATION: Configuration = {
        let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
        let mut tile = 0;
        while tile < 8 {
            (row_bytes[tile], rows[tile]) = (64, 16);
            tile += 1;
        }
        Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
    };

    pub(super) unsafe fn configure() {
        // SAFETY: the configuration is valid; the caller promises that the machine has tiles.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
    }

    pub(super) unsafe fn release() {
        // SAFETY: the caller promises that the tiles are configured.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Tiles are never detected.
#[cfg(not(target_arch = "x86_64"))]
mod amx {
    pub(super) unsafe fn configure() {
        unreachable!("there are no tiles")
    }

    pub(super) unsafe fn release() {
        unreachable!("there are no tiles")
    }
}
