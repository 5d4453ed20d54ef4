//! Every kernel compiles to machine code, which needs NVRTC and no GPU.

use super::*;
use crate::libraries;

#[test]
fn every_kernel_compiles_for_hopper() {
    if !libraries::load_for_compilation().nvrtc {
        eprintln!(
            "SKIPPED every_kernel_compiles_for_hopper: no NVRTC; name its folder in {}",
            libraries::FOLDERS
        );
        return;
    }
    for architecture in ["sm_80", "sm_90"] {
        let cubin = compile(architecture).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(cubin[..4], *b"\x7fELF", "{architecture}");
        for kernel in Kernel::ALL {
            let section = format!(".text.{}\0", kernel.name());
            let found = cubin.windows(section.len()).any(|bytes| bytes == section.as_bytes());
            assert!(found, "{architecture} code of {}", kernel.name());
        }
    }
}

#[test]
fn the_kernels_are_those_of_the_files() {
    let text = source();
    let declared: Vec<&str> = text
        .split("extern \"C\" __global__ void ")
        .skip(1)
        .map(|rest| &rest[..rest.find('(').unwrap()])
        .collect();
    let known: Vec<&str> = Kernel::ALL.iter().map(|kernel| kernel.name()).collect();
    assert_eq!(declared, known);
}

#[test]
fn a_grid_has_a_thread_for_each_value() {
    assert_eq!(Grid::over(0).blocks, [0, 1]);
    assert_eq!(Grid::over(1), Grid { blocks: [1, 1], threads: [THREADS, 1] });
    assert_eq!(Grid::over(THREADS as usize + 1).blocks, [2, 1]);
}
