//! The device's own kernels: CUDA C++, compiled by NVRTC for the GPU at hand when the device starts, and cached on disk.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use allcnn_device::Error;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, DeviceRepr, result};
use cudarc::nvrtc::{self, Ptx, sys};

use crate::cache::{self, Cache};
use crate::error::driver_error;

/// The files in the order of the one program that they make: `values.cu`, which the others use, comes first. The
/// emulated GPU of the tests reads this list too (`tests/emulator/build.sh`).
pub(crate) const SOURCES: [(&str, &str); 14] = [
    ("values.cu", include_str!("values.cu")),
    ("repack.cu", include_str!("repack.cu")),
    ("gather.cu", include_str!("gather.cu")),
    ("activation.cu", include_str!("activation.cu")),
    ("drop_connect.cu", include_str!("drop_connect.cu")),
    ("edge_pad.cu", include_str!("edge_pad.cu")),
    ("bias.cu", include_str!("bias.cu")),
    ("pool.cu", include_str!("pool.cu")),
    ("learned_norm.cu", include_str!("learned_norm.cu")),
    ("lrn.cu", include_str!("lrn.cu")),
    ("lwta.cu", include_str!("lwta.cu")),
    ("head.cu", include_str!("head.cu")),
    ("sgd.cu", include_str!("sgd.cu")),
    ("direct.cu", include_str!("direct.cu")),
];

macro_rules! kernels {
    ($($kernel:ident => $name:literal),* $(,)?) => {
        /// A kernel, by the name that it has in its file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kernel { $($kernel),* }

        impl Kernel {
            #[cfg(test)]
            pub(crate) const ALL: &[Kernel] = &[$(Kernel::$kernel),*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Kernel::$kernel => $name),* }
            }
        }
    };
}

kernels! {
    Repack => "repack",
    Convert => "convert",
    Gather => "gather",
    Dropout => "dropout",
    Finish => "finish",
    PassBack => "pass_back",
    DropConnectForward => "drop_connect_forward",
    DropConnectBackwardData => "drop_connect_backward_data",
    DropConnectBackwardWeights => "drop_connect_backward_weights",
    DropConnectExpected => "drop_connect_expected",
    DropConnectSlopes => "drop_connect_slopes",
    DropConnectExpectedBackward => "drop_connect_expected_backward",
    Unfold => "unfold",
    Fold => "fold",
    EdgePadForward => "edge_pad_forward",
    EdgePadBackward => "edge_pad_backward",
    ColumnParts => "column_parts",
    ColumnTotals => "column_totals",
    PoolForward => "pool_forward",
    PoolBackward => "pool_backward",
    LearnedNormForward => "learned_norm_forward",
    LearnedNormBackward => "learned_norm_backward",
    LearnedNormGradients => "learned_norm_gradients",
    LrnForward => "lrn_forward",
    LrnBackward => "lrn_backward",
    KeepWinners => "keep_winners",
    AverageForward => "average_forward",
    AverageBackward => "average_backward",
    ScaleChannels => "scale_channels",
    CrossEntropy => "cross_entropy",
    SquaredHinge => "squared_hinge",
    Add => "add",
    SgdSquares => "sgd_squares",
    SgdScale => "sgd_scale",
    SgdStep => "sgd_step",
    ShortenRows => "shorten_rows",
    GroupMeans => "group_means",
    DrawToMeans => "draw_to_means",
    DirectForward => "direct_forward",
    DirectBackwardData => "direct_backward_data",
    DirectBackwardWeights => "direct_backward_weights",
}

/// Threads of a block, unless a kernel says otherwise.
pub(crate) const THREADS: u32 = 256;

/// How many threads a launch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Blocks along x and y.
    pub blocks: [u32; 2],
    /// Threads of a block along x and y.
    pub threads: [u32; 2],
}

impl Grid {
    /// At least `threads` threads along x.
    pub(crate) fn over(threads: usize) -> Self {
        let blocks = threads.div_ceil(THREADS as usize);
        assert!(blocks <= i32::MAX as usize, "{threads} values are more than a launch takes");
        Self { blocks: [blocks as u32, 1], threads: [THREADS, 1] }
    }
}

/// The compiled kernels on the GPU.
#[derive(Debug)]
pub(crate) struct Kernels {
    module: Arc<CudaModule>,
    functions: HashMap<Kernel, CudaFunction>,
}

impl Kernels {
    /// Compiles for the architecture of the GPU, or takes what an earlier run compiled.
    pub(crate) fn new(context: &Arc<CudaContext>, cache: &Cache) -> Result<Self, Error> {
        let (major, minor) =
            context.compute_capability().map_err(driver_error("asking for the architecture"))?;
        let architecture = format!("sm_{major}{minor}");
        let name = format!("{}.cubin", cache::key(&[&source(), &architecture, &version()?]));
        let cubin = match cache.read(&name) {
            Some(cubin) => cubin,
            None => {
                let cubin = compile(&architecture)?;
                cache.write(&name, &cubin);
                cubin
            }
        };
        let module =
            context.load_module(Ptx::from_binary(cubin)).map_err(driver_error("loading the kernels"))?;
        Ok(Self { module, functions: HashMap::new() })
    }

    /// Queues a kernel; does nothing for an empty grid.
    ///
    /// # Safety
    /// `arguments` must be those of the kernel, in order and type, and the memory that they point to must be large
    /// enough and stay until the kernel is done.
    pub(crate) unsafe fn launch(
        &mut self,
        stream: &CudaStream,
        kernel: Kernel,
        grid: Grid,
        arguments: &[&dyn DeviceRepr],
    ) -> Result<(), Error> {
        if grid.blocks.contains(&0) {
            return Ok(());
        }
        if !self.functions.contains_key(&kernel) {
            let function = self.module.load_function(kernel.name()).map_err(driver_error(kernel.name()))?;
            self.functions.insert(kernel, function);
        }
        let mut pointers: Vec<*mut c_void> = arguments
            .iter()
            .map(|&argument| std::ptr::from_ref(argument).cast::<c_void>().cast_mut())
            .collect();
        let [blocks, threads] = [grid.blocks, grid.threads].map(|[x, y]| (x, y, 1));
        let function = self.functions[&kernel].cu_function();
        // SAFETY: the caller answers for the arguments and the memory behind them; the driver copies the arguments before it
        // returns.
        unsafe { result::launch_kernel(function, blocks, threads, 0, stream.cu_stream(), &mut pointers) }
            .map_err(driver_error(kernel.name()))
    }
}

/// All files as one program; messages of the compiler name the file and its line.
fn source() -> String {
    SOURCES.iter().map(|(name, text)| format!("#line 1 \"{name}\"\n{text}\n")).collect()
}

/// NVRTC's version.
fn version() -> Result<String, Error> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: NVRTC writes one integer behind each of the two pointers.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) }
        .result()
        .map_err(nvrtc_error("asking for its version"))?;
    Ok(format!("{major}.{minor}"))
}

/// Machine code of all kernels for an architecture such as `sm_90`. Needs no GPU.
pub(crate) fn compile(architecture: &str) -> Result<Vec<u8>, Error> {
    let text =
        CString::new(source()).map_err(|_| Error::Unavailable("a kernel's source holds a zero".into()))?;
    let program =
        nvrtc::result::create_program(&text, Some(c"allcnn.cu")).map_err(nvrtc_error("starting"))?;
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned()];
    // SAFETY: the program was created above and is destroyed last; `cubin` has the size that NVRTC asks for.
    unsafe {
        let compiled = nvrtc::result::compile_program(program, &options).map_err(|error| {
            let log = nvrtc::result::get_program_log(program).unwrap_or_default();
            let log: String = log.iter().map(|&letter| char::from(letter as u8)).collect();
            Error::Unavailable(format!("NVRTC cannot compile the kernels for {architecture}: {error}\n{log}"))
        });
        let cubin = compiled.and_then(|()| {
            let mut size = 0;
            sys::nvrtcGetCUBINSize(program, &mut size)
                .result()
                .map_err(nvrtc_error("giving the code's size"))?;
            let mut cubin = vec![0u8; size];
            let code = cubin.as_mut_ptr().cast::<c_char>();
            sys::nvrtcGetCUBIN(program, code).result().map_err(nvrtc_error("giving the code"))?;
            Ok(cubin)
        });
        nvrtc::result::destroy_program(program).map_err(nvrtc_error("ending"))?;
        cubin
    }
}

fn nvrtc_error(what: &str) -> impl FnOnce(nvrtc::result::NvrtcError) -> Error + '_ {
    move |error| Error::Unavailable(format!("NVRTC failed at {what}: {error}"))
}

#[cfg(test)]
mod tests;
