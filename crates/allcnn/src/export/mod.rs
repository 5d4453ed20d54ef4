//! What is trained leaves the program: as ONNX with the preprocessing and the way back to the picture, as plain weights, as a
//! folder for a hub, as a page. An ONNX file gets its name only after an interpreter of its own has run it and said what the program says.

mod card;
mod check;
mod error;
mod figures;
mod html;
mod hub;
mod interpret;
mod onnx;
mod safetensors;
mod trained;
mod written;

pub use card::model_card;
pub use check::{Agreement, LAYER_TOLERANCE, MAP_TOLERANCE};
pub use error::ExportError;
pub use hub::write_hub;
pub use onnx::{ExplanationTarget, OnnxOptions};
pub use trained::Trained;
pub use written::{Written, write_html, write_onnx, write_safetensors};

#[cfg(test)]
mod tests;
