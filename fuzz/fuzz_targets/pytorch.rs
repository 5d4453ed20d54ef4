//! The pickle of a PyTorch file of any bytes, beside a few storages; the target `weights` takes whole files.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    allcnn::import::fuzz::pytorch_pickle(bytes);
});
