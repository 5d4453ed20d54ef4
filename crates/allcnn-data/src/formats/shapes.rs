//! The embedded data set `shapes`: ten classes of 32x32 RGB pictures, drawn from a seed.
//!
//! Each picture holds one figure of random position, size, rotation and colours on a textured, noisy background with
//! small distracting marks. Neither a colour nor a fixed position identifies the class. The drawing uses only
//! operations that IEEE 754 rounds exactly (no sines), so that the pictures are the same on every machine.
use super::format::Loaded;
use crate::dataset::{DataSet, Images, Kind, fingerprint};
use crate::error::Error;
use crate::random::Sequence;
use crate::sizes::Sizes;
use rayon::prelude::*;

/// The classes, in alphabetical order.
pub const CLASSES: [&str; 10] =
    ["arrow", "bars", "circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle"];
/// Rows and columns of a picture.
pub const SIDE: usize = 32;
/// Training pictures of each class in the data set `shapes`.
pub const TRAIN_PER_CLASS: usize = 500;
/// Test pictures of each class in the data set `shapes`.
pub const TEST_PER_CLASS: usize = 100;
/// The splits in the random numbers of a picture.
const TRAIN: u32 = 0;
const TEST: u32 = 1;

/// Draws the data set of `seed`. A picture depends on the seed, its split, its class and its number alone, not on
/// how many are drawn.
pub fn draw(seed: u64, train_per_class: usize, test_per_class: usize) -> DataSet {
    let train = split(seed, TRAIN, "train", train_per_class);
    let test = split(seed, TEST, "test", test_per_class);
    let classes: Vec<String> = CLASSES.iter().map(|class| class.to_string()).collect();
    DataSet {
        name: "shapes".to_string(),
        fingerprint: fingerprint(&classes, &train, &Images::default(), &test),
        classes,
        train,
        test,
        validation: Images::default(),
        ignored: vec![],
        skipped: Vec::new(),
        sizes: Sizes::all_alike((train_per_class + test_per_class) * CLASSES.len(), [SIDE; 2]),
        notes: Vec::new(),
        kind: Kind::Shapes,
    }
}

/// The data set `shapes`.
pub(crate) fn load() -> Result<Loaded, Error> {
    // Drawing takes memory without asking; this asks.
    drop(Images::reserve((TRAIN_PER_CLASS + TEST_PER_CLASS) * CLASSES.len(), SIDE, SIDE)?);
    let DataSet { kind, classes, train, test, .. } = draw(0, TRAIN_PER_CLASS, TEST_PER_CLASS);
    let validation = Images::new(train.height, train.width);
    Ok(Loaded::whole(kind, classes, [train, validation, test]))
}

/// All pictures of one split, class by class.
fn split(seed: u64, split: u32, name: &str, per_class: usize) -> Images {
    let count = per_class * CLASSES.len();
    let mut images = Images::new(SIDE, SIDE);
    images.pixels = vec![0; count * images.image_len()];
    images.pixels.par_chunks_exact_mut(SIDE * SIDE * 3).enumerate().for_each(|(index, pixels)| {
        let (class, number) = (index / per_class, index % per_class);
        picture(class, &mut sequence(seed, split, class, number), pixels);
    });
    for index in 0..count {
        let class = index / per_class;
        images.labels.push(class as u32);
        images.names.push(format!("{name}/{}/{:05}", CLASSES[class], index % per_class));
    }
    images
}

/// Where the figure of a test picture is, as [`draw`] draws it: the share of each pixel that it covers, `[SIDE, SIDE]`.
pub fn test_figure(seed: u64, class: usize, number: usize) -> Vec<f32> {
    let figure = Scene::new(class, &mut sequence(seed, TEST, class, number)).figure;
    (0..SIDE * SIDE).map(|offset| figure.coverage(middle(offset))).collect()
}

/// The random numbers of a picture.
fn sequence(seed: u64, split: u32, class: usize, number: usize) -> Sequence {
    Sequence::new(seed, split, (class << 24 | number) as u32)
}

/// The middle of a pixel.
fn middle(offset: usize) -> Point {
    [(offset % SIDE) as f32 + 0.5, (offset / SIDE) as f32 + 0.5]
}

/// What is drawn in a picture, from back to front.
struct Scene {
    background: Paint,
    marks: Vec<Mark>,
    figure_paint: Paint,
    figure: Figure,
}

impl Scene {
    fn new(class: usize, random: &mut Sequence) -> Self {
        let background = Paint::background(random);
        let figure_paint = Paint::figure(random, &background);
        let marks = (0..3 + random.below(4)).map(|_| Mark::new(random, &background)).collect();
        Self { background, marks, figure_paint, figure: Figure::new(class, random) }
    }
}

/// Draws one picture of `class` into `pixels`, `[SIDE, SIDE, 3]`.
fn picture(class: usize, random: &mut Sequence, pixels: &mut [u8]) {
    let Scene { background, marks, figure_paint, figure } = Scene::new(class, random);
    let noise = random.range(0.04, 0.12);
    for (offset, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let at = middle(offset);
        let mut color = background.color(at);
        for mark in &marks {
            blend(&mut color, mark.color, mark.coverage(at));
        }
        blend(&mut color, figure_paint.color(at), figure.coverage(at));
        let grain = random.next_u32().to_le_bytes();
        for channel in 0..3 {
            let value = color[channel] + noise * (f32::from(grain[channel]) / 255.0 - 0.5);
            pixel[channel] = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    }
}

type Point = [f32; 2];
type Color = [f32; 3];

/// Lays `over` on `color` where it covers.
fn blend(color: &mut Color, over: Color, coverage: f32) {
    for (channel, over) in color.iter_mut().zip(over) {
        *channel += (over - *channel) * coverage;
    }
}

/// The share of a pixel that a shape covers whose border is `distance` pixels away (negative inside).
fn coverage(distance: f32) -> f32 {
    (0.5 - distance).clamp(0.0, 1.0)
}

fn random_color(random: &mut Sequence) -> Color {
    [random.uniform(), random.uniform(), random.uniform()]
}

/// A random direction: a point of the unit disc, not too near its centre, brought to length one.
fn direction(random: &mut Sequence) -> Point {
    loop {
        let [x, y] = [random.range(-1.0, 1.0), random.range(-1.0, 1.0)];
        let length = (x * x + y * y).sqrt();
        if (0.1..=1.0).contains(&length) {
            return [x / length, y / length];
        }
    }
}

fn luminance(color: Color) -> f32 {
    0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2]
}

/// A direction within 37 degrees of the first axis.
fn tilt(random: &mut Sequence) -> Point {
    loop {
        let turn = direction(random);
        if turn[0] > 0.8 {
            return turn;
        }
    }
}

/// A base color with a gradient and stripes laid over it.
struct Paint {
    base: Color,
    gradient: Point,
    stripes: Point,
    amplitude: f32,
}

impl Paint {
    /// `strength` scales the gradient and the stripes.
    fn new(base: Color, strength: f32, random: &mut Sequence) -> Self {
        let (slope, along, period) = (direction(random), direction(random), random.range(3.0, 9.0));
        let rise = strength * random.uniform() / SIDE as f32;
        Paint {
            base,
            gradient: [slope[0] * rise, slope[1] * rise],
            stripes: [along[0] / period, along[1] / period],
            amplitude: strength * random.range(0.0, 0.3),
        }
    }

    fn background(random: &mut Sequence) -> Self {
        loop {
            let color = random_color(random);
            if luminance(color) < 0.5 {
                return Paint::new(color, 0.35, random);
            }
        }
    }

    /// A color brighter than the background.
    fn figure(random: &mut Sequence, background: &Paint) -> Self {
        loop {
            let color = random_color(random);
            if luminance(color) - luminance(background.base) > 0.3 {
                return Paint::new(color, 0.2, random);
            }
        }
    }

    fn color(&self, at: Point) -> Color {
        let middle = SIDE as f32 / 2.0;
        let slope = (at[0] - middle) * self.gradient[0] + (at[1] - middle) * self.gradient[1];
        let phase = at[0] * self.stripes[0] + at[1] * self.stripes[1];
        let wave = ((phase - phase.floor()) - 0.5).abs() * 4.0 - 1.0;
        self.base.map(|channel| channel + slope + self.amplitude * wave)
    }
}

/// A small distracting line or dot behind the figure.
struct Mark {
    from: Point,
    along: Point,
    length: f32,
    radius: f32,
    color: Color,
}

impl Mark {
    fn new(random: &mut Sequence, background: &Paint) -> Self {
        let side = SIDE as f32;
        let mut color = random_color(random);
        blend(&mut color, background.base, 0.4);
        Mark {
            from: [random.range(0.0, side), random.range(0.0, side)],
            along: direction(random),
            length: random.range(0.0, 7.0),
            radius: random.range(0.5, 1.4),
            color,
        }
    }

    fn coverage(&self, at: Point) -> f32 {
        let [x, y] = [at[0] - self.from[0], at[1] - self.from[1]];
        let along = (x * self.along[0] + y * self.along[1]).clamp(0.0, self.length);
        coverage(length([x - along * self.along[0], y - along * self.along[1]]) - self.radius)
    }
}

/// The figure that gives the picture its class: in its own coordinates it fills the unit disc.
struct Figure {
    class: usize,
    center: Point,
    radius: f32,
    turn: Point,
}

impl Figure {
    fn new(class: usize, random: &mut Sequence) -> Self {
        let radius = random.range(9.0, 13.0);
        let middle = SIDE as f32 / 2.0;
        let play = middle - radius;
        Figure {
            class,
            radius,
            center: [middle + random.range(-play, play), middle + random.range(-play, play)],
            turn: tilt(random),
        }
    }

    fn coverage(&self, at: Point) -> f32 {
        let [x, y] = [(at[0] - self.center[0]) / self.radius, (at[1] - self.center[1]) / self.radius];
        if x * x + y * y > 1.5 {
            return 0.0;
        }
        let [cosine, sine] = self.turn;
        coverage(signed_distance(self.class, [cosine * x + sine * y, cosine * y - sine * x]) * self.radius)
    }
}

/// The distance of `p` to the border of the figure of `class`, negative inside.
fn signed_distance(class: usize, p: Point) -> f32 {
    match CLASSES[class] {
        "arrow" => polygon(&ARROW, p),
        "bars" => {
            let row = (p[1].abs() - 0.6).abs().min(p[1].abs());
            rectangle([p[0], row], [0.78, 0.17])
        }
        "circle" => length(p) - 0.85,
        "crescent" => (length(p) - 0.95).max(0.72 - length([p[0] - 0.5, p[1]])),
        "cross" => rectangle(p, [0.92, 0.27]).min(rectangle(p, [0.27, 0.92])),
        "heart" => heart(p),
        "ring" => (length(p) - 0.68).abs() - 0.21,
        "square" => rectangle(p, [0.7, 0.7]),
        "star" => polygon(&STAR, p),
        _ => polygon(&TRIANGLE, p),
    }
}

const TRIANGLE: [Point; 3] = [[0.0, -1.0], [0.866_025_4, 0.5], [-0.866_025_4, 0.5]];
const ARROW: [Point; 7] =
    [[0.98, 0.0], [0.2, -0.78], [0.2, -0.24], [-0.95, -0.24], [-0.95, 0.24], [0.2, 0.24], [0.2, 0.78]];
/// Five points at radius 1, between them five at radius 0.42.
const STAR: [Point; 10] = [
    [0.0, -1.0],
    [0.246_87, -0.339_79],
    [0.951_06, -0.309_02],
    [0.399_44, 0.129_79],
    [0.587_79, 0.809_02],
    [0.0, 0.42],
    [-0.587_79, 0.809_02],
    [-0.399_44, 0.129_79],
    [-0.951_06, -0.309_02],
    [-0.246_87, -0.339_79],
];

fn length(p: Point) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

fn rectangle(p: Point, half: Point) -> f32 {
    let [x, y] = [p[0].abs() - half[0], p[1].abs() - half[1]];
    length([x.max(0.0), y.max(0.0)]) + x.max(y).min(0.0)
}

/// A square on its corner with a disc on each of its upper sides.
fn heart(p: Point) -> f32 {
    let diagonal = std::f32::consts::FRAC_1_SQRT_2;
    let [x, y] = [p[0].abs(), p[1] - 0.1];
    let square = rectangle([(x + y) * diagonal, (y - x) * diagonal], [0.55, 0.55]);
    square.min(length([x - 0.55 * diagonal, y + 0.55 * diagonal]) - 0.55)
}

/// The distance to the border of a polygon, negative inside (crossing number).
fn polygon(corners: &[Point], p: Point) -> f32 {
    let (mut nearest, mut inside) = (f32::MAX, false);
    let mut previous = corners[corners.len() - 1];
    for &corner in corners {
        let edge = [previous[0] - corner[0], previous[1] - corner[1]];
        let from = [p[0] - corner[0], p[1] - corner[1]];
        let share = (from[0] * edge[0] + from[1] * edge[1]) / (edge[0] * edge[0] + edge[1] * edge[1]);
        let share = share.clamp(0.0, 1.0);
        let gap = [from[0] - share * edge[0], from[1] - share * edge[1]];
        nearest = nearest.min(gap[0] * gap[0] + gap[1] * gap[1]);
        if (corner[1] > p[1]) != (previous[1] > p[1]) && from[0] < edge[0] * from[1] / edge[1] {
            inside = !inside;
        }
        previous = corner;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_of_a_test_picture_is_where_it_is_brighter() {
        let pictures = draw(0, 0, 3).test;
        for image in 0..pictures.len() {
            let figure = test_figure(0, image / 3, image % 3);
            let mean = |wanted: f32| {
                let pixels = pictures.image(image).chunks_exact(3).zip(&figure);
                let values: Vec<f32> = pixels
                    .filter(|&(_, &part)| part == wanted)
                    .map(|(pixel, _)| luminance([pixel[0], pixel[1], pixel[2]].map(f32::from)))
                    .collect();
                values.iter().sum::<f32>() / values.len() as f32
            };
            assert!(mean(1.0) > mean(0.0) + 20.0, "{}", pictures.names[image]);
        }
    }

    #[test]
    fn every_figure_fills_its_disc_and_no_more() {
        for (class, name) in CLASSES.iter().enumerate() {
            let (mut inside, mut total) = (0, 0);
            for row in -60..=60 {
                for column in -60..=60 {
                    let p = [row as f32 / 50.0, column as f32 / 50.0];
                    let covered = signed_distance(class, p) < 0.0;
                    assert!(!covered || length(p) < 1.2, "{name} covers {p:?}");
                    total += usize::from(length(p) < 1.0);
                    inside += usize::from(covered);
                }
            }
            let share = inside as f32 / total as f32;
            assert!((0.25..0.8).contains(&share), "{name} fills {share} of the disc");
        }
    }

    #[test]
    fn pictures_depend_on_seed_split_and_number_alone() {
        let (small, large) = (draw(3, 2, 1), draw(3, 5, 1));
        assert_eq!(small.train.image(2), large.train.image(5), "bars, number 0");
        assert_eq!(small.test, large.test);
        assert_ne!(small.train.image(0), small.test.image(0));
        assert_ne!(draw(4, 2, 1).train.image(0), small.train.image(0));
    }

    /// The pictures never change: trained networks and published figures refer to them.
    #[test]
    fn the_pictures_are_the_published_ones() {
        assert_eq!(
            draw(0, 3, 1).fingerprint,
            "c864549eba1c34b9c0dfe0eec7a80c85c24ee74775169ebcd25c2f9620074f89"
        );
    }

    /// A cue of colour or of position must not solve the task.
    #[test]
    fn the_nearest_class_mean_fails() {
        let set = draw(0, 100, 50);
        let bytes = set.train.image_len();
        let mut means = vec![vec![0f32; bytes]; CLASSES.len()];
        for index in 0..set.train.len() {
            let mean = &mut means[set.train.labels[index] as usize];
            mean.iter_mut().zip(set.train.image(index)).for_each(|(m, &p)| *m += f32::from(p) / 100.0);
        }
        let distance = |mean: &[f32], image: &[u8]| -> f32 {
            mean.iter().zip(image).map(|(m, &p)| (m - f32::from(p)).powi(2)).sum()
        };
        let right = (0..set.test.len())
            .filter(|&index| {
                let image = set.test.image(index);
                let best = (0..CLASSES.len())
                    .min_by(|&a, &b| distance(&means[a], image).total_cmp(&distance(&means[b], image)));
                best == Some(set.test.labels[index] as usize)
            })
            .count();
        assert!(right * 100 < 40 * set.test.len(), "{right} of {} right", set.test.len());
    }
}
