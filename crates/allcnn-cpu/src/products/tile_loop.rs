//! The loop over AMX tiles that all products of bf16 share. The compiler has no stable intrinsics for tiles, but takes their
//! instructions.

/// Computes a block of sums as 2 x 2 tiles, `tmm0` to `tmm3`, [rows][columns]: they begin as zeros or as the sums in memory,
/// the instructions of a step run for `{steps}` steps (at least one), and the tiles are stored.
///
/// `start` sets the zero flag where the sums begin as zeros, and `start` and `end` what the addresses of the `sums` need.
macro_rules! tile_loop {
    (
        start: [$($start:literal),*],
        sums: [$first:literal, $second:literal, $third:literal, $fourth:literal],
        step: [$($instruction:expr),+ $(,)?],
        end: [$($end:literal),*],
        $($operand:tt)*
    ) => {
        std::arch::asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            $($start,)*
            "jz 2f",
            concat!("tileloadd tmm0, ", $first),
            concat!("tileloadd tmm1, ", $second),
            concat!("tileloadd tmm2, ", $third),
            concat!("tileloadd tmm3, ", $fourth),
            "2:",
            $($instruction,)+
            "dec {steps}",
            "jnz 2b",
            $($end,)*
            concat!("tilestored ", $first, ", tmm0"),
            concat!("tilestored ", $second, ", tmm1"),
            concat!("tilestored ", $third, ", tmm2"),
            concat!("tilestored ", $fourth, ", tmm3"),
            $($operand)*
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        )
    };
}
pub(super) use tile_loop;
