//! The target that the variable `ALLCNN_FUZZ_TARGET` names: one program for all of them is built in a minute, not in twenty.
//!
//! A panic that the program catches, around decoders of foreign formats, is no finding: only what leaves a target ends it.
#![no_main]

use std::backtrace::Backtrace;
use std::panic::{catch_unwind, set_hook};
use std::process::abort;
use std::sync::{Mutex, OnceLock, PoisonError};

static TARGET: OnceLock<fn(&[u8]) -> bool> = OnceLock::new();
/// What the last panic said, of whatever thread, and where it was: made text, which takes long, only where it is told.
static LAST_PANIC: Mutex<Option<(String, Backtrace)>> = Mutex::new(None);

libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| {
    let target = TARGET.get_or_init(named);
    if catch_unwind(|| target(bytes)).is_err() {
        if let Some((what, place)) = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take() {
            eprintln!("{what}\n{place}");
        }
        abort();
    }
});

/// Takes the place of libFuzzer's own hook, which ends the program on every panic.
fn begin() {
    set_hook(Box::new(|panic| {
        let told = (panic.to_string(), Backtrace::force_capture());
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }));
}

fn named() -> fn(&[u8]) -> bool {
    let name = std::env::var("ALLCNN_FUZZ_TARGET").unwrap_or_default();
    let all = || allcnn::fuzz::TARGETS.into_iter().chain(allcnn::data::fuzz::TARGETS);
    let Some((_, target)) = all().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = all().map(|(known, _)| known).collect();
        eprintln!("fuzz: no target '{name}': set ALLCNN_FUZZ_TARGET to one of {}", names.join(", "));
        std::process::exit(2);
    };
    target
}
