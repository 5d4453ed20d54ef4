//! What can be asked under `/api/`.

mod activations;
mod card;
mod drawing;
mod events;
mod explain;
mod explorer;
mod export;
mod latest_mistakes;
mod mistakes;
mod near;
mod patches;
mod picture;
mod predict;
mod problem;
mod rendering;
mod routes;
mod run_list;
mod samples;
mod shelf;

pub(crate) use explorer::Explorer;
pub(crate) use routes::routes;
