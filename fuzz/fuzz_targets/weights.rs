//! Weights to import, safetensors, files of PyTorch and caffemodels, of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = allcnn::import::Weights::from_bytes(bytes);
});
