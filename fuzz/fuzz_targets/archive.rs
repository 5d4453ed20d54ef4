//! Archives of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    allcnn_data::fuzz::archive(bytes);
});
