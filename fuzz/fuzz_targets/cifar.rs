//! CIFAR batches of both forms of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    allcnn_data::fuzz::cifar(bytes);
});
