//! Graphs and engines for a Hopper card, known to cuDNN by its properties: no GPU is needed, only the library.

use allcnn::net::{Network, Operation};
use allcnn_device::conformance::cases;
use allcnn_device::{ConvShape, Precision};
use cudarc::cudnn::sys::{cudnnBackendAttributeName_t as Name, cudnnBackendDescriptorType_t as Kind};

use super::graph::{Pass, Work, dimensions};
use super::plan::{Arithmetic, Plan};
use super::{Descriptor, Target};
use crate::conv::padded_work;
use crate::engine::Numbers;
use crate::libraries;
use crate::memory::Form;

/// An H100 as cuDNN writes one down. The numbers are those of NVIDIA's data sheet and of the CUDA programming guide.
const H100: &str = r#"{"version":1,"deviceName":"NVIDIA H100 80GB HBM3","cudaDeviceId":0,"deviceVer":900,
"driverVer":13000,"isTccDriver":0,"supportCoopLaunch":1,"smCountOrigin":0,"pciDeviceId":0,"warpSize":32,
"multiProcessorCount":132,"smClockRateKHz":1980000,"memClockRateKHz":2619000,"totalGlobalMem":85520809984,
"l2CacheSize":52428800,"maxCtasPerSM":32,"maxThreadsPerSM":2048,"maxThreadsPerBlock":1024,
"maxBlockSize":[1024,1024,64],"maxGridSize":[2147483647,65535,65535],"regsPerBlock":65536,
"maxRegistersPerSM":65536,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,
"reservedSharedMemoryPerBlock":1024}"#;

/// The first cuDNN that can plan for a GPU that is not there.
const PLANS_WITHOUT_GPU: usize = 90_800;

/// The card, or nothing (visibly) where the library is missing or too old.
fn h100(test: &str) -> Option<Target> {
    if !libraries::load_for_compilation().cudnn {
        eprintln!("SKIPPED {test}: no cuDNN; name a folder that has it in {}", libraries::FOLDERS);
        return None;
    }
    if super::version() < PLANS_WITHOUT_GPU {
        eprintln!("SKIPPED {test}: cuDNN {} cannot plan without a GPU", super::version());
        return None;
    }
    let text: Vec<_> = H100.bytes().chain([0]).map(|letter| letter as std::ffi::c_char).collect();
    let properties = Descriptor::new(Kind::CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR)
        .unwrap()
        .set(Name::CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, &text)
        .unwrap()
        .finalize()
        .unwrap();
    Some(Target::Properties(properties))
}

/// The first engine that makes a plan, and how many were proposed.
fn plan(target: &Target, work: &Work, arithmetic: Arithmetic) -> (Option<Plan>, usize) {
    let engines = work.engines(target, arithmetic).unwrap();
    (engines.iter().find_map(|engine| work.plan(target, engine)), engines.len())
}

#[test]
fn explore() {
    let Some(target) = h100("explore") else { return };
    for numbers in [
        Numbers::new(Precision::Bf16, true),
        Numbers::new(Precision::F32, true),
        Numbers::new(Precision::F32, false),
    ] {
        for operation in Network::named("all-cnn-c", 10).unwrap().operations(128) {
            let Operation::Conv(shape) = operation else { continue };
            for pass in [Pass::Forward, Pass::ForwardRelu, Pass::BackwardData, Pass::BackwardWeights] {
                let work = padded_work(shape, numbers, pass);
                let begin = std::time::Instant::now();
                let engines = work.engines(&target, numbers.arithmetic);
                match engines {
                    Err(error) => eprintln!("{numbers:?} {pass:?} {shape:?}: {error}"),
                    Ok(engines) => {
                        let plans: Vec<_> = engines
                            .iter()
                            .take(4)
                            .map(|e| work.plan(&target, e).map(|p| (p.engine, p.workspace)))
                            .collect();
                        eprintln!(
                            "{:?} {pass:?} {}->{} k{} s{}: {} engines {plans:?} {:?}",
                            numbers.form,
                            shape.input.channels,
                            shape.out_channels,
                            shape.kernel,
                            shape.stride,
                            engines.len(),
                            begin.elapsed()
                        );
                    }
                }
            }
        }
    }
    let _ = (cases::convolutions().len(), plan, dimensions, Form::F32, None::<ConvShape>);
}
