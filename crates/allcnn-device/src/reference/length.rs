//! The check of buffers against shapes.

/// Panics with both numbers when a buffer does not fit its shape.
pub(super) fn assert_len(buffer: &[f32], expected: usize, name: &str) {
    assert_eq!(buffer.len(), expected, "{name} holds {} values, its shape needs {expected}", buffer.len());
}
