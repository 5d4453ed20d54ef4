//! PyTorch files as written by `torch.save` since version 1.6: a zip archive with a pickle that describes the
//! contents, and one record per storage. TorchScript archives are similar; their code is ignored.
//!
//! The pickle is parsed with an allow-list and never executed ([`crate::data::pickle`]).

mod allowed;
mod archive;
mod contents;
mod tensor;

use allowed::{SAVE, is_allowed};
use archive::Archive;

use super::container::Container;
use super::note::Note;
use super::stored::Stored;
use crate::data::pickle::{Names, Pickle, PickleError};

/// The error for a pickle that is not in an archive.
pub(super) const OLD: &str = "it is a bare pickle, as PyTorch wrote it before version 1.6; write it anew with \
                              torch.save(torch.load(\"old.pt\", map_location=\"cpu\"), \"weights.pt\")";

/// Reads the tensors of the only dictionary of weights in the file.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    notes: &mut Vec<Note>,
) -> Result<(Container, Vec<Stored<'a>>), String> {
    read_archive(&Archive::open(bytes)?, notes)
}

fn read_archive<'a>(
    archive: &Archive<'a>,
    notes: &mut Vec<Note>,
) -> Result<(Container, Vec<Stored<'a>>), String> {
    let pickle = Pickle::read_with(archive.pickle, Names::These(is_allowed)).map_err(|error| match error {
        PickleError::Refused(name) => format!(
            "it uses {name}, which weights have no need of; nothing was run. Save the weights alone: {SAVE}"
        ),
        other => format!("its pickle cannot be read: {other}"),
    })?;
    contents::weights(&pickle, archive, notes)
}

/// Parses any bytes as the pickle of an archive with a few storages, for fuzzing. Returns whether it contains
/// layers.
pub(crate) fn fuzz_pickle(pickle: &[u8]) -> bool {
    const STORAGE: [u8; 1024] = [1; 1024];
    let records = (0..16).map(|name: u32| (name.to_string(), &STORAGE[..]));
    let archive = Archive { pickle, records: records.collect() };
    let read = read_archive(&archive, &mut vec![]);
    read.and_then(|(_, tensors)| super::state_dict::layers(tensors, 1 << 14, &mut vec![])).is_ok()
}
