//! The closed set of operations that a device offers.

use crate::{
    Activation, ConvShape, DenseShape, Dropout, EdgePad, Error, Gate, ImageSet, LearnedNorm, Loss, LrnShape,
    LwtaShape, PoolShape, RegionDraw, Sampling, Shape, View,
};

/// What follows a convolution's sum: bias, activation and, in training, dropout, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue {
    /// The activation.
    pub activation: Activation,
    /// The dropout of a training step.
    pub dropout: Option<Dropout>,
}

/// The stored output of the layer below, through whose activation a signal has to pass.
#[derive(Debug)]
pub struct StoredOutput<'a, B> {
    /// The layer's output, after activation and dropout.
    pub output: &'a B,
    /// How a signal passes back through both.
    pub gate: Gate,
}

/// How a device does one pass of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// The name that reports show.
    pub name: &'static str,
    /// Multiply-adds that it executes in a pass, those with padding included where it multiplies padding;
    /// [`ConvShape::multiply_adds`] is what the plain convolution takes.
    pub multiply_adds: usize,
}

/// A trained quantity with the optimizer's buffers.
#[derive(Debug)]
pub struct Parameter<B> {
    /// The value w.
    pub value: B,
    /// The gradient g of the mean loss.
    pub gradient: B,
    /// The velocity v of the momentum.
    pub velocity: B,
    /// Its own share of learning rate and weight decay.
    pub factors: Factors,
}

/// What learning rate and weight decay are multiplied with for one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// On the learning rate.
    pub rate: f32,
    /// On the weight decay.
    pub decay: f32,
}

impl Default for Factors {
    fn default() -> Self {
        Self { rate: 1.0, decay: 1.0 }
    }
}

/// Stochastic gradient descent with momentum, as Caffe and PyTorch do it; the learning rate comes with the step.
///
/// d = c g + weight_decay * w; v = momentum * v + d; w -= learning_rate * (v, or d + momentum * v with Nesterov),
/// with learning_rate and weight_decay times the parameter's [`Factors`], and c = min(1, clip_norm / |g|), |g| being the L2 norm over the gradients of all parameters (Pascanu et al. 2013).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Share of the velocity that stays.
    pub momentum: f32,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// Nesterov's form.
    pub nesterov: bool,
    /// The longest gradient; infinite for no bound.
    pub clip_norm: f32,
}

impl Sgd {
    /// c, for the sum of the squares of all gradients. A gradient that is not finite is left as it is, so that it shows.
    pub fn gradient_scale(&self, sum_of_squares: f64) -> f32 {
        let scale = f64::from(self.clip_norm) / sum_of_squares.sqrt();
        if scale < 1.0 && sum_of_squares.is_finite() { scale as f32 } else { 1.0 }
    }
}

/// A machine that runs the operations of the network family.
///
/// Layouts: activations NHWC, weights `[out_channels, kernel, kernel, in_channels / groups]`, bias `[out_channels]`,
/// all f32 and dense. Lengths are the callers' duty: an operation panics with both numbers when a buffer does not
/// fit its shape. Operations may be queued; a failure of the device itself shows at the next [`Device::download`]
/// or [`Device::synchronize`]. Every operation computes the same bits each time.
pub trait Device: Sync {
    /// A flat f32 array on the device.
    type Buffer: Send + Sync;
    /// A convolution prepared for one shape: algorithm and workspace.
    type Conv: Send;
    /// A pooling prepared for one shape: its regions and, after a forward pass, the switches.
    type Pool: Send;
    /// The values that change from step to step (number and learning rate), where recorded work reads them afresh.
    type Step: Send + Sync;
    /// Images that stay on the device; [`std::convert::Infallible`] where it keeps none.
    type Images: Send;
    /// A recorded step.
    type Recording: Default + Send;

    /// The name of the device for people, such as `CUDA (NVIDIA H100)`.
    fn description(&self) -> String;
    /// What the bits of results depend on beside operations and precision: the instruction set, the kind of GPU. Devices that
    /// train together have the same.
    fn arithmetic(&self) -> String {
        self.description()
    }

    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn alloc(&self, len: usize) -> Result<Self::Buffer, Error>;
    /// Copies `values` into a buffer of the same length.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    fn upload(&self, values: &[f32], buffer: &mut Self::Buffer) -> Result<(), Error>;
    /// Copies a buffer into `values` of the same length, after everything queued before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    fn download(&self, buffer: &Self::Buffer, values: &mut [f32]) -> Result<(), Error>;
    /// Copies all values of `from` into `to`, from index `at` on; the rest of `to` is unchanged.
    fn copy(&self, from: &Self::Buffer, to: &mut Self::Buffer, at: usize);
    /// to += from, value by value, for buffers of the same length: one f32 addition each.
    fn add(&self, from: &Self::Buffer, to: &mut Self::Buffer);
    /// How many steps' results should at most accumulate on the device, by [`Device::copy`], before the host reads them:
    /// more than 1 where reading makes the device wait.
    fn steps_between_reads(&self) -> usize {
        1
    }
    /// Waits for everything queued.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    fn synchronize(&self) -> Result<(), Error>;

    /// Copies images to the device, to stay there. `None` if it keeps none or has too little memory: the caller then
    /// makes batches and uploads them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    fn keep_images(&self, images: ImageSet<'_>) -> Result<Option<Self::Images>, Error> {
        let _ = images;
        Ok(None)
    }
    /// Fills `batch` `[rows, height, width, channels]` with kept images, each as its view shows it, and with zeros in the
    /// rows after the last view. The values are those of the set, to the bit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    fn gather(
        &self,
        images: &mut Self::Images,
        views: &[View],
        batch: &mut Self::Buffer,
    ) -> Result<(), Error> {
        let _ = (images, batch);
        panic!("{} views of images, on a device that keeps none", views.len())
    }

    /// A step with number 0 and learning rate 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn new_step(&self) -> Result<Self::Step, Error>;
    /// Sets the number (which draws the dropout masks) and the learning rate of the step to come.
    fn set_step(&self, step: &mut Self::Step, number: u64, learning_rate: f32);
    /// Does `work`; a device that can replay recorded work records it into an empty `recording` and replays it
    /// afterwards. The work must be the same operations each time; only the values in [`Device::Step`] and in the buffers
    /// may differ.
    fn replay(&self, recording: &mut Self::Recording, work: &mut dyn FnMut());

    /// Chooses algorithms for a convolution and allocates their workspace.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] or [`Error::OutOfMemory`].
    fn conv(&self, shape: ConvShape) -> Result<Self::Conv, Error>;
    /// The algorithms chosen for forward, backward-data and backward-weights.
    fn conv_algorithms(&self, conv: &Self::Conv) -> [Algorithm; 3];
    /// Prepares `weights` for inference: from here on forward passes of `conv` (and backward-data passes, with `backward`)
    /// may use transformed or packed weights that are made now. Must be called again whenever the weights change.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn conv_fix_weights(
        &self,
        conv: &mut Self::Conv,
        weights: &Self::Buffer,
        backward: bool,
    ) -> Result<(), Error>;
    /// Promises that `above` reads what `below` writes, in the backward pass `below` what `above` writes, and that nothing
    /// else reads these values but [`Device::download`]: the two may exchange them in a storage format of the device's
    /// own. Does nothing on a device that has none.
    fn conv_link(&self, below: &mut Self::Conv, above: &mut Self::Conv) {
        let _ = (below, above);
    }
    /// output = epilogue(input * weights + bias), the cross-correlation of Equation 2.
    #[allow(clippy::too_many_arguments)]
    fn conv_forward(
        &self,
        conv: &mut Self::Conv,
        input: &Self::Buffer,
        weights: &Self::Buffer,
        bias: &Self::Buffer,
        epilogue: Epilogue,
        step: &Self::Step,
        output: &mut Self::Buffer,
    );
    /// d_input = transpose of the convolution applied to d_output, then back through the layer below.
    fn conv_backward_data(
        &self,
        conv: &mut Self::Conv,
        d_output: &Self::Buffer,
        weights: &Self::Buffer,
        below: Option<StoredOutput<'_, Self::Buffer>>,
        d_input: &mut Self::Buffer,
    );
    /// Overwrites d_weights and d_bias with the gradients, from the input and the gradient before the activation.
    fn conv_backward_weights(
        &self,
        conv: &mut Self::Conv,
        input: &Self::Buffer,
        d_output: &Self::Buffer,
        d_weights: &mut Self::Buffer,
        d_bias: &mut Self::Buffer,
    );

    /// Writes the windows of a convolution side by side, `[batch, height, width, kernel, kernel, channels]` with the height and
    /// width of its output; values of the padding are 0.
    fn unfold(&self, shape: ConvShape, input: &Self::Buffer, windows: &mut Self::Buffer);
    /// Overwrites d_input: each value gets the sum of the signals of the windows that it is in.
    fn fold(&self, shape: ConvShape, d_windows: &Self::Buffer, d_input: &mut Self::Buffer);

    /// Pads each image by copies of its nearest pixel: output(y, x) = input(y - rows, x - columns), both clamped to the input.
    fn edge_pad_forward(&self, pad: EdgePad, input: &Self::Buffer, output: &mut Self::Buffer);
    /// Overwrites d_input: each value gets the sum of the signals of its copies.
    fn edge_pad_backward(&self, pad: EdgePad, d_output: &Self::Buffer, d_input: &mut Self::Buffer);

    /// sums = (f w) input + f bias, with factors f of their own for each image ([`Dropout::of_weight`]).
    #[allow(clippy::too_many_arguments)]
    fn drop_connect_forward(
        &self,
        shape: DenseShape,
        masks: (Dropout, &Self::Step),
        input: &Self::Buffer,
        weights: &Self::Buffer,
        bias: &Self::Buffer,
        sums: &mut Self::Buffer,
    );
    /// Overwrites d_input with the gradient, with the same factors.
    fn drop_connect_backward_data(
        &self,
        shape: DenseShape,
        masks: (Dropout, &Self::Step),
        d_sums: &Self::Buffer,
        weights: &Self::Buffer,
        d_input: &mut Self::Buffer,
    );
    /// Overwrites d_weights and d_bias with the gradients, with the same factors.
    fn drop_connect_backward_weights(
        &self,
        shape: DenseShape,
        masks: (Dropout, &Self::Step),
        input: &Self::Buffer,
        d_sums: &Self::Buffer,
        d_weights: &mut Self::Buffer,
        d_bias: &mut Self::Buffer,
    );
    /// The form for testing: output = what is to be expected of the activation ([`crate::NormalSum::activated`]).
    fn drop_connect_expected(
        &self,
        layer: (DenseShape, f32, Activation),
        input: &Self::Buffer,
        weights: &Self::Buffer,
        bias: &Self::Buffer,
        output: &mut Self::Buffer,
    );
    /// Overwrites d_input with the gradient of the form for testing.
    #[allow(clippy::too_many_arguments)]
    fn drop_connect_expected_backward(
        &self,
        layer: (DenseShape, f32, Activation),
        input: &Self::Buffer,
        weights: &Self::Buffer,
        bias: &Self::Buffer,
        d_output: &Self::Buffer,
        d_input: &mut Self::Buffer,
    );

    /// Prepares a pooling, with the regions of [`PoolShape::regions`].
    ///
    /// # Errors
    /// [`Error::InvalidShape`] or [`Error::OutOfMemory`].
    fn pool(&self, shape: PoolShape) -> Result<Self::Pool, Error>;
    /// Draws the regions of a fractional pooling for the step's number ([`crate::Regions::draw`]), for all passes until the
    /// next draw; replayed work draws anew at each step. Does nothing to other poolings.
    fn pool_draw(&self, pool: &mut Self::Pool, draw: RegionDraw, step: &Self::Step);
    /// Pools each window, but by no learned norm; a maximum stores its switch in `pool`. With `sampling`, which comes with a training step, a kind that
    /// [draws](crate::PoolKind::draws) does so and stores its choice as a switch; other kinds ignore it.
    fn pool_forward(
        &self,
        pool: &mut Self::Pool,
        input: &Self::Buffer,
        sampling: Option<(Sampling, &Self::Step)>,
        output: &mut Self::Buffer,
    );
    /// Overwrites d_input, as the last forward pass was: a maximum's signal g, or that of a drawn value, goes to its switch;
    /// a mean's in equal shares to its values; that of a norm s to each x as g sign(x) |x|^(p-1) / s^(p-1); that of a stochastic
    /// pooling y in testing to each x of at least 0 as g (2 x - y) / (sum of those x); that of a probabilistic maxout y in testing to each z as g p (1 + lambda (z - y)).
    fn pool_backward(
        &self,
        pool: &Self::Pool,
        input: &Self::Buffer,
        output: &Self::Buffer,
        d_output: &Self::Buffer,
        d_input: &mut Self::Buffer,
    );

    /// Pools each window by its learned norm y, for a pooling of that kind ([`crate::PoolKind::LearnedNorm`]).
    fn learned_norm_forward(
        &self,
        pool: &mut Self::Pool,
        input: &Self::Buffer,
        norm: LearnedNorm<'_, Self::Buffer>,
        output: &mut Self::Buffer,
    );
    /// Overwrites d_input: a signal g goes to each of the n values of its window as g sign(x - c) (|x - c| / y)^(p - 1) / n; none
    /// where y is 0.
    fn learned_norm_backward(
        &self,
        pool: &Self::Pool,
        input: &Self::Buffer,
        norm: LearnedNorm<'_, Self::Buffer>,
        output: &Self::Buffer,
        d_output: &Self::Buffer,
        d_input: &mut Self::Buffer,
    );
    /// Overwrites d_center and d_rho, sums over the windows of a channel: the center gets minus what their values get; rho gets
    /// g dp/drho y / p (mean of r^p ln r), with r = |x - c| / y.
    #[allow(clippy::too_many_arguments)]
    fn learned_norm_gradients(
        &self,
        pool: &Self::Pool,
        input: &Self::Buffer,
        norm: LearnedNorm<'_, Self::Buffer>,
        output: &Self::Buffer,
        d_output: &Self::Buffer,
        d_center: &mut Self::Buffer,
        d_rho: &mut Self::Buffer,
    );

    /// Passes a signal back through an activation and its dropout, in place.
    fn activation_backward(&self, below: StoredOutput<'_, Self::Buffer>, signal: &mut Self::Buffer);
    /// Multiplies the values with the step's mask, in place: dropout's forward and backward pass alike.
    fn dropout(&self, dropout: Dropout, step: &Self::Step, values: &mut Self::Buffer);

    /// Local response normalization, see [`LrnShape`].
    fn lrn_forward(&self, shape: LrnShape, input: &Self::Buffer, output: &mut Self::Buffer);
    /// Its gradient with respect to the input.
    fn lrn_backward(
        &self,
        shape: LrnShape,
        input: &Self::Buffer,
        d_output: &Self::Buffer,
        d_input: &mut Self::Buffer,
    );

    /// Local winner-take-all, see [`LwtaShape`].
    fn lwta_forward(&self, shape: LwtaShape, input: &Self::Buffer, output: &mut Self::Buffer);
    /// Overwrites d_input: a group's winner, found in the input again, gets its signal, the others 0.
    fn lwta_backward(
        &self,
        shape: LwtaShape,
        input: &Self::Buffer,
        d_output: &Self::Buffer,
        d_input: &mut Self::Buffer,
    );

    /// Multiplies each channel of each image with its factor, of `[batch, channels]`, in place.
    fn scale_channels(&self, shape: Shape, factors: &Self::Buffer, values: &mut Self::Buffer);
    /// output `[batch, channels]` = mean over height and width.
    fn global_average_forward(&self, shape: Shape, input: &Self::Buffer, output: &mut Self::Buffer);
    /// d_input = d_output / (height * width), spread over each channel.
    fn global_average_backward(&self, shape: Shape, d_output: &Self::Buffer, d_input: &mut Self::Buffer);

    /// The losses of `[batch, classes]` logits against target distributions of the same shape, and d_logits, their
    /// derivatives times `scale`. The sum of a row of targets may be any weight of its image, not only 1; a row of zeros has no
    /// loss and no gradient, so a batch may be partly filled.
    #[allow(clippy::too_many_arguments)]
    fn loss(
        &self,
        loss: Loss,
        classes: usize,
        logits: &Self::Buffer,
        targets: &Self::Buffer,
        scale: f32,
        losses: &mut Self::Buffer,
        d_logits: &mut Self::Buffer,
    );

    /// One step of [`Sgd`] for all parameters of a network together, at the step's learning rate.
    fn sgd(&self, sgd: Sgd, step: &Self::Step, parameters: &mut [Parameter<Self::Buffer>]);
    /// Shortens each of the `rows` of a parameter's value, such as the filters of a convolution, to an L2 norm of at most
    /// `longest`: w *= min(1, longest / |w|).
    fn shorten_rows(&self, rows: usize, longest: f32, value: &mut Self::Buffer);
    /// gradient += strength * (value - m), with m the mean of the rows of value in the same group, shrunk to 0 as by one more
    /// row of zeros: the sum of n rows over n + 1 (Srivastava and Salakhutdinov 2013). `groups` has the number of the group of
    /// each row, `means` `[groups, row]` is overwritten.
    fn draw_to_means(
        &self,
        strength: f32,
        groups: &Self::Buffer,
        means: &mut Self::Buffer,
        value: &Self::Buffer,
        gradient: &mut Self::Buffer,
    );
}
