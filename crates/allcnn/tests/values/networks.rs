//! The paper's networks have the paper's sizes and numbers of parameters; networks as text; what units see.

use allcnn::net::Init;
use allcnn::net::{Base, Conv, LayerKind, ModelInfo, NetError, Network, Pool, Rectangle, Variant};
use allcnn::parameters::{Kind, Parameters};
use allcnn_device::learned_norm::order;
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{PoolKind, Reference};

fn info(name: &str, classes: usize) -> ModelInfo {
    Network::named(name, classes).unwrap().info()
}

/// Output heights from the picture on, the softmax left out; a size that stays is listed once.
fn sizes(info: &ModelInfo) -> Vec<usize> {
    let mut sizes = vec![info.input[0]];
    sizes.extend(info.layers[..info.layers.len() - 1].iter().map(|layer| layer.output[0]));
    sizes.dedup();
    sizes
}

#[test]
fn the_twelve_cifar_networks_have_the_papers_parameters_and_sizes() {
    let parameters = [
        ("a", [839_242, 839_242, 1_254_250, 1_254_250]),
        ("b", [885_610, 885_610, 1_300_618, 1_300_618]),
        ("c", [954_730, 954_730, 1_369_738, 1_369_738]),
    ];
    for (letter, expected) in parameters {
        for (variant, expected) in Variant::ALL.into_iter().zip(expected) {
            let info = info(&format!("{}-{letter}", variant.prefix()), 10);
            assert_eq!(info.parameters, expected, "{}", info.name);
            assert_eq!(sizes(&info), [32, 16, 8, 6, 1], "{}", info.name);
            let hundred = self::info(&info.name, 100);
            assert_eq!(hundred.parameters, expected + 90 * 193, "{} with 100 classes", info.name);
        }
    }
}

#[test]
fn the_large_networks_have_the_papers_parameters_and_sizes() {
    let large = info("large-all-cnn", 10);
    assert_eq!(sizes(&large), [126, 125, 124, 62, 61, 60, 30, 29, 28, 14, 13, 12, 6, 5, 4, 2, 1]);
    assert_eq!((large.parameters as f64 / 1e5).round() / 10.0, 77.5, "{}", large.parameters);
    let imagenet = info("imagenet-all-cnn-b", 1000);
    assert_eq!(sizes(&imagenet), [224, 54, 27, 23, 12, 6, 1]);
    assert_eq!((imagenet.parameters as f64 / 1e4).round() / 100.0, 9.37, "{}", imagenet.parameters);
    let caffenet = info("caffenet", 1000);
    assert_eq!(sizes(&caffenet), [227, 55, 27, 13, 6, 1]);
    assert_eq!(caffenet.parameters, 60_965_224);
    let alexnet = info("alexnet", 1000);
    assert_eq!(sizes(&alexnet), [224, 55, 27, 13, 6, 1]);
    assert_eq!(alexnet.parameters, 61_100_840); // as torchvision states it
}

#[test]
fn table_4s_networks_have_their_authors_sizes() {
    let nin = info("nin", 10);
    assert_eq!((sizes(&nin), nin.parameters), (vec![32, 16, 8, 1], 966_986));
    let maxout = info("maxout", 10);
    // The sizes that cuda-convnet's rounding up gives; 33 and 15 are the partial sums of the authors' definition.
    assert_eq!(sizes(&maxout), [32, 33, 16, 15, 7, 9, 5, 1]);
    let filters = [192 * (3 * 64 + 1), 384 * (96 * 64 + 1), 384 * (192 * 25 + 1), 2500 * (192 * 25 + 1)];
    assert_eq!(maxout.parameters, filters.iter().sum::<usize>() + 5010);
    assert_eq!(maxout.layers[1].output, [33, 33, 96]);
    // Graham's 36x36 canvas is the padding of the first convolution; 94x94 is his input for CIFAR-10.
    let fractional = info("fractional", 10);
    assert_eq!(sizes(&fractional), [32, 35, 25, 24, 17, 16, 11, 10, 7, 6, 4, 3, 2, 1]);
    let large = info("large-fractional", 10);
    let expected =
        [94, 93, 74, 73, 58, 57, 45, 44, 35, 34, 27, 26, 21, 20, 16, 15, 12, 11, 9, 8, 6, 5, 4, 3, 2, 1];
    assert_eq!(sizes(&large), expected);
    for (info, width, levels) in [(fractional, 64, 6), (large, 160, 12)] {
        let pairs: usize = (2..=levels + 1).map(|n| 4 * n * (n - 1)).sum();
        let weights = width * width * (pairs + (levels + 1) * (levels + 2)) + 4 * 3 * width;
        let (biases, last) = (width * (levels + 2) * (levels + 3) / 2, 10 * (width * (levels + 2) + 1));
        assert_eq!(info.parameters, weights + biases + last, "{}", info.name);
        let rates: Vec<f32> =
            Network::named(&info.name, 10).unwrap().layers().iter().map(|l| l.kind().dropout()).collect();
        let rising: Vec<f32> = rates.iter().copied().filter(|&rate| rate > 0.0).collect();
        assert!(rising.is_sorted() && rising.len() == levels + 1 && rising[levels] == 0.5, "{rates:?}");
    }
}

#[test]
fn the_networks_with_companion_heads_and_with_a_prior_have_their_sizes() {
    let (dsn, nin) = (info("dsn", 10), info("nin", 10));
    assert_eq!((sizes(&dsn), dsn.parameters), (sizes(&nin), nin.parameters));
    let kinds = |name| {
        let network = Network::named(name, 10).unwrap();
        network.layers().iter().map(|layer| layer.kind().to_string()).collect::<Vec<_>>()
    };
    let pairs = kinds("dsn").into_iter().zip(kinds("nin"));
    let different: Vec<_> = pairs.filter(|(a, b)| a != b).collect();
    assert_eq!(different, [("3x3 max/2".into(), "3x3 average/2".into())]);
    let tree = info("tree-prior", 100);
    assert_eq!(sizes(&tree), [32, 16, 8, 4, 1]);
    let convolutions = 96 * (3 * 25 + 1) + 128 * (96 * 25 + 1) + 256 * (128 * 25 + 1);
    assert_eq!(tree.parameters, convolutions + 2048 * (16 * 256 + 1) + 2048 * 2049 + 100 * 2049);
}

#[test]
fn the_network_of_drop_connect_has_its_size_and_goes_back_and_forth_as_text() {
    let info = info("dropconnect", 10);
    assert_eq!(sizes(&info), [24, 12, 6, 1]);
    let places = |inputs: usize| 36 * 32 * (9 * inputs + 1);
    let convolutions = 64 * (3 * 25 + 1) + 64 * (64 * 25 + 1);
    assert_eq!(info.parameters, convolutions + places(64) + places(32) + 128 * (36 * 32 + 1) + 10 * 129);
    let [local, dense] =
        ["local2", "conv3"].map(|name| info.layers.iter().find(|layer| layer.name == name).unwrap());
    assert_eq!((local.description.as_str(), local.output), ("3x3-32 local", [6, 6, 32]));
    assert_eq!(dense.description, "6x6-128 with DropConnect 0.5");
    assert_eq!(local.receptive_field.height, 1 + 4 + 2 + 8 + 4 + 8 + 8);
    let network = Network::named("dropconnect", 10).unwrap();
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
}

#[test]
fn local_layers_and_drop_connect_are_refused_where_they_have_no_meaning() {
    let error = |layer: &str| {
        let text = format!(
            "name = \"own\"\ninput = [8, 8, 4]\nclasses = 2\nlayers = [\n  {{ {layer} }},\n  \
             {{ conv = \"classes\", kernel = 1 }},\n  {{ global_average = true }},\n]\n"
        );
        Network::from_toml(&text).unwrap_err().to_string()
    };
    for (layer, expected) in [
        (
            "conv = 4, kernel = 3, drop_connect = 0.5",
            "drop_connect in a convolution of 8x8 with a 3x3 kernel",
        ),
        ("conv = 4, kernel = 8, padding = \"valid\", drop_connect = 1.0", "a dropout rate of 1"),
        (
            "conv = 4, kernel = 8, padding = \"valid\", groups = 2, drop_connect = 0.5",
            "2 groups; expected none",
        ),
        ("local = 4, kernel = 3, groups = 2", "groups on a local layer"),
        ("local = 4, kernel = 3, drop_connect = 0.5", "drop_connect on a local layer"),
        ("local = 4, kernel = 9, padding = \"valid\"", "a 9x9 kernel on 8x8"),
    ] {
        let error = error(layer);
        assert!(error.contains(expected), "{layer}: {error}");
    }
}

/// What is dropped of a convolution: single values, or channels; never both.
#[test]
fn dropout_of_channels_is_written_and_read_and_goes_with_its_layer() {
    let text = |conv: &str| {
        format!(
            "name = \"own\"\ninput = [8, 8, 3]\nclasses = 2\nlayers = [\n  {{ {conv} }},\n  \
             {{ pool = \"max\", kernel = 3, stride = 2, dropout = 0.5 }},\n  {{ conv = \"classes\", kernel = 1 }},\n  \
             {{ global_average = true }},\n]\n"
        )
    };
    let network = Network::from_toml(&text("conv = 4, kernel = 3, channel_dropout = 0.25")).unwrap();
    assert!(network.to_toml().contains("conv = 4, kernel = 3, channel_dropout = 0.25"));
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
    let kind = network.layers()[0].kind();
    assert_eq!((kind.dropout(), kind.dropped_channels()), (0.25, Some(4)));
    let all = network.derive(Variant::AllCnn).unwrap();
    assert_eq!(all.layers()[0].kind().dropped_channels(), Some(4));
    let both = Network::from_toml(&text("conv = 4, kernel = 3, dropout = 0.1, channel_dropout = 0.1"));
    assert!(both.unwrap_err().to_string().contains("dropout and channel_dropout; expected one of them"));
    let joined = network.derive(Variant::Strided).unwrap_err().to_string();
    assert!(joined.contains("dropout, and channel_dropout below it"), "{joined}");
}

#[test]
fn the_spatially_sparse_network_is_the_pooled_twin_of_the_large_all_cnn() {
    let sparse = info("spatially-sparse", 10);
    assert_eq!(sparse.parameters, 54_922_890);
    assert_eq!(sizes(&sparse), [126, 125, 124, 62, 61, 60, 30, 29, 28, 14, 13, 12, 6, 5, 4, 2, 1]);
    let kinds = |name| {
        let network = Network::named(name, 10).unwrap();
        network.layers().iter().map(|layer| *layer.kind()).collect::<Vec<_>>()
    };
    let of_channels = |kind: LayerKind| match kind {
        LayerKind::Conv(conv) if conv.dropout > 0.0 => Conv { drops_channels: true, ..conv }.into(),
        other => other,
    };
    let pairs =
        kinds("spatially-sparse").into_iter().zip(kinds("large-all-cnn").into_iter().map(of_channels));
    let different: Vec<usize> = pairs.enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
    assert_eq!(different, [2, 5, 8, 11, 14]);
}

#[test]
fn maxout_and_fractional_layers_have_names_and_words() {
    let info = info("maxout", 10);
    let layers: Vec<String> = info.layers.iter().map(|l| format!("{} {}", l.name, l.description)).collect();
    assert_eq!(layers[..3], ["conv1 8x8-192", "maxout1 max of 2 channels", "pool1 4x4 max/2"]);
    assert_eq!((info.layers[1].kind, info.layers[9].name.as_str()), ("maxout", "conv4"));
    assert_eq!(self::info("nin", 10).layers[7].description, "3x3 average/2");
    assert_eq!(self::info("fractional", 10).layers[1].description, "fractional max/1.4142135");
}

#[test]
fn dropout_is_where_the_paper_has_it() {
    for base in Base::ALL {
        for variant in Variant::ALL {
            let network = base.derive(variant, 10);
            assert_eq!(network.input_dropout(), 0.2);
            let halved: Vec<_> =
                network.layers().iter().filter(|layer| layer.kind().dropout() == 0.5).collect();
            assert_eq!(halved.len(), 2, "{}", network.name());
            for layer in halved {
                let halves = match layer.kind() {
                    LayerKind::Conv(conv) => conv.stride == 2,
                    LayerKind::Pool(pool) => pool.windows == Pool::square(PoolKind::Max, 3, 2).windows,
                    _ => false,
                };
                assert!(halves, "{}: dropout after {}", network.name(), layer.name());
            }
            let plain = network.with_input_dropout(0.0).unwrap().with_layer_dropout(0.0).unwrap();
            assert!(plain.layers().iter().all(|layer| layer.kind().dropout() == 0.0));
            let quarter = network.with_layer_dropout(0.25).unwrap();
            assert_eq!(quarter.layers().iter().filter(|layer| layer.kind().dropout() == 0.25).count(), 2);
        }
    }
    let rates: Vec<f32> =
        Network::named("large-all-cnn", 10).unwrap().layers().iter().map(|l| l.kind().dropout()).collect();
    #[rustfmt::skip]
    let expected = [0.0, 0.0, 0.0, 0.1, 0.1, 0.0, 0.2, 0.2, 0.0, 0.3, 0.3, 0.0, 0.4, 0.4, 0.0, 0.5, 0.5, 0.0];
    assert_eq!(rates, expected);
    let refused = Network::named("model-a", 10).unwrap().with_layer_dropout(1.0).unwrap_err().to_string();
    assert!(
        refused.contains("layer pool1: a dropout rate of 1; expected at least 0 and below 1"),
        "{refused}"
    );
}

#[test]
fn layers_of_all_cnn_c_are_table_2() {
    let info = info("all-cnn-c", 10);
    let layers: Vec<String> = info.layers.iter().map(|l| format!("{} {}", l.name, l.description)).collect();
    let expected = [
        "conv1 3x3-96",
        "conv2 3x3-96",
        "conv3 3x3-96/2",
        "conv4 3x3-192",
        "conv5 3x3-192",
        "conv6 3x3-192/2",
        "conv7 3x3-192",
        "conv8 1x1-192",
        "conv9 1x1-10",
        "global_pool global average",
        "softmax 10-way softmax",
    ];
    assert_eq!(layers, expected);
    // 1024 * (27 * 96 + 864 * 96) + 256 * 864 * (96 + 192) and so on, by hand.
    assert_eq!(info.layers[0].multiply_adds, 1024 * 27 * 96);
    assert_eq!(info.layers[2].multiply_adds, 256 * 864 * 96);
    assert_eq!(info.multiply_adds, info.layers.iter().map(|layer| layer.multiply_adds).sum::<usize>());
    let fields: Vec<usize> = info.layers.iter().map(|layer| layer.receptive_field.height).collect();
    assert_eq!(fields, [3, 5, 7, 11, 15, 19, 27, 27, 27, 47, 47]);
    let strides: Vec<f64> = info.layers.iter().map(|layer| layer.receptive_field.stride).collect();
    assert_eq!(strides, [1.0, 1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]);
    let offsets: Vec<f64> = info.layers.iter().map(|layer| layer.receptive_field.offset).collect();
    assert_eq!(offsets, [-1.0, -2.0, -3.0, -5.0, -7.0, -9.0, -9.0, -9.0, -9.0, -9.0, -9.0]);
}

#[test]
fn base_layers_keep_their_names_in_variants_with_pools() {
    let names: Vec<String> =
        info("convpool-cnn-a", 10).layers.iter().map(|l| format!("{} {}", l.name, l.description)).collect();
    assert_eq!(names[..4], ["conv1 5x5-96", "conv2 3x3-96", "pool1 3x3 max/2", "conv3 5x5-192"]);
    let strided: Vec<String> =
        info("strided-cnn-b", 10).layers.iter().map(|layer| layer.description.clone()).collect();
    assert_eq!(strided[..4], ["5x5-96", "1x1-96/2", "5x5-192", "1x1-192/2"]);
}

#[test]
fn json_is_the_contract_of_the_command_line() {
    let json: serde_json::Value = serde_json::to_value(info("model-a", 10)).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&json), ["input", "input_dropout", "layers", "multiply_adds", "name", "parameters"]);
    assert_eq!(json["input"], serde_json::json!([32, 32, 3]));
    assert_eq!(
        json["layers"][1],
        serde_json::json!({
            "name": "pool1", "kind": "pool", "output": [16, 16, 96], "parameters": 0,
            "activation": null, "dropout": 0.5, "receptive_field": 7
        })
    );
}

#[test]
fn the_receptive_field_clipped_to_the_picture_holds_every_rectangle() {
    for name in ["all-cnn-c", "model-b", "strided-cnn-a"] {
        let network = Network::named(name, 10).unwrap();
        let info = network.info();
        for (layer, operation) in network.operations(1).iter().enumerate() {
            let output = operation.output();
            let field = info.layers[layer].receptive_field;
            let clipped = |at: usize, size: usize| {
                let start = (field.offset + at as f64 * field.stride) as isize;
                start.clamp(0, 32) as usize..(start + size as isize).clamp(0, 32) as usize
            };
            for (row, column) in [(0, 0), (output.height - 1, output.width / 2), (output.height / 2, 0)] {
                let Rectangle { rows, columns } = network.input_rectangle(layer, row, column);
                let (outer_rows, outer_columns) = (clipped(row, field.height), clipped(column, field.width));
                assert!(!rows.is_empty() && !columns.is_empty());
                assert!(outer_rows.start <= rows.start && rows.end <= outer_rows.end);
                assert!(outer_columns.start <= columns.start && columns.end <= outer_columns.end);
            }
        }
    }
    // A unit in the middle of conv7 sees all of its 27x27 field: rows 4 * 2 - 9 = -1 .. 26 without the border row.
    let network = Network::named("all-cnn-c", 10).unwrap();
    let seen = network.input_rectangle(network.layer_index("conv7").unwrap(), 2, 3);
    assert_eq!(seen, Rectangle { rows: 0..26, columns: 3..30 });
}

#[test]
fn text_and_network_go_back_and_forth_exactly() {
    for name in Network::names() {
        let network = Network::named(&name, 17).unwrap();
        assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network, "{name}");
        assert_eq!(
            Network::from_toml_for(&network.to_toml(), 3).unwrap(),
            Network::named(&name, 3).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn random_networks_go_back_and_forth_exactly() {
    for seed in 0..200 {
        let mut numbers = Stream::new(seed, Purpose::Test, 0, 9).sequence();
        let mut rate = || numbers.uniform() * 0.99;
        let text = format!(
            "name = \"a \\\"b\\\\ c\\u0007\"\ninput = [15, 18, 4]\nclasses = 6\ninput_dropout = {:?}\nlayers = [\
             {{ conv = 8, kernel = 3, groups = 2, activation = \"leaky:{:?}\", dropout = {:?} }},\
             {{ lrn = 5, alpha = {:?}, beta = {:?}, k = {:?} }},\
             {{ pool = \"norm:{:?}\", kernel = 3, padding = 1, stride = 2, ceil = false, dropout = {:?} }},\
             {{ pool = \"max\", kernel = 2 }},\
             {{ pool = \"stochastic\", kernel = 2, ceil = false, dropout = {:?} }},\
             {{ maxout = 2, dropout = {:?} }},\
             {{ pool = \"average\", fractional = {:?}, sequence = \"random\", overlapping = false, dropout = {:?} }},\
             {{ conv = 18, kernel = 2, padding = \"valid\", activation = \"identity\" }},\
             {{ lwta = 2, dropout = {:?} }},\
             {{ pool = \"learned-norm\", kernel = 2, padding = 1 }},\
             {{ maxout = 3 }},\
             {{ conv = 12, kernel = 1 }},\
             {{ probout = 2, lambda = {:?}, dropout = {:?} }},\
             {{ lwta = 6 }},\
             {{ global_average = true }}]",
            rate(),
            rate() + 1e-3,
            rate(),
            rate() * 1e-6,
            rate(),
            rate() + 1e-9,
            1.0 + rate(),
            rate(),
            rate(),
            rate(),
            1.4 + rate() * 0.5,
            rate(),
            rate(),
            rate() + 1e-9,
            rate()
        );
        let network = Network::from_toml(&text).unwrap();
        assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network, "{text}");
    }
}

#[test]
fn layer_sections_mean_the_same_as_a_list() {
    let sections = r#"
        name = "n"
        input = [4, 4, 1]
        classes = 2
        [[layers]]
        conv = "classes"
        kernel = 3
        [[layers]]
        global_average = true
    "#;
    let list = r#"
        name = "n"
        input = [4, 4, 1]
        classes = 2
        layers = [{ conv = 2, kernel = 3, padding = "same", activation = "relu" }, { global_average = true }]
    "#;
    assert_eq!(Network::from_toml(sections).unwrap(), Network::from_toml(list).unwrap());
}

#[test]
fn mistakes_in_the_text_are_named_with_layer_and_line() {
    let with = |layer: &str| {
        format!(
            "name = \"n\"\ninput = [8, 8, 3]\nclasses = 2\nlayers = [\n  {{ conv = 4, kernel = 3 }},\n  {layer},\n  \
             {{ conv = 2, kernel = 1 }},\n  {{ global_average = true }},\n]\n"
        )
    };
    let cases = [
        ("{ conv = 4, kernel = 9, padding = 0 }", "layer conv2 (line 6): convolution: a 9x9 kernel on 8x8"),
        ("{ conv = 4, kernal = 3 }", "line 6 of the network: unknown field `kernal`, expected one of"),
        ("{ conv = 4 }", "layer number 2 (line 6): no kernel size; expected kernel = N"),
        (
            "{ conv = \"many\", kernel = 1 }",
            "conv = \"many\"; expected the number of channels or \"classes\"",
        ),
        (
            "{ conv = -4, kernel = 1 }",
            "line 6 of the network: invalid value: integer `-4`, expected 0 or more",
        ),
        ("{ conv = 4, kernel = 2 }", "padding \"same\" with a 2x2 kernel; expected an odd kernel"),
        ("{ conv = 4, kernel = 3, padding = \"full\" }", "expected \"same\", \"valid\" or a number"),
        ("{ conv = 4, kernel = 3, groups = 3 }", "layer conv2 (line 6): convolution: 3 groups of 4 -> 4"),
        ("{ conv = 4, kernel = 3, stride = 0 }", "every size to be at least 1"),
        (
            "{ conv = 4, kernel = 3, activation = \"tanh\" }",
            "expected \"relu\", \"identity\" or \"leaky:SLOPE\"",
        ),
        (
            "{ conv = 4, kernel = 3, activation = \"leaky:1.5\" }",
            "a leaky slope of 1.5; expected one between",
        ),
        ("{ conv = 4, kernel = 3, dropout = 1.0 }", "a dropout rate of 1; expected at least 0 and below 1"),
        ("{ conv = 4, kernel = 3, dropout = nan }", "a dropout rate of NaN"),
        ("{ conv = 4, kernel = 3, ceil = true }", "ceil on a conv layer; expected only kernel, stride"),
        ("{ conv = 70000, kernel = 1 }", "a size of 70000; expected at most 65536"),
        ("{ conv = 65536, kernel = 3001, padding = 3000 }", "weights; expected at most 2147483648 of each"),
        (
            "{ pool = \"mean\", kernel = 2 }",
            "pool = \"mean\"; expected \"max\", \"average\", \"stochastic\", \"learned-norm\" or \"norm:P\"",
        ),
        ("{ pool = \"norm:0.5\", kernel = 2 }", "layer pool1 (line 6): pooling: p = 0.5"),
        ("{ pool = \"learned-norm\", kernel = 9 }", "layer pool1 (line 6): pooling: a 9x9 window on 8x8"),
        ("{ pool = \"learned-norm\" }", "no kernel size; expected kernel = N"),
        ("{ pool = \"stochastic\", kernel = 9 }", "layer pool1 (line 6): pooling: a 9x9 window on 8x8"),
        (
            "{ conv = 4, kernel = 3, activation = \"leaky:0.1\" }, { pool = \"stochastic\", kernel = 2 }",
            "layer pool1 (line 6): it draws in proportion to its input, and values of conv2 may be negative; expected a ReLU",
        ),
        ("{ pool = \"max\", kernel = 3, padding = 2 }", "padding of at most half the window"),
        (
            "{ maxout = 3 }",
            "layer maxout1 (line 6): pooling: maxout over 3 of 4 channels; expected pieces that divide",
        ),
        ("{ maxout = 0 }", "maxout over 0 of 4 channels"),
        ("{ maxout = 2, kernel = 1 }", "kernel on a maxout layer; expected only dropout"),
        (
            "{ pool = \"max\", fractional = 2.0 }",
            "layer pool1 (line 6): fractional pooling: alpha 2; expected an alpha between 1 and 2",
        ),
        ("{ pool = \"max\", fractional = 0.7 }", "alpha 0.7; expected an alpha between 1 and 2"),
        ("{ pool = \"max\", fractional = nan }", "alpha NaN; expected an alpha between 1 and 2"),
        ("{ pool = \"max\", fractional = 1.01 }", "alpha 1.01 on 8x8; expected an input large enough"),
        (
            "{ pool = \"max\", fractional = 1.5, kernel = 2 }",
            "kernel on a fractional pool layer; expected only fractional, sequence, overlapping, dropout",
        ),
        (
            "{ pool = \"max\", fractional = 1.5, sequence = \"even\" }",
            "sequence = \"even\"; expected \"pseudorandom\" or \"random\"",
        ),
        (
            "{ pool = \"max\", kernel = 2, overlapping = true }",
            "overlapping on a pool layer; expected only kernel",
        ),
        (
            "{ lwta = 3 }",
            "layer lwta1 (line 6): local winner-take-all: groups of 3 of 4 channels; expected a size of at least 1",
        ),
        ("{ lwta = 0 }", "groups of 0 of 4 channels"),
        ("{ lwta = 2, kernel = 1 }", "kernel on a lwta layer; expected only dropout"),
        ("{ lwta = 2, dropout = 1.5 }", "a dropout rate of 1.5"),
        (
            "{ probout = 3 }",
            "layer probout1 (line 6): pooling: probout over 3 of 4 channels; expected pieces that divide",
        ),
        ("{ probout = 2, lambda = 0.0 }", "lambda = 0; expected a finite lambda above 0"),
        ("{ probout = 2, lambda = -0.5 }", "lambda = -0.5; expected a finite lambda above 0"),
        ("{ probout = 2, lambda = nan }", "lambda = NaN; expected a finite lambda above 0"),
        ("{ maxout = 2, lambda = 1.0 }", "lambda on a maxout layer; expected only dropout"),
        ("{ lrn = 4 }", "layer lrn1 (line 6): local response normalization: size 4"),
        ("{ lrn = 5, kernel = 1 }", "kernel on a lrn layer; expected only alpha, beta, k"),
        (
            "{ kernel = 1 }",
            "layer number 2 (line 6): expected exactly one of conv, local, pool, maxout, probout, lrn, lwta and global_average",
        ),
        ("{ conv = 4, pool = \"max\", kernel = 1 }", "expected exactly one of"),
        ("{ global_average = false }", "global_average = false; expected true"),
        ("{ global_average = true }", "2 global averages; expected at most one"),
        ("oops", "line 6 of the network: "),
        ("5", "layer number 2 (line 6): it is of type integer; expected a table such as { conv = 64"),
    ];
    for (layer, expected) in cases {
        let message = Network::from_toml(&with(layer)).unwrap_err().to_string();
        assert!(message.contains(expected), "{layer} gave\n{message}\nwhich lacks\n{expected}");
        assert!(message.lines().count() <= 3, "{message}");
    }
    let wholes = [
        (
            "name = \"n\"\ninput = [8, 8, 3]\nclasses = 2\nlayers = [{ conv = 2, kernel = 1 }]",
            "network n: it ends in 8x8x2 values; expected 1x1x2",
        ),
        ("name = \"n\"\ninput = [8, 8, 3]\nlayers = []", "expected classes = N"),
        ("name = \"n\"\ninput = [8, 8]\nclasses = 2\nlayers = []", "line 2 of the network: "),
        (
            "name = \"n\"\ninput = [8, 8, 0]\nclasses = 2\nlayers = []",
            "input 8x8x0 and 2 classes; expected each",
        ),
        (
            "name = \"n\"\ninput = [1, 1, 2]\nclasses = 2\nlayers = [{ global_average = true }]",
            "no convolution",
        ),
        ("input = [8, 8, 3]\nlayers = []", "missing field `name`"),
        ("name = \"n\"\ninput = [8, 8, 3]\nclasses = 2", "missing field `layers`"),
        ("name = \"n\"\ninput = [8, 8, 3]\nlayers = 2", "line 3 of the network: invalid type: integer `2`"),
        (
            "name = \"n\"\ninput = [8, 8, 3]\nclasses = 2\n[[layers]]\nconv = 2\nkernel = \"one\"",
            "line 6 of the network: invalid type: string \"one\"",
        ),
    ];
    for (text, expected) in wholes {
        let message = Network::from_toml(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text} gave\n{message}");
    }
}

#[test]
fn learned_norms_have_parameters_for_each_channel() {
    let network = Network::from_toml(
        "name = \"n\"\ninput = [9, 9, 3]\nclasses = 2\nlayers = [{ conv = 4, kernel = 3 }, { pool = \"learned-norm\", kernel = 3, \
         stride = 2 }, { conv = 2, kernel = 1 }, { global_average = true }]",
    )
    .unwrap();
    let info = network.info();
    let counts: Vec<usize> = info.layers.iter().map(|layer| layer.parameters).collect();
    assert_eq!((counts, info.parameters), (vec![4 * 28, 2 * 4, 2 * 5, 0, 0], 130));
    assert_eq!(info.layers[1].description, "3x3 learned norm/2");
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
    let tensors = parameters.tensors(&Reference, Kind::Value).unwrap();
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(
        names,
        ["conv1.weight", "conv1.bias", "pool1.center", "pool1.rho", "conv2.weight", "conv2.bias"]
    );
    assert_eq!((parameters.count(), &tensors[2].values[..]), (130, &[0.0; 4][..]));
    assert!(tensors[3].values.iter().all(|&rho| (order(rho) - 2.0).abs() < 1e-6));
}

#[test]
fn what_stochastic_pooling_may_follow() {
    let with = |layers: &str| {
        Network::from_toml(&format!(
            "name = \"n\"\ninput = [8, 8, 3]\nclasses = 2\nlayers = [{layers} {{ pool = \"stochastic\", kernel = 2 }}, \
             {{ conv = 2, kernel = 1 }}, {{ global_average = true }}]"
        ))
    };
    let relu = "{ conv = 4, kernel = 3 },";
    for between in [
        "",
        "{ lrn = 3 },",
        "{ lwta = 2 },",
        "{ maxout = 2 },",
        "{ probout = 2 },",
        "{ pool = \"average\", kernel = 2 },",
    ] {
        with(&format!("{relu} {between}")).unwrap();
        let linear = relu.replace(" }", ", activation = \"identity\" }");
        let message = with(&format!("{linear} {between}")).unwrap_err().to_string();
        assert!(message.contains("may be negative"), "{message}");
    }
    with("{ conv = 4, kernel = 3, activation = \"identity\" }, { pool = \"norm:2\", kernel = 2 },").unwrap();
    assert!(with("").unwrap_err().to_string().contains("values of the picture may be negative"));
}

#[test]
fn other_input_sizes_where_the_layers_allow_them() {
    let network = Network::named("all-cnn-c", 10).unwrap();
    let wide = network.planned_for(48, 64).unwrap();
    assert_eq!(wide.info().layers[8].output, [10, 14, 10]);
    assert_eq!(wide.info().parameters, network.info().parameters);
    let message = network.planned_for(8, 8).unwrap_err().to_string();
    assert!(message.contains("layer conv7: convolution: a 3x3 kernel on 2x2"), "{message}");
    let large = Network::named("large-all-cnn", 10).unwrap();
    assert!(large.planned_for(190, 190).unwrap_err().to_string().contains("it ends in 3x3x10"));
}

#[test]
fn unknown_models_get_the_nearest_name() {
    let message = |name| Network::named(name, 10).unwrap_err().to_string();
    assert!(message("all-cnn-d").starts_with("unknown model \"all-cnn-d\", did you mean \"all-cnn-"));
    assert!(message("All_CNN_C").contains("did you mean \"all-cnn-c\"?"));
    assert!(message("allcnn-c").contains("did you mean \"all-cnn-c\"?"));
    assert!(!message("resnet50").contains("did you mean"));
    assert!(message("resnet50").contains(
        "caffenet, alexnet, nin, maxout, fractional, large-fractional, spatially-sparse, dsn, dropconnect, tree-prior, \
         model-c-average, "
    ));
    assert!(matches!(Network::named("all-cnn-c", 0), Err(NetError::Network { .. })));
}

#[test]
fn variants_are_rules_for_any_network() {
    let text = r#"
        name = "own"
        input = [17, 17, 3]
        classes = 2
        layers = [
          { conv = 4, kernel = 3, activation = "leaky:0.25", dropout = 0.5 },
          { pool = "norm:2", kernel = 5, stride = 3, dropout = 0.5 },
          { conv = "classes", kernel = 1 },
          { global_average = true },
        ]
    "#;
    let base = Network::from_toml(text).unwrap();
    let kinds = |variant| {
        let derived = base.derive(variant).unwrap();
        (derived.name().to_owned(), derived.layers().iter().map(|l| *l.kind()).collect::<Vec<_>>())
    };
    let (name, strided) = kinds(Variant::Strided);
    let LayerKind::Conv(first) = strided[0] else { panic!("{strided:?}") };
    assert_eq!((name.as_str(), first.stride, first.dropout), ("strided-cnn-own", 3, 0.75));
    let (_, all) = kinds(Variant::AllCnn);
    let (LayerKind::Conv(before), LayerKind::Conv(new)) = (all[0], all[1]) else { panic!("{all:?}") };
    assert_eq!((new.channels, new.kernel, new.stride, new.padding, new.dropout), (4, 5, 3, 2, 0.5));
    assert_eq!(new.activation, before.activation);
    assert_eq!(kinds(Variant::Base).1.len() + 1, kinds(Variant::ConvPool).1.len());
    let fractional = text.replace("kernel = 5, stride = 3", "fractional = 1.5");
    let message = Network::from_toml(&fractional).unwrap().derive(Variant::Strided).unwrap_err().to_string();
    assert!(
        message.contains("layer pool1: fractional windows; expected windows at equal steps"),
        "{message}"
    );
    let even = text.replace("kernel = 5", "kernel = 4");
    let message = Network::from_toml(&even).unwrap().derive(Variant::AllCnn).unwrap_err().to_string();
    assert!(message.contains("layer pool1: a 4x4 window; expected an odd one"), "{message}");
}
