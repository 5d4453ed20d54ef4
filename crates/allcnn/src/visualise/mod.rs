//! What a unit looks at: signals sent back to the picture (section 3.4 of the paper), and pictures made of them.

pub mod render;
