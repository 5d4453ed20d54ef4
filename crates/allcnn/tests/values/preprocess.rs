//! Preprocessing against NumPy's values, in every way it is made, kept and applied.

use std::fs;
use std::path::{Path, PathBuf};

use allcnn::preprocess::{Cache, Geometry, Method, PreprocessError, Preprocessor};
use allcnn_device::random::{Purpose, Stream};
use safetensors::SafeTensors;

const METHODS: [Method; 3] = [Method::GcnZca, Method::MeanStd, Method::None];
const GOLDEN: Geometry = Geometry { height: 7, width: 6, channels: 3 };

/// One tensor of the file that `make.py` wrote.
fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/preprocess/golden.safetensors");
    SafeTensors::deserialize(&fs::read(path).unwrap()).unwrap().tensor(name).unwrap().data().to_vec()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

/// The largest difference, relative to the largest expected value.
fn difference(given: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(given.len(), expected.len());
    let largest = expected.iter().fold(0f32, |a, x| a.max(x.abs()));
    given.iter().zip(expected).fold(0f32, |a, (x, y)| a.max((x - y).abs())) / largest
}

/// Images with correlated pixels, as real ones have.
fn images(count: usize, geometry: Geometry) -> Vec<u8> {
    let mut random = Stream::new(4, Purpose::Test, count as u64, geometry.len() as u32).sequence();
    let mut level = 0.0;
    let mut next = || {
        level = 0.8 * level + 40.0 * random.normal();
        (128.0 + level) as u8
    };
    (0..count * geometry.len()).map(|_| next()).collect()
}

fn apply(preprocessor: &Preprocessor, pixels: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; pixels.len()];
    preprocessor.apply(pixels, &mut out);
    out
}

#[test]
fn gcn_zca_equals_numpy() {
    let images = golden("images");
    let preprocessor = Preprocessor::fit(Method::GcnZca, &images, GOLDEN).unwrap();
    let off = difference(&apply(&preprocessor, &images), &floats(&golden("whitened")));
    // The matrix and the products are rounded to f32, and whitening cancels what neighbors share.
    assert!(off < 1e-5, "whitened images differ by {off} of the largest value");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preprocess.safetensors");
    preprocessor.save(&path).unwrap();
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["mean", "zca"] {
        let off = difference(&floats(file.tensor(name).unwrap().data()), &floats(&golden(name)));
        assert!(off < 2e-7, "{name} differs by {off} of the largest value");
    }
}

#[test]
fn mean_std_and_none_equal_numpy() {
    let images = golden("images");
    let (mean, std) = (floats(&golden("channel_mean")), floats(&golden("channel_std")));
    let unit = images.iter().map(|&value| f32::from(value) / 255.0);
    let expected: Vec<f32> = unit.clone().enumerate().map(|(i, x)| (x - mean[i % 3]) / std[i % 3]).collect();
    let given = apply(&Preprocessor::fit(Method::MeanStd, &images, GOLDEN).unwrap(), &images);
    assert!(difference(&given, &expected) < 1e-6);
    let given = apply(&Preprocessor::fit(Method::None, &images, GOLDEN).unwrap(), &images);
    assert_eq!(given, unit.collect::<Vec<f32>>());
}

#[test]
fn an_image_gives_the_same_bits_alone_and_in_any_batch() {
    let geometry = Geometry { height: 9, width: 11, channels: 3 };
    let pixels = images(131, geometry);
    for method in METHODS {
        let preprocessor = Preprocessor::fit(method, &pixels, geometry).unwrap();
        let whole = apply(&preprocessor, &pixels);
        for batch in [1, 2, 5, 6, 7, 48, 49, 100] {
            let parts: Vec<f32> =
                pixels.chunks(batch * geometry.len()).flat_map(|part| apply(&preprocessor, part)).collect();
            assert!(parts == whole, "{method}: batches of {batch} differ from all at once");
        }
    }
}

#[test]
fn fit_and_apply_give_the_same_bits_for_any_number_of_threads() {
    let geometry = Geometry { height: 8, width: 20, channels: 3 };
    let pixels = images(2100, geometry);
    for method in METHODS {
        let with_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| apply(&Preprocessor::fit(method, &pixels, geometry).unwrap(), &pixels))
        };
        let one = with_threads(1);
        for threads in [2, 3, 7] {
            assert!(with_threads(threads) == one, "{method}: {threads} threads differ from one");
        }
    }
}

#[test]
fn whitened_training_images_have_the_stated_covariance() {
    // P C P = I - 0.1 P² for C without the 0.1: the variance of a dimension is just below 1.
    let geometry = Geometry { height: 4, width: 4, channels: 3 };
    let pixels = images(4000, geometry);
    let whitened = apply(&Preprocessor::fit(Method::GcnZca, &pixels, geometry).unwrap(), &pixels);
    let moment = |a: usize, b: usize| {
        whitened.chunks(48).map(|image| f64::from(image[a]) * f64::from(image[b])).sum::<f64>() / 4000.0
    };
    assert!((0..48).all(|a| moment(a, a) > 0.9 && moment(a, a) < 1.0));
    assert!((1..48).all(|a| moment(a, a - 1).abs() < 0.05), "neighbors stay correlated");
}

#[test]
fn a_saved_preprocessing_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preprocess.safetensors");
    let pixels = golden("images");
    for method in METHODS {
        let fitted = Preprocessor::fit(method, &pixels, GOLDEN).unwrap();
        fitted.save(&path).unwrap();
        let loaded = Preprocessor::load(&path).unwrap();
        assert_eq!((loaded.method(), loaded.geometry()), (method, GOLDEN));
        assert!(apply(&loaded, &pixels) == apply(&fitted, &pixels), "{method}");
    }
}

#[test]
fn inverted_images_are_the_originals_or_like_them() {
    let pixels = golden("images");
    for method in [Method::MeanStd, Method::None] {
        let preprocessor = Preprocessor::fit(method, &pixels, GOLDEN).unwrap();
        let inputs = apply(&preprocessor, &pixels);
        let shown: Vec<u8> =
            inputs.chunks(GOLDEN.len()).flat_map(|image| preprocessor.invert(image)).collect();
        assert_eq!(shown, pixels, "{method}");
    }
    let preprocessor = Preprocessor::fit(Method::GcnZca, &pixels, GOLDEN).unwrap();
    let image = &pixels[8 * GOLDEN.len()..][..GOLDEN.len()];
    let shown = preprocessor.invert(&apply(&preprocessor, image));
    let correlation = correlation(image, &shown);
    assert!(correlation > 0.999, "correlation of the shown with the original {correlation}");
}

fn correlation(a: &[u8], b: &[u8]) -> f64 {
    let mean = |x: &[u8]| x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
    let product = |x: &[u8], y: &[u8]| -> f64 {
        let (mx, my) = (mean(x), mean(y));
        x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - mx) * (f64::from(y) - my)).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn a_cached_fit_is_found_again_and_a_damaged_one_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("made/when/needed");
    let pixels = golden("images");
    let fit = |fingerprint: &str, pixels: &[u8], geometry| {
        Preprocessor::fit_cached(Method::GcnZca, fingerprint, &cache, pixels, geometry).unwrap()
    };
    let (fitted, how) = fit("ab:12", &pixels, GOLDEN);
    assert_eq!(how, Cache::Stored);
    let (found, how) = fit("ab:12", &pixels, GOLDEN);
    assert_eq!(how, Cache::Found);
    assert!(apply(&found, &pixels) == apply(&fitted, &pixels));

    // A fingerprint that shares the file's name, and another image size under the same one.
    assert_eq!(fit("ab12", &pixels, GOLDEN).1, Cache::Stored);
    let turned = Geometry { height: GOLDEN.width, width: GOLDEN.height, channels: 3 };
    assert_eq!(fit("ab12", &pixels, turned).1, Cache::Stored);

    let file: PathBuf = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&file).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..3], b"", b"text, which is no safetensors"] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(fit("ab12", &pixels, turned).1, Cache::Stored);
        assert_eq!(fs::read(&file).unwrap().len(), bytes.len());
    }
}

#[test]
fn a_cache_that_cannot_be_written_does_not_stop_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "a file where the folder should be").unwrap();
    let (_, how) =
        Preprocessor::fit_cached(Method::GcnZca, "f", &blocked, &golden("images"), GOLDEN).unwrap();
    assert!(matches!(how, Cache::NotStored(why) if why.contains("file")));
}

/// The message of an error, for a person to read.
fn message<T>(result: Result<T, PreprocessError>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn mistakes_are_told_with_a_remedy() {
    let small = Geometry { height: 2, width: 2, channels: 3 };
    let large = Geometry { height: 65, width: 64, channels: 3 };
    let said = message(Preprocessor::fit(Method::GcnZca, &[7; 12], small));
    assert!(said.contains("at least 2") && said.contains("given 1"), "{said}");
    let said = message(Preprocessor::fit(Method::GcnZca, &vec![7; 3 * large.len()], large));
    assert!(said.contains("65x64x3") && said.contains("mean-std"), "{said}");
    let said = message(Preprocessor::fit(Method::MeanStd, &[7; 25], small));
    assert!(said.contains("25") && said.contains("2x2x3"), "{said}");
    let said = message("zca".parse::<Method>());
    assert!(said.contains("`zca`") && said.contains("gcn-zca, mean-std or none"), "{said}");
    let fitted = Preprocessor::fit(Method::None, &[7; 24], small).unwrap();
    let said = message(fitted.check_geometry(large));
    assert!(said.contains("65x64x3") && said.contains("2x2x3") && said.contains("resize"), "{said}");
    assert!(METHODS.iter().all(|method| method.to_string().parse::<Method>().unwrap() == *method));
}

#[test]
fn a_wrong_file_is_told_and_never_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preprocess.safetensors");
    let said = message(Preprocessor::load(&path));
    assert!(
        said.contains("preprocess.safetensors is missing") && said.contains("put the file back"),
        "{said}"
    );
    assert!(message(Preprocessor::load(folder.path())).contains("cannot read"));
    let pixels = golden("images");
    Preprocessor::fit(Method::MeanStd, &pixels, GOLDEN).unwrap().save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let changed = |from: &str, to: &str| {
        let text = good.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut bytes = good.clone();
        bytes[text..text + from.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let mut not_finite = good.clone();
    let end = good.len() - 4;
    not_finite[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    let cases = [
        (good[..good.len() - 1].to_vec(), ""),
        (changed("preprocessing 1", "preprocessing 9"), "format"),
        (changed("mean-std", "mean-xyz"), "mean-xyz"),
        (changed(r#""channels":"3""#, r#""channels":"0""#), "7x6x0"),
        (changed(r#""channels":"3""#, r#""channels":"4""#), "[4]"),
        (not_finite, "NaN"),
        (changed(r#""height":"#, r#""heighs":"#), "`height`"),
    ];
    for (bytes, expected) in cases {
        fs::write(&path, bytes).unwrap();
        let said = message(Preprocessor::load(&path));
        assert!(said.contains("preprocess.safetensors is no preprocessing"), "{said}");
        assert!(said.contains(expected), "{said} lacks {expected}");
    }
}
