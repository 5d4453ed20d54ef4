//! The reference device: every operation as plain loops with f64 sums. It defines what the operations mean; all other
//! devices are compared with it. Far too slow for anything else.

mod conv;
mod drop_connect;
mod edge_pad;
mod elementwise;
mod head;
mod images;
mod learned_norm;
mod length;
mod lwta;
mod pool;
mod unfold;

use crate::{
    Activation, Algorithm, ConvShape, DenseShape, Device, Dropout, EdgePad, Epilogue, Error, ImageSet,
    LearnedNorm, Loss, LrnShape, LwtaShape, Parameter, PoolShape, RegionDraw, Sampling, Sgd, Shape,
    StoredOutput, View,
};
use length::assert_len;
use pool::Pool;

/// The plain-loop device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

/// The values of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    number: u64,
    learning_rate: f32,
}

impl Device for Reference {
    type Buffer = Vec<f32>;
    type Conv = ConvShape;
    type Pool = Pool;
    type Step = Step;
    type Images = images::Images;
    type Recording = ();

    fn description(&self) -> String {
        "reference (plain loops)".into()
    }

    fn alloc(&self, len: usize) -> Result<Vec<f32>, Error> {
        Ok(vec![0.0; len])
    }
    fn upload(&self, values: &[f32], buffer: &mut Vec<f32>) -> Result<(), Error> {
        buffer.copy_from_slice(values);
        Ok(())
    }
    fn download(&self, buffer: &Vec<f32>, values: &mut [f32]) -> Result<(), Error> {
        values.copy_from_slice(buffer);
        Ok(())
    }
    fn copy(&self, from: &Vec<f32>, to: &mut Vec<f32>, at: usize) {
        to[at..][..from.len()].copy_from_slice(from);
    }
    fn add(&self, from: &Vec<f32>, to: &mut Vec<f32>) {
        assert_eq!(from.len(), to.len(), "values to add, and those they are added to");
        to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
    }
    fn synchronize(&self) -> Result<(), Error> {
        Ok(())
    }

    fn keep_images(&self, images: ImageSet<'_>) -> Result<Option<images::Images>, Error> {
        Ok(Some(images::Images::new(images)))
    }
    fn gather(&self, images: &mut images::Images, views: &[View], batch: &mut Vec<f32>) -> Result<(), Error> {
        images.gather(views, batch);
        Ok(())
    }

    fn new_step(&self) -> Result<Step, Error> {
        Ok(Step::default())
    }
    fn set_step(&self, step: &mut Step, number: u64, learning_rate: f32) {
        *step = Step { number, learning_rate };
    }
    fn replay(&self, (): &mut (), work: &mut dyn FnMut()) {
        work();
    }

    fn conv(&self, shape: ConvShape) -> Result<ConvShape, Error> {
        shape.checked()
    }
    fn conv_algorithms(&self, conv: &ConvShape) -> [Algorithm; 3] {
        [Algorithm { name: "reference", multiply_adds: conv.multiply_adds() }; 3]
    }
    fn conv_fix_weights(&self, _: &mut ConvShape, _: &Vec<f32>, _: bool) -> Result<(), Error> {
        Ok(())
    }
    fn conv_forward(
        &self,
        conv: &mut ConvShape,
        input: &Vec<f32>,
        weights: &Vec<f32>,
        bias: &Vec<f32>,
        epilogue: Epilogue,
        step: &Step,
        output: &mut Vec<f32>,
    ) {
        conv::forward(conv, input, weights, bias, output);
        for value in output.iter_mut() {
            *value = epilogue.activation.apply(*value);
        }
        if let Some(dropout) = epilogue.dropout {
            self.dropout(dropout, step, output);
        }
    }
    fn conv_backward_data(
        &self,
        conv: &mut ConvShape,
        d_output: &Vec<f32>,
        weights: &Vec<f32>,
        below: Option<StoredOutput<'_, Vec<f32>>>,
        d_input: &mut Vec<f32>,
    ) {
        conv::backward_data(conv, d_output, weights, d_input);
        if let Some(below) = below {
            self.activation_backward(below, d_input);
        }
    }
    fn conv_backward_weights(
        &self,
        conv: &mut ConvShape,
        input: &Vec<f32>,
        d_output: &Vec<f32>,
        d_weights: &mut Vec<f32>,
        d_bias: &mut Vec<f32>,
    ) {
        conv::backward_weights(conv, input, d_output, d_weights, d_bias);
    }

    fn unfold(&self, shape: ConvShape, input: &Vec<f32>, windows: &mut Vec<f32>) {
        unfold::unfold(&shape, input, windows);
    }
    fn fold(&self, shape: ConvShape, d_windows: &Vec<f32>, d_input: &mut Vec<f32>) {
        unfold::fold(&shape, d_windows, d_input);
    }

    fn edge_pad_forward(&self, pad: EdgePad, input: &Vec<f32>, output: &mut Vec<f32>) {
        edge_pad::forward(&pad, input, output);
    }
    fn edge_pad_backward(&self, pad: EdgePad, d_output: &Vec<f32>, d_input: &mut Vec<f32>) {
        edge_pad::backward(&pad, d_output, d_input);
    }

    fn drop_connect_forward(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        input: &Vec<f32>,
        weights: &Vec<f32>,
        bias: &Vec<f32>,
        sums: &mut Vec<f32>,
    ) {
        let stream = &dropout.stream(step.number);
        drop_connect::Masks { shape, dropout, stream }.forward(input, weights, bias, sums);
    }
    fn drop_connect_backward_data(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        d_sums: &Vec<f32>,
        weights: &Vec<f32>,
        d_input: &mut Vec<f32>,
    ) {
        let stream = &dropout.stream(step.number);
        drop_connect::Masks { shape, dropout, stream }.backward_data(d_sums, weights, d_input);
    }
    fn drop_connect_backward_weights(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        input: &Vec<f32>,
        d_sums: &Vec<f32>,
        d_weights: &mut Vec<f32>,
        d_bias: &mut Vec<f32>,
    ) {
        let stream = &dropout.stream(step.number);
        drop_connect::Masks { shape, dropout, stream }.backward_weights(input, d_sums, d_weights, d_bias);
    }
    fn drop_connect_expected(
        &self,
        layer: (DenseShape, f32, Activation),
        input: &Vec<f32>,
        weights: &Vec<f32>,
        bias: &Vec<f32>,
        output: &mut Vec<f32>,
    ) {
        drop_connect::expected_forward(layer, input, weights, bias, output);
    }
    fn drop_connect_expected_backward(
        &self,
        layer: (DenseShape, f32, Activation),
        input: &Vec<f32>,
        weights: &Vec<f32>,
        bias: &Vec<f32>,
        d_output: &Vec<f32>,
        d_input: &mut Vec<f32>,
    ) {
        drop_connect::expected_backward(layer, input, weights, bias, d_output, d_input);
    }

    fn pool(&self, shape: PoolShape) -> Result<Pool, Error> {
        Ok(Pool::new(shape.checked()?))
    }
    fn pool_draw(&self, pool: &mut Pool, draw: RegionDraw, step: &Step) {
        pool.draw(draw, step.number);
    }
    fn pool_forward(
        &self,
        pool: &mut Pool,
        input: &Vec<f32>,
        sampling: Option<(Sampling, &Step)>,
        output: &mut Vec<f32>,
    ) {
        pool.forward(input, sampling.map(|(sampling, step)| sampling.stream(step.number)), output);
    }
    fn pool_backward(
        &self,
        pool: &Pool,
        input: &Vec<f32>,
        output: &Vec<f32>,
        d_output: &Vec<f32>,
        d_input: &mut Vec<f32>,
    ) {
        pool.backward(input, output, d_output, d_input);
    }

    fn learned_norm_forward(
        &self,
        pool: &mut Pool,
        input: &Vec<f32>,
        norm: LearnedNorm<'_, Vec<f32>>,
        output: &mut Vec<f32>,
    ) {
        learned_norm::forward(pool, input, norm, output);
    }
    fn learned_norm_backward(
        &self,
        pool: &Pool,
        input: &Vec<f32>,
        norm: LearnedNorm<'_, Vec<f32>>,
        output: &Vec<f32>,
        d_output: &Vec<f32>,
        d_input: &mut Vec<f32>,
    ) {
        learned_norm::backward(pool, input, norm, output, d_output, d_input);
    }
    fn learned_norm_gradients(
        &self,
        pool: &Pool,
        input: &Vec<f32>,
        norm: LearnedNorm<'_, Vec<f32>>,
        output: &Vec<f32>,
        d_output: &Vec<f32>,
        d_center: &mut Vec<f32>,
        d_rho: &mut Vec<f32>,
    ) {
        learned_norm::gradients(pool, input, norm, output, d_output, [d_center, d_rho]);
    }

    fn activation_backward(&self, below: StoredOutput<'_, Vec<f32>>, signal: &mut Vec<f32>) {
        assert_len(below.output, signal.len(), "stored output");
        for (signal, &output) in signal.iter_mut().zip(below.output) {
            *signal = below.gate.pass(output, *signal);
        }
    }
    fn dropout(&self, dropout: Dropout, step: &Step, values: &mut Vec<f32>) {
        let stream = dropout.stream(step.number);
        for (index, value) in values.iter_mut().enumerate() {
            *value *= dropout.factor(&stream, index);
        }
    }

    fn lrn_forward(&self, shape: LrnShape, input: &Vec<f32>, output: &mut Vec<f32>) {
        elementwise::lrn_forward(&shape, input, output);
    }
    fn lrn_backward(&self, shape: LrnShape, input: &Vec<f32>, d_output: &Vec<f32>, d_input: &mut Vec<f32>) {
        elementwise::lrn_backward(&shape, input, d_output, d_input);
    }

    fn lwta_forward(&self, shape: LwtaShape, input: &Vec<f32>, output: &mut Vec<f32>) {
        lwta::forward(&shape, input, output);
    }
    fn lwta_backward(&self, shape: LwtaShape, input: &Vec<f32>, d_output: &Vec<f32>, d_input: &mut Vec<f32>) {
        lwta::backward(&shape, input, d_output, d_input);
    }

    fn scale_channels(&self, shape: Shape, factors: &Vec<f32>, values: &mut Vec<f32>) {
        assert_len(factors, shape.batch * shape.channels, "factors");
        assert_len(values, shape.len(), "values");
        let (image, channels) = (shape.len() / shape.batch, shape.channels);
        for (at, value) in values.iter_mut().enumerate() {
            *value *= factors[at / image * channels + at % channels];
        }
    }
    fn global_average_forward(&self, shape: Shape, input: &Vec<f32>, output: &mut Vec<f32>) {
        head::global_average_forward(shape, input, output);
    }
    fn global_average_backward(&self, shape: Shape, d_output: &Vec<f32>, d_input: &mut Vec<f32>) {
        head::global_average_backward(shape, d_output, d_input);
    }
    fn loss(
        &self,
        loss: Loss,
        classes: usize,
        logits: &Vec<f32>,
        targets: &Vec<f32>,
        scale: f32,
        losses: &mut Vec<f32>,
        d_logits: &mut Vec<f32>,
    ) {
        assert_len(logits, losses.len() * classes, "logits");
        assert_len(targets, logits.len(), "targets");
        assert_len(d_logits, logits.len(), "d_logits");
        for (row, of_row) in losses.iter_mut().enumerate() {
            let span = row * classes..(row + 1) * classes;
            *of_row = loss.of_row(&logits[span.clone()], &targets[span.clone()], scale, &mut d_logits[span]);
        }
    }

    fn sgd(&self, sgd: Sgd, step: &Step, parameters: &mut [Parameter<Vec<f32>>]) {
        let gradients = parameters.iter().flat_map(|parameter| &parameter.gradient);
        let scale = sgd.gradient_scale(gradients.map(|&g| f64::from(g).powi(2)).sum());
        for parameter in parameters {
            elementwise::sgd(sgd, step.learning_rate, scale, parameter);
        }
    }
    fn shorten_rows(&self, rows: usize, longest: f32, value: &mut Vec<f32>) {
        assert_eq!(value.len() % rows, 0, "values of {rows} rows");
        let len = (value.len() / rows).max(1);
        for row in value.chunks_exact_mut(len) {
            let norm = row.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
            if norm > f64::from(longest) {
                row.iter_mut().for_each(|w| *w *= (f64::from(longest) / norm) as f32);
            }
        }
    }
    fn draw_to_means(
        &self,
        strength: f32,
        groups: &Vec<f32>,
        means: &mut Vec<f32>,
        value: &Vec<f32>,
        gradient: &mut Vec<f32>,
    ) {
        let len = value.len() / groups.len();
        for (group, mean) in means.chunks_exact_mut(len).enumerate() {
            let members = || value.chunks_exact(len).zip(groups).filter(|&(_, &of)| of as usize == group);
            for (place, mean) in mean.iter_mut().enumerate() {
                let sum: f64 = members().map(|(row, _)| f64::from(row[place])).sum();
                *mean = (sum / (members().count() + 1) as f64) as f32;
            }
        }
        let rows = gradient.chunks_exact_mut(len).zip(value.chunks_exact(len)).zip(groups);
        for ((gradient, row), &group) in rows {
            let mean = &means[group as usize * len..][..len];
            for ((g, &w), &m) in gradient.iter_mut().zip(row).zip(mean) {
                *g += strength * (w - m);
            }
        }
    }
}
