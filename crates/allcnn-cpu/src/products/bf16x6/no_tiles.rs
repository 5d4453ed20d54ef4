//! Stands for `on_tiles` on machines without tiles, which never call it.
#![allow(clippy::missing_safety_doc)]

pub(super) unsafe fn pack_terms(_: *const f32, _: *const f32, _: *mut f32, _: usize) {
    unreachable!("there are no tiles")
}
pub(crate) unsafe fn pack_left(_: *const f32, _: usize, _: usize, _: usize, _: *mut f32) {
    unreachable!("there are no tiles")
}
pub(super) unsafe fn multiply_block(_: [*const f32; 3], _: usize, _: bool, _: *mut f32, _: usize) {
    unreachable!("there are no tiles")
}
