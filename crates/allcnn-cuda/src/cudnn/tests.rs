//! Graphs and engines for a Hopper card, known to cuDNN by its properties: no GPU is needed, only the library.

use allcnn::net::{Network, Operation};
use allcnn_device::conformance::cases;
use allcnn_device::{ConvShape, Precision, Shape};
use cudarc::cudnn::sys::{cudnnBackendAttributeName_t as Name, cudnnBackendDescriptorType_t as Kind};

use super::graph::{Pass, Work, dimensions};
use super::plan::{Arithmetic, Plan};
use super::{Descriptor, Target};
use crate::conv::padded_work;
use crate::engine::Numbers;
use crate::libraries;

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

/// The plan of the first engine that takes the work.
fn plan(target: &Target, work: &Work, arithmetic: Arithmetic) -> Option<Plan> {
    let engines = work.engines(target, arithmetic).unwrap();
    engines.iter().find_map(|engine| work.plan(target, engine))
}

/// What convolutions are calculated with.
fn all_numbers() -> [Numbers; 3] {
    [(Precision::Bf16, true), (Precision::F32, true), (Precision::F32, false)]
        .map(|(precision, tf32)| Numbers::new(precision, tf32))
}

const PASSES: [Pass; 4] = [Pass::Forward, Pass::ForwardRelu, Pass::BackwardData, Pass::BackwardWeights];

#[test]
fn every_convolution_of_the_networks_has_an_engine() {
    let Some(target) = h100("every_convolution_of_the_networks_has_an_engine") else { return };
    let mut missing = Vec::new();
    for (name, batch) in [
        ("all-cnn-a", 128),
        ("all-cnn-b", 128),
        ("all-cnn-c", 128),
        ("all-cnn-c", 1),
        ("model-a", 128),
        ("strided-cnn-c", 128),
        ("large-all-cnn", 4),
        ("imagenet-all-cnn-b", 16),
        ("caffenet", 16),
    ] {
        for (operation, numbers) in convolutions(name, batch) {
            for pass in PASSES {
                let work = padded_work(operation, numbers, pass);
                if plan(&target, &work, numbers.arithmetic).is_none() {
                    missing.push(format!("{name}: {work:?}, {:?}", numbers.arithmetic));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{} works have no engine:\n{}", missing.len(), missing.join("\n"));
}

/// The convolutions of a network, each in every precision.
fn convolutions(name: &str, batch: usize) -> Vec<(ConvShape, Numbers)> {
    let operations = Network::named(name, 10).unwrap().operations(batch);
    let shapes = operations.into_iter().filter_map(|operation| match operation {
        Operation::Conv(shape) => Some(shape),
        _ => None,
    });
    shapes.flat_map(|shape| all_numbers().map(|numbers| (shape, numbers))).collect()
}

#[test]
fn every_conformance_case_has_an_engine() {
    let Some(target) = h100("every_conformance_case_has_an_engine") else { return };
    let mut missing = Vec::new();
    for case in cases::convolutions() {
        for (numbers, pass) in
            all_numbers().into_iter().flat_map(|numbers| PASSES.map(|pass| (numbers, pass)))
        {
            let work = padded_work(case.shape, numbers, pass);
            if plan(&target, &work, numbers.arithmetic).is_none() {
                missing.push(format!("{}: {pass:?}, {numbers:?}", case.name));
            }
        }
    }
    assert!(missing.is_empty(), "{} works have no engine:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn tensors_are_told_in_the_layout_that_they_have() {
    let shape = Shape { batch: 2, height: 3, width: 5, channels: 7 };
    assert_eq!(dimensions(shape), ([2, 7, 3, 5], [105, 1, 35, 7]));
}
