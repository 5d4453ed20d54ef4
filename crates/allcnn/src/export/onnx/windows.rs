//! The windows of a pooling on a grid. A border is padded explicitly, so that every window lies inside and no runtime has to
//! round: `ceil_mode` is read differently by different ones.

use allcnn_device::{Grid, PoolShape, Shape};

use super::graph::{Graph, int, ints, word};

/// A pooling's input with its border.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bordered {
    pub(super) grid: Grid,
    pub(super) input: Shape,
    pub(super) output: Shape,
    /// Rows and columns of the input with its border.
    pub(super) size: [usize; 2],
}

impl Bordered {
    pub(super) fn new(grid: Grid, pool: &PoolShape) -> Self {
        let (input, output) = (pool.input, pool.output());
        let side = |size: usize, windows: usize| {
            let seen = (windows - 1) * grid.stride + grid.kernel;
            seen.max(size + grid.padding)
        };
        let size = [side(input.height, output.height), side(input.width, output.width)];
        Self { grid, input, output, size }
    }

    fn has_border(&self) -> bool {
        self.size != [self.input.height, self.input.width]
    }

    /// Appends the border, of this value, around `[N, C, height, width]`.
    pub(super) fn pad(&self, graph: &mut Graph, name: &str, value: &str, empty: f32) -> String {
        if !self.has_border() {
            return value.into();
        }
        let (before, [rows, columns]) = (self.grid.padding, self.size);
        let after = [rows - before - self.input.height, columns - before - self.input.width];
        let pads = [0, 0, before, before, 0, 0, after[0], after[1]].map(|pad| pad as i64);
        let (pads, empty) = (graph.integers(&pads), graph.number(empty));
        graph.node("Pad", &format!("{name}/border"), &[value, &pads, &empty], [word("mode", "constant")])
    }

    /// Removes the border again.
    pub(super) fn crop(&self, graph: &mut Graph, name: &str, value: &str) -> String {
        if !self.has_border() {
            return value.into();
        }
        let before = self.grid.padding as i64;
        let end = [self.input.height, self.input.width].map(|size| before + size as i64);
        let (start, end) = (graph.integers(&[before, before]), graph.integers(&end));
        let axes = graph.integers(&[2, 3]);
        graph.node("Slice", &format!("{name}/inside"), &[value, &start, &end, &axes], [])
    }

    /// Each window's values as channels: `[N, C, size]` to `[N C, kernel^2, windows]`, by a convolution whose filters select
    /// one value each.
    pub(super) fn unfold(&self, graph: &mut Graph, name: &str, value: &str) -> String {
        let [rows, columns] = self.size;
        let single = graph.reshape(&format!("{name}/single"), value, &[1, rows, columns]);
        let weights = self.selectors(graph);
        let Grid { kernel, stride, .. } = self.grid;
        let attributes = [ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2])];
        graph.node("Conv", &format!("{name}/windows"), &[&single, &weights], attributes)
    }

    /// The way back of [`Bordered::unfold`]: sums what the windows send to each value, and removes the border.
    pub(super) fn fold(&self, graph: &mut Graph, name: &str, windows: &str) -> String {
        let weights = self.selectors(graph);
        self.fold_by(graph, name, windows, &weights)
    }

    /// Sends the one value of each window, `[N, C, windows]`, to all values that it sees.
    pub(super) fn spread(&self, graph: &mut Graph, name: &str, value: &str) -> String {
        let Shape { height, width, .. } = self.output;
        let single = graph.reshape(&format!("{name}/single"), value, &[1, height, width]);
        let kernel = self.grid.kernel;
        let weights = graph.floats(
            &format!("constant/ones_{kernel}x{kernel}"),
            &[1, 1, kernel, kernel],
            &vec![1.0; kernel * kernel],
        );
        self.fold_by(graph, name, &single, &weights)
    }

    fn fold_by(&self, graph: &mut Graph, name: &str, windows: &str, weights: &str) -> String {
        let Grid { kernel, stride, .. } = self.grid;
        let left = |size: usize, windows: usize| size - (windows - 1) * stride - kernel;
        let [rows, columns] = self.size;
        let output_padding = [left(rows, self.output.height), left(columns, self.output.width)];
        let attributes = [
            ints("kernel_shape", &[kernel; 2]),
            ints("strides", &[stride; 2]),
            ints("output_padding", &output_padding),
        ];
        let sums = graph.node("ConvTranspose", &format!("{name}/sums"), &[windows, weights], attributes);
        let whole = graph.reshape(&format!("{name}/whole"), &sums, &[self.input.channels, rows, columns]);
        self.crop(graph, name, &whole)
    }

    fn selectors(&self, graph: &mut Graph) -> String {
        let kernel = self.grid.kernel;
        let taps = kernel * kernel;
        let values: Vec<f32> =
            (0..taps * taps).map(|index| f32::from(index / taps == index % taps)).collect();
        graph.floats(&format!("constant/selectors_{kernel}x{kernel}"), &[taps, 1, kernel, kernel], &values)
    }

    /// 1 / number of values inside the input, for each window: `[1, 1, windows]`.
    pub(super) fn shares(&self, graph: &mut Graph, name: &str, pool: &PoolShape) -> String {
        let regions = pool.regions();
        let each = regions
            .rows
            .iter()
            .flat_map(|rows| regions.columns.iter().map(|columns| 1.0 / (rows.len() * columns.len()) as f32));
        let shares: Vec<f32> = each.collect();
        let Shape { height, width, .. } = self.output;
        graph.floats(&format!("{name}.shares"), &[1, 1, height, width], &shares)
    }
}

/// A pooling node over the bordered input.
pub(super) fn pooling_attributes(grid: Grid) -> [super::graph::Attribute; 2] {
    [ints("kernel_shape", &[grid.kernel; 2]), ints("strides", &[grid.stride; 2])]
}

/// Sums over the channels around each one, `[N, C, H, W]`.
pub(super) fn neighbor_sums(graph: &mut Graph, name: &str, value: &str, input: Shape, size: usize) -> String {
    let Shape { height, width, channels, .. } = input;
    let column = graph.reshape(&format!("{name}/column"), value, &[1, channels, height * width]);
    let ones = graph.floats(&format!("constant/ones_{size}x1"), &[1, 1, size, 1], &vec![1.0; size]);
    let attributes =
        [ints("kernel_shape", &[size, 1]), ints("pads", &[size / 2, 0, size / 2, 0]), int("group", 1)];
    let sums = graph.node("Conv", &format!("{name}/sums"), &[&column, &ones], attributes);
    graph.reshape(&format!("{name}/near"), &sums, &[channels, height, width])
}
