//! Visualization of units by backward passes to the input image (section 3.4 of the paper).
//!
//! A forward pass without dropout computes every layer's output. Then the signal at the chosen layer is set to 1
//! at one unit and 0 elsewhere and propagated backward; the result at the input is a map `[height, width, 3]` in
//! preprocessed coordinates. The methods differ in how the signal passes a ReLU, see [`Method`].
//!
//! ```
//! use allcnn::net::{Init, Network};
//! use allcnn::parameters::Parameters;
//! use allcnn::visualise::{Explainer, Method, Target, Unit, render};
//! use allcnn_device::Reference;
//!
//! let device = Reference;
//! let network = Network::from_toml(
//!     r#"
//!     name = "tiny"
//!     input = [6, 6, 3]
//!     classes = 2
//!     layers = [
//!       { conv = 4, kernel = 3, stride = 2 },
//!       { conv = "classes", kernel = 1 },
//!       { global_average = true },
//!     ]
//!     "#,
//! )?;
//! let parameters = Parameters::initialize(&device, &network, Init::He, 0)?;
//!
//! // Both classes of three pictures, and then the unit of conv1 that is most active in each.
//! let pictures: Vec<f32> = (0..3 * 6 * 6 * 3).map(|value| (value % 7) as f32 - 3.0).collect();
//! let classes = Target::of_classes(&network, vec![Unit::Channel(0), Unit::Channel(1)])?;
//! let mut explainer = Explainer::new(&device, &network, 6)?;
//! let explanations = explainer.explain(&parameters, &pictures, &classes, &Method::ALL)?;
//! assert_eq!(explanations.len(), 3 * 2);
//! assert_eq!((explanations[3].image, explanations[3].unit.channel), (1, 1));
//!
//! let strongest = Target::new(&network, "conv1", vec![Unit::STRONGEST])?;
//! let explanations = explainer.explain(&parameters, &pictures, &strongest, &[Method::Guided])?;
//! let picture = render::Shading::Signed.paint(&explanations[0].maps[0], 6, 6);
//! assert_eq!(picture.pixels.len(), 6 * 6 * 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribution;
mod coloring;
mod error;
mod explain_files;
mod explained_samples;
mod explainer;
mod feature_explorer;
mod feature_sheet;
mod files;
mod layer;
mod method;
mod patches;
mod plate;
mod randomize;
pub mod render;
mod target;
mod unconditioned;

pub use attribution::{Attribution, AttributionSettings, Attributor, MapScore, score_map};
pub use coloring::Coloring;
pub use error::VisualiseError;
pub use explain_files::{ExplainedFiles, explain_files};
pub use explained_samples::ExplainedSamples;
pub use explainer::{Explainer, Explanation};
pub use feature_explorer::{
    DrawingEntry, FeatureExplorer, FilterEntry, FilterSource, PatchEntry, Scanned, Seen,
};
pub use feature_sheet::{
    ExplainedFilter, Labels, drawing_rows, drawing_sheet, patch_pictures, patch_rows, patch_tile_side,
};
pub use files::{Entry, ExplainRequest, Explained, FileExplainer, Unread, View};
pub use layer::FilterChoice;
pub use method::Method;
pub use patches::{FilterPatches, Patch, explain_patches, strongest_patches};
pub use plate::plate;
pub use randomize::randomized;
pub use target::{Found, Position, Target, Unit};
pub use unconditioned::{Drawing, draw_without_image};
