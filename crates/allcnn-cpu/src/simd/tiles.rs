//! AMX: eight registers of this thread that hold tiles of 16 rows of 64 bytes. The compiler has no stable intrinsics for
//! them, but takes their instructions.

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

/// The thread may use its tiles as long as this lives.
pub(crate) struct Tiles(());

impl Tiles {
    /// Makes all tiles of this thread 16 rows of 64 bytes.
    ///
    /// # Safety
    /// [`crate::Isa::Amx`] must have been detected.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: a valid configuration; the caller's promise.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: `new` configured them.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
