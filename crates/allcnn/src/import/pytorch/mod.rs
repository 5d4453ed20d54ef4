//! PyTorch's own files, as `torch.save` has written them since version 1.6: a zip archive of a pickle, which says what
//! there is, and one record for each storage of values. A TorchScript archive looks alike; its code is not looked at.
//!
//! The pickle is read by an allow-list and never executed ([`crate::data::pickle`]).

mod archive;
mod contents;
mod tensor;

use archive::Archive;

use super::stored::Stored;
use super::{Container, Note};
use crate::data::pickle::{Names, Pickle, PickleError};

/// How to write a file that can be read.
const SAVE: &str = "torch.save(model.state_dict(), \"weights.pt\")";

/// What is said of a pickle that lies in no archive.
pub(super) const OLD: &str = "it is a bare pickle, as PyTorch wrote it before version 1.6; write it anew with \
                              torch.save(torch.load(\"old.pt\", map_location=\"cpu\"), \"weights.pt\")";

/// The tensors of the one dictionary of weights in the file.
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

/// What a state dict is made of, and what a TorchScript archive is made of.
fn is_allowed(module: &str, name: &str) -> bool {
    match module {
        "collections" => name == "OrderedDict",
        "torch._utils" => {
            matches!(name, "_rebuild_tensor_v2" | "_rebuild_parameter" | "_rebuild_parameter_with_state")
        }
        "torch" => name.ends_with("Storage") && !name.contains('.'),
        "torch.jit._pickle" => name.starts_with("build_") || name == "restore_type_tag",
        _ => is_script(module),
    }
}

/// Whether a name is a class of a TorchScript archive.
fn is_script(name: &str) -> bool {
    name == "__torch__" || name.starts_with("__torch__.")
}

/// Reads any bytes as the pickle of an archive with a few storages: for fuzzing. True where it holds layers.
pub fn fuzz_pickle(pickle: &[u8]) -> bool {
    const STORAGE: [u8; 1024] = [1; 1024];
    let records = (0..16).map(|name: u32| (name.to_string(), &STORAGE[..]));
    let archive = Archive { pickle, records: records.collect() };
    let read = read_archive(&archive, &mut vec![]);
    read.and_then(|(_, tensors)| super::state_dict::layers(tensors, 1 << 14, &mut vec![])).is_ok()
}
