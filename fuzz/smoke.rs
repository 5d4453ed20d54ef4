//! Every entry point for fuzzing over valid files and thousands of changed ones, the same ones every time: what fuzzing finds in
//! minutes without a fuzzer. Tests include this file; `ALLCNN_FUZZ_CORPUS` names a folder to write the valid files to, from which
//! `scripts/fuzz.sh` begins.

use std::fs;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// How many changed files each target gets; `ALLCNN_FUZZ_CHANGED` is another number.
const CHANGED: u64 = 1500;
/// What the last panic said: those that the program catches, around decoders of foreign formats, are none of a test's.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());
/// What stands in for numbers and for pieces of text: the limits of types, and what ends or nests things.
const WORDS: [&[u8]; 20] = [
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"inf",
    b"255",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"\"",
    b"[[[[[[[[",
    b"{{{{",
    b"\n",
    b"\r",
    b"../",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
];

/// The valid files of a target.
pub(crate) type Seeds = (&'static str, Vec<Vec<u8>>);

/// A target: takes any bytes, and says whether it could make something of them.
pub(crate) type Target = fn(&[u8]) -> bool;

/// Runs all targets. Each must have seeds, and make something of one of them; no seeds may be left without a target.
pub(crate) fn run(targets: &[(&str, Target)], seeds: &[Seeds]) {
    for (name, _) in seeds {
        assert!(targets.iter().any(|(target, _)| target == name), "the seeds of {name} have no target");
    }
    let changed = std::env::var("ALLCNN_FUZZ_CHANGED").map_or(CHANGED, |number| number.parse().unwrap());
    let quiet = |panic: &std::panic::PanicHookInfo<'_>| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    };
    let usual = take_hook();
    set_hook(Box::new(quiet));
    let wrong = targets.iter().find_map(|(name, target)| run_one(name, *target, seeds, changed).err());
    set_hook(usual);
    assert_eq!(wrong, None);
}

/// Runs one target; the error says what went wrong.
fn run_one(name: &str, target: fn(&[u8]) -> bool, seeds: &[Seeds], changed: u64) -> Result<(), String> {
    let found = seeds.iter().find(|(of, _)| *of == name);
    let (_, seeds) = found.ok_or_else(|| format!("the target {name} has no seeds"))?;
    write(name, seeds);
    let give = |file: &[u8], which: &str| {
        catch_unwind(|| target(file)).map_err(|_| {
            let panic = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            format!("{name}, {which}: {panic}\n{:?}", String::from_utf8_lossy(&file[..file.len().min(500)]))
        })
    };
    let mut read = 0;
    for seed in seeds {
        read += usize::from(give(seed, "a seed")?);
    }
    if read == 0 {
        return Err(format!("the target {name} makes nothing of its {} seeds", seeds.len()));
    }
    for number in 0..changed {
        let mut draw = Draw(number);
        let seed = &seeds[draw.below(seeds.len())];
        // Large files take long: fewer of them are changed.
        if draw.below(1 + seed.len() / 8192) > 0 {
            continue;
        }
        let mut file = seed.clone();
        for _ in 0..1 + draw.below(4) {
            let other = &seeds[draw.below(seeds.len())];
            change(&mut file, other, &mut draw);
        }
        give(&file, &format!("change {number}"))?;
    }
    eprintln!("{name}: {read} of {} seeds are read", seeds.len());
    Ok(())
}

/// Keeps the seeds where a fuzzer begins from them.
fn write(name: &str, seeds: &[Vec<u8>]) {
    let Some(folder) = std::env::var_os("ALLCNN_FUZZ_CORPUS") else { return };
    let folder = PathBuf::from(folder).join(name);
    fs::create_dir_all(&folder).unwrap();
    for (place, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{place:02}")), seed).unwrap();
    }
}

/// Changes a file in one way of many.
fn change(file: &mut Vec<u8>, other: &[u8], draw: &mut Draw) {
    let at = draw.below(file.len() + 1);
    let end = at + draw.below((file.len() - at).min(64) + 1);
    match draw.below(9) {
        0 => file.truncate(at),
        1 => _ = file.drain(at..end),
        2 => {
            let piece = file[at..end].to_vec();
            let times = 1 + draw.below(40);
            file.splice(at..at, piece.repeat(times));
        }
        3 => {
            let from = draw.below(other.len() + 1);
            let piece = &other[from..from + draw.below((other.len() - from).min(256) + 1)];
            file.splice(at..end, piece.iter().copied());
        }
        4 => _ = file.splice(at..at, WORDS[draw.below(WORDS.len())].iter().copied()),
        5 => {
            // A whole number of a text.
            let first = file[at..].iter().position(u8::is_ascii_digit).map_or(at, |ahead| at + ahead);
            let digits = file[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            file.splice(first..first + digits, WORDS[draw.below(11)].iter().copied());
        }
        6 => file[at..end].fill([0, 0xff, 0x7f, 0x80, b' '][draw.below(5)]),
        _ => {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1 << draw.below(8);
            }
        }
    }
}

/// Numbers that follow from their seed: SplitMix64 (Steele, Lea and Flood 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}
