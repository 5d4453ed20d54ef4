//! Finds the libraries that the device needs, before anything calls them.
//!
//! cudarc loads them by name when they are first called, and panics where one is missing. So each is looked for first.
//! Folders that [`FOLDERS`] lists come before the system's: libraries found there are loaded by their path and for all
//! to see, and the loader then takes them wherever the same name is asked for, by cudarc or by cuDNN itself.

use std::env;
use std::path::{Path, PathBuf};

use allcnn_device::Error;

/// The environment variable with the folders to look in, separated as in `PATH`. A folder may hold the libraries, or
/// be the `site-packages` of a Python that has PyTorch or the `nvidia-*` packages.
pub const FOLDERS: &str = "ALLCNN_CUDA_LIBS";

/// What the libraries in [`FOLDERS`] begin with; each before those that need it.
const IN_FOLDERS: [&str; 5] =
    ["libcuda.so", "libnvrtc-builtins.so", "libnvrtc.so", "libcublasLt.so", "libcudnn.so"];

/// A library that the device needs.
struct Library {
    /// In words, with its file.
    name: &'static str,
    is_there: unsafe fn() -> bool,
}

const NEEDED: [Library; 3] = [
    Library { name: "the NVIDIA driver (libcuda.so.1)", is_there: cudarc::driver::sys::is_culib_present },
    Library { name: "NVRTC (libnvrtc.so)", is_there: cudarc::nvrtc::sys::is_culib_present },
    Library { name: "cuDNN 9 (libcudnn.so.9)", is_there: cudarc::cudnn::sys::is_culib_present },
];

/// Loads the libraries in the folders and checks that nothing is missing.
///
/// # Errors
/// [`Error::Unavailable`] with everything that is missing and what to install.
pub(crate) fn load() -> Result<(), Error> {
    load_from_folders();
    // SAFETY: `is_there` loads a library of NVIDIA's by name, which runs its initializers and nothing else.
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|library| unsafe { !(library.is_there)() })
        .map(|library| library.name)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::Unavailable(sentence(&missing))) }
}

/// Whether cuBLASLt is installed. 1x1 convolutions, and some engines of cuDNN, can do without.
pub(crate) fn has_cublaslt() -> bool {
    load_from_folders();
    // SAFETY: loads cuBLASLt by name, which runs its initializers and nothing else.
    unsafe { cudarc::cublaslt::sys::is_culib_present() }
}

/// Which of the libraries that need no GPU are installed.
#[cfg(test)]
pub(crate) struct Compilation {
    pub nvrtc: bool,
    pub cudnn: bool,
}

/// Loads the libraries in the folders, for tests that compile and plan.
#[cfg(test)]
pub(crate) fn load_for_compilation() -> Compilation {
    load_from_folders();
    // SAFETY: `is_there` loads a library of NVIDIA's by name, which runs its initializers and nothing else.
    unsafe { Compilation { nvrtc: (NEEDED[1].is_there)(), cudnn: (NEEDED[2].is_there)() } }
}

/// What a person can do about missing libraries.
fn sentence(missing: &[&str]) -> String {
    let mut text = format!("the CUDA device needs what is not there: {}", missing.join(", "));
    if missing.contains(&NEEDED[0].name) {
        text += "\ninstall NVIDIA's driver for the GPU, until nvidia-smi runs";
    }
    if missing.iter().any(|name| *name != NEEDED[0].name) {
        text += &format!(
            "\npip install nvidia-cuda-nvrtc nvidia-cublas nvidia-cudnn-cu13, and set {FOLDERS} to their site-packages"
        );
    }
    text
}

/// Whether the driver is installed.
pub(crate) fn has_driver() -> bool {
    load_from_folders();
    // SAFETY: `is_there` loads the driver by name, which runs its initializers and nothing else.
    unsafe { (NEEDED[0].is_there)() }
}

/// Loads the libraries in the folders, once, and leaves them loaded.
fn load_from_folders() {
    static LOADED: std::sync::Once = std::sync::Once::new();
    LOADED.call_once(|| {
        for path in files(&folders(env::var_os(FOLDERS))) {
            // SAFETY: loading a library runs its initializers; these are NVIDIA's, from a folder that the user named.
            // One that does not load is reported as missing later.
            if let Ok(library) = unsafe { open_for_all(&path) } {
                std::mem::forget(library);
            }
        }
    });
}

/// Loads a library so that every library after it can use its symbols.
///
/// # Safety
/// The library's initializers must be sound to run.
#[cfg(unix)]
unsafe fn open_for_all(path: &Path) -> Result<libloading::os::unix::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the function called asks for what this one asks of its caller.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }
}

/// Loads a library.
///
/// # Safety
/// The library's initializers must be sound to run.
#[cfg(not(unix))]
unsafe fn open_for_all(path: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the function called asks for what this one asks of its caller.
    unsafe { libloading::Library::new(path) }
}

/// The folders of the variable, each followed by those where Python packages keep their libraries.
fn folders(variable: Option<std::ffi::OsString>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in env::split_paths(&variable.unwrap_or_default()).filter(|path| !path.as_os_str().is_empty())
    {
        let packages = entries(&folder.join("nvidia")).into_iter().map(|package| package.join("lib"));
        folders.extend([folder.clone(), folder.join("lib")].into_iter().chain(packages));
    }
    folders
}

/// The files to load, each library once, in the order that they need each other.
fn files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let find = |start: &&str| {
        let inside = folders.iter().flat_map(|folder| entries(folder));
        inside
            .filter(|path| path.is_file())
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(*start)))
    };
    IN_FOLDERS.iter().filter_map(find).collect()
}

/// The entries of a folder, sorted; none when it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_folders_and_in_python_packages() {
        let root = tempfile::tempdir().unwrap();
        let (plain, site) = (root.path().join("plain"), root.path().join("site-packages"));
        let put = |path: PathBuf| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let nvrtc = put(plain.join("libnvrtc.so.13"));
        let builtins = put(site.join("nvidia/cu13/lib/libnvrtc-builtins.so.13.0"));
        put(site.join("nvidia/cu13/lib/libnvrtc.so.12")); // the folder named first has one already
        let blas = put(site.join("nvidia/cu13/lib/libcublasLt.so.13"));
        let dnn = put(site.join("nvidia/cudnn/lib/libcudnn.so.9"));
        put(site.join("nvidia/cudnn/lib/libcudnn_graph.so.9"));
        let variable = env::join_paths([&plain, &root.path().join("missing"), &site]).unwrap();
        assert_eq!(files(&folders(Some(variable))), [builtins, nvrtc, blas, dnn]);
        assert!(folders(None).is_empty() && folders(Some("".into())).is_empty());
    }

    #[test]
    fn a_missing_library_is_named_with_its_remedy() {
        let all: Vec<&str> = NEEDED.iter().map(|library| library.name).collect();
        let text = sentence(&all);
        assert!(all.iter().all(|name| text.contains(name)), "{text}");
        assert!(text.contains("nvidia-smi") && text.contains(FOLDERS) && text.lines().count() == 3, "{text}");
        let text = sentence(&all[2..]);
        assert!(text.contains("cuDNN") && !text.contains("driver"), "{text}");
        assert!(!sentence(&all[..1]).contains("pip"));
    }
}
