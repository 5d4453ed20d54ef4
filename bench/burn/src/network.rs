//! The twelve CIFAR networks of the paper (Tables 1 and 2) as a Burn module.

use anyhow::{Context, bail};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};

/// A layer; every convolution is followed by a ReLU.
#[derive(Module, Debug)]
enum Layer {
    Conv(Conv2d),
    Pool(MaxPool2d),
    Dropout(Dropout),
}

/// A chain of layers with a global average at its end.
#[derive(Module, Debug)]
pub struct Network {
    layers: Vec<Layer>,
}

impl Network {
    /// The network of this name (`model-a` ... `all-cnn-c`), with random weights.
    pub fn named(name: &str, classes: usize, device: &Device) -> anyhow::Result<Self> {
        let expected = "expected model, strided-cnn, convpool-cnn or all-cnn, then -a, -b or -c";
        let (family, base) = name.rsplit_once('-').context(format!("unknown model {name}: {expected}"))?;
        // Kernels of the convolutions in each of the two stages.
        let kernels: &[usize] = match base {
            "a" => &[5],
            "b" => &[5, 1],
            "c" => &[3, 3],
            _ => bail!("unknown model {name}: {expected}"),
        };
        if !["model", "strided-cnn", "convpool-cnn", "all-cnn"].contains(&family) {
            bail!("unknown model {name}: {expected}");
        }
        let mut builder = Builder { layers: Vec::new(), channels: 3, device };
        builder.dropout(0.2);
        for channels in [96, 192] {
            for (place, &kernel) in kernels.iter().enumerate() {
                let strided = family == "strided-cnn" && place + 1 == kernels.len();
                builder.conv(channels, kernel, 1 + usize::from(strided), kernel / 2);
            }
            match family {
                "all-cnn" => builder.conv(channels, 3, 2, 1),
                "convpool-cnn" => builder.conv(channels, 3, 1, 1),
                _ => {}
            }
            if matches!(family, "model" | "convpool-cnn") {
                let pool = MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).with_ceil_mode(true);
                builder.layers.push(Layer::Pool(pool.init()));
            }
            builder.dropout(0.5);
        }
        builder.conv(192, 3, 1, 0);
        builder.conv(192, 1, 1, 0);
        builder.conv(classes, 1, 1, 0);
        Ok(Self { layers: builder.layers })
    }

    /// The logits, [batch, classes], of images [batch, 3, 32, 32].
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let places = self.layers.iter().fold(images, |values, layer| match layer {
            Layer::Conv(conv) => relu(conv.forward(values)),
            Layer::Pool(pool) => pool.forward(values),
            Layer::Dropout(dropout) => dropout.forward(values),
        });
        places.mean_dim(3).mean_dim(2).flatten(1, 3)
    }
}

/// Layers on their way to a network.
struct Builder<'a> {
    layers: Vec<Layer>,
    channels: usize,
    device: &'a Device,
}

impl Builder<'_> {
    fn conv(&mut self, channels: usize, kernel: usize, stride: usize, padding: usize) {
        let conv = Conv2dConfig::new([self.channels, channels], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding));
        self.layers.push(Layer::Conv(conv.init(self.device)));
        self.channels = channels;
    }

    fn dropout(&mut self, rate: f64) {
        self.layers.push(Layer::Dropout(DropoutConfig::new(rate).init()));
    }
}
