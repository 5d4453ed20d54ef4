//! The allow-list of globals in pickles of weights.

/// How to write a readable file.
pub(super) const SAVE: &str = "torch.save(model.state_dict(), \"weights.pt\")";

/// Whether the global occurs in state dicts or TorchScript archives.
pub(super) fn is_allowed(module: &str, name: &str) -> bool {
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
pub(super) fn is_script(name: &str) -> bool {
    name == "__torch__" || name.starts_with("__torch__.")
}
