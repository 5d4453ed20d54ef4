//! The CPU device of allcnn.
