//! The `allcnn` program.
fn main() {}
