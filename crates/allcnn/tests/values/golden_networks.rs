//! Whole networks give PyTorch's logits, losses, gradients and ten steps of training.

use crate::golden::{
    Fixture, Tolerance, check_companions, check_drop_connect, check_explanations, check_generated,
    check_stored,
};
use allcnn::net::{Base, LayerKind, Network, Variant};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::Reference;

/// The networks with stored values.
fn stored() -> Vec<String> {
    let forms = Base::ALL.map(|base| Variant::ALL.map(|variant| base.derive(variant, 10).name().to_owned()));
    forms.into_iter().flatten().chain(["everything", "windows", "kinds"].map(String::from)).collect()
}

/// The reference adds up in f64 and stores f32.
const REFERENCE: Tolerance = Tolerance { logits: 2e-6, gradient: 1e-5, losses: 1e-5 };
/// The CPU adds up in f32, in another order.
const CPU: Tolerance = Tolerance { logits: 1e-5, gradient: 1e-4, losses: 1e-4 };
/// Among the hundreds of thousands of units of a full network, one whose sum is 0 but for rounding can fall on the
/// other side of its ReLU and carries its whole signal with it: a part in a thousand of some gradients.
const CPU_FULL: Tolerance = Tolerance { gradient: 1e-2, ..CPU };

/// Where there is AMX, 2x2 kernels go by products of two bf16 terms: eight such layers in a row add up their errors.
const CPU_FRACTIONAL: Tolerance = Tolerance { logits: 2e-5, ..CPU_FULL };

#[test]
fn the_reference_device_computes_what_pytorch_does() {
    for name in stored() {
        check_stored(&Reference, &name, REFERENCE);
    }
    check_generated(&Reference, "imagenet-all-cnn-b", REFERENCE);
}

#[test]
fn the_cpu_device_computes_what_pytorch_does() {
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    for name in stored() {
        check_stored(&cpu, &name, CPU);
    }
    for name in Fixture::read("generated").names() {
        let tolerance = if name == "fractional" { CPU_FRACTIONAL } else { CPU_FULL };
        check_generated(&cpu, &name, tolerance);
    }
}

#[test]
fn companion_heads_train_as_in_pytorch() {
    check_companions(&Reference, REFERENCE);
    check_companions(&Cpu::new(CpuOptions::default()).unwrap(), CPU);
}

#[test]
fn drop_connect_trains_tests_and_explains_as_in_pytorch() {
    check_drop_connect(&Reference, REFERENCE);
    check_drop_connect(&Cpu::new(CpuOptions::default()).unwrap(), CPU);
}

#[test]
fn explanations_are_those_of_captum() {
    for (fixture, tolerance) in [("explanations", 1e-6), ("attributions", 1e-5)] {
        check_explanations(&Reference, fixture, tolerance);
        check_explanations(&Cpu::new(CpuOptions::default()).unwrap(), fixture, 1e-4);
    }
}

/// make.py writes the networks down on its own, from the paper's tables.
#[test]
fn the_fixtures_networks_are_the_tables_of_the_program() {
    let generated = Fixture::read("generated");
    let named = generated.names().into_iter().filter(|name| !name.ends_with("-narrow")).collect::<Vec<_>>();
    assert_eq!(named.len(), 18);
    for name in named {
        let network = generated.network(&name);
        assert_eq!(network, Network::named(&name, network.classes()).unwrap());
    }
    for (narrow, name, width) in [
        ("large-narrow", "large-all-cnn", 16),
        ("caffenet-narrow", "caffenet", 8),
        ("large-fractional-narrow", "large-fractional", 16),
        ("spatially-sparse-narrow", "spatially-sparse", 16),
    ] {
        let kinds = |network: &Network| network.layers().iter().map(|l| *l.kind()).collect::<Vec<_>>();
        let mut full = kinds(&Network::named(name, 10).unwrap());
        let last = full.len() - 1;
        for kind in &mut full[..last] {
            if let LayerKind::Conv(conv) = kind {
                conv.channels /= width;
            }
        }
        assert_eq!(kinds(&generated.network(narrow)), full);
    }
    for base in Base::ALL {
        let stored = |variant| {
            let name = base.derive(variant, 10).name().to_owned();
            Fixture::read(&name).network(&name)
        };
        for variant in Variant::ALL {
            assert_eq!(stored(Variant::Base).derive(variant).unwrap(), stored(variant));
        }
    }
}
