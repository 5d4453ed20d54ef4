//! Image files of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = allcnn_data::decode::decode(bytes);
});
