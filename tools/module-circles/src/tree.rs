//! The modules of a crate: what each defines and imports.

use std::path::{Path, PathBuf};
use std::{fs, io, slice};

use syn::{Expr, Item, ItemMod, Lit, Meta, UseTree, Visibility};

use crate::tests_only::{attributes, is_tests_only};

/// The index of a module in its [`Tree`]; the crate's root is 0.
pub(crate) type ModuleId = usize;

/// All modules of a crate.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
}

/// A module, in a file of its own or inline.
pub(crate) struct Module {
    /// Its name from the root on, `a::b`, or `crate`.
    pub(crate) name: String,
    /// Itself for the root.
    pub(crate) parent: ModuleId,
    pub(crate) file: PathBuf,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) imports: Vec<Import>,
    /// Its items, without modules and tests.
    pub(crate) items: Vec<Item>,
}

/// An item that a module defines.
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) seen_in: Option<ModuleId>,
}

pub(crate) enum Kind {
    Module(ModuleId),
    Macro,
    /// Anything else; the variants of an enum.
    Item(Vec<String>),
}

/// One name, or one glob, of a `use` declaration.
#[derive(Clone)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// The name it has in the module; none for a glob.
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
    /// Whether others can take the name from here.
    pub(crate) is_reexport: bool,
    /// The module in and below which it can be seen, if not everywhere.
    pub(crate) seen_in: Option<ModuleId>,
}

impl Tree {
    /// The crate in one text.
    pub(crate) fn parse(text: &str) -> io::Result<Self> {
        let mut tree = Tree::default();
        let items = parse(text, Path::new("lib.rs"))?;
        tree.add("crate", 0, items, Path::new("lib.rs"), Path::new(""))?;
        Ok(tree)
    }

    /// The crate whose root is this file.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Tree::default();
        let items = parse(&fs::read_to_string(root)?, root)?;
        tree.add("crate", 0, items, root, root.parent().unwrap_or(root))?;
        Ok(tree)
    }

    /// Whether `inner` is `outer` or lies in it.
    pub(crate) fn is_within(&self, mut inner: ModuleId, outer: ModuleId) -> bool {
        while inner != outer && inner != 0 {
            inner = self.modules[inner].parent;
        }
        inner == outer
    }

    /// Adds a module of these items, whose children's files lie in `folder`.
    fn add(
        &mut self,
        name: &str,
        parent: ModuleId,
        items: Vec<Item>,
        file: &Path,
        folder: &Path,
    ) -> io::Result<ModuleId> {
        let id = self.modules.len();
        self.modules.push(Module {
            name: name.to_string(),
            parent,
            file: file.to_path_buf(),
            definitions: Vec::new(),
            imports: Vec::new(),
            items: Vec::new(),
        });
        for item in items {
            if is_tests_only(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(child) => self.add_child(id, child, folder)?,
                Item::Use(item) => {
                    let seen_in = self.seen_in(id, &item.vis);
                    let is_reexport = !matches!(item.vis, Visibility::Inherited);
                    for import in imports(&item.tree) {
                        self.modules[id].imports.push(Import { seen_in, is_reexport, ..import });
                    }
                }
                item => {
                    if let Some((name, kind, visibility)) = definition(&item) {
                        let seen_in = visibility.and_then(|visibility| self.seen_in(id, visibility));
                        self.modules[id].definitions.push(Definition { name, kind, seen_in });
                    }
                    self.modules[id].items.push(item);
                }
            }
        }
        Ok(id)
    }

    fn add_child(&mut self, parent: ModuleId, child: ItemMod, folder: &Path) -> io::Result<()> {
        let name = child.ident.to_string();
        let (file, items) = match child.content {
            Some((_, items)) => (self.modules[parent].file.clone(), items),
            None => {
                let file = file_of(&child, &name, folder);
                let text = fs::read_to_string(&file)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
                let items = parse(&text, &file)?;
                (file, items)
            }
        };
        let full = match parent {
            0 => name.clone(),
            _ => format!("{}::{name}", self.modules[parent].name),
        };
        let id = self.add(&full, parent, items, &file, &folder.join(&name))?;
        let seen_in = self.seen_in(parent, &child.vis);
        self.modules[parent].definitions.push(Definition { name, kind: Kind::Module(id), seen_in });
        Ok(())
    }

    /// The module in and below which an item of `module` can be seen, if not everywhere.
    fn seen_in(&self, module: ModuleId, visibility: &Visibility) -> Option<ModuleId> {
        match visibility {
            Visibility::Inherited => Some(module),
            Visibility::Restricted(within) if within.path.is_ident("self") => Some(module),
            Visibility::Restricted(within) if within.path.is_ident("super") => {
                Some(self.modules[module].parent)
            }
            _ => None,
        }
    }
}

fn parse(text: &str, file: &Path) -> io::Result<Vec<Item>> {
    let parsed = syn::parse_file(text).map_err(|error| {
        let line = error.span().start().line;
        io::Error::new(io::ErrorKind::InvalidData, format!("{}:{line}: {error}", file.display()))
    })?;
    Ok(if is_tests_only(&parsed.attrs) { Vec::new() } else { parsed.items })
}

/// The file of a module that is declared as `mod name;`.
fn file_of(module: &ItemMod, name: &str, folder: &Path) -> PathBuf {
    let given = module.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(path) => Some(path.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    match given {
        Some(path) => folder.join(path),
        None => {
            let file = folder.join(format!("{name}.rs"));
            if file.is_file() { file } else { folder.join(name).join("mod.rs") }
        }
    }
}

/// What an item defines: its name, kind and visibility (a macro has none).
fn definition(item: &Item) -> Option<(String, Kind, Option<&Visibility>)> {
    let plain = || Kind::Item(Vec::new());
    let (ident, kind, visibility) = match item {
        Item::Const(item) => (&item.ident, plain(), Some(&item.vis)),
        Item::Enum(item) => {
            let variants = item.variants.iter().map(|variant| variant.ident.to_string()).collect();
            (&item.ident, Kind::Item(variants), Some(&item.vis))
        }
        Item::Fn(item) => (&item.sig.ident, plain(), Some(&item.vis)),
        Item::Static(item) => (&item.ident, plain(), Some(&item.vis)),
        Item::Struct(item) => (&item.ident, plain(), Some(&item.vis)),
        Item::Trait(item) => (&item.ident, plain(), Some(&item.vis)),
        Item::Type(item) => (&item.ident, plain(), Some(&item.vis)),
        Item::Union(item) => (&item.ident, plain(), Some(&item.vis)),
        Item::Macro(item) => (item.ident.as_ref()?, Kind::Macro, None),
        _ => return None,
    };
    Some((ident.to_string(), kind, visibility))
}

/// The names and globs of a `use` declaration.
pub(crate) fn imports(tree: &UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    collect_imports(tree, &mut Vec::new(), &mut found);
    found
}

fn collect_imports(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut import = |mut path: Vec<String>, ident: &syn::Ident, name: Option<String>| {
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = name.map(|name| if name == "self" { path.last().cloned().unwrap_or(name) } else { name });
        let line = ident.span().start().line;
        found.push(Import { path, name, line, is_reexport: false, seen_in: None });
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            collect_imports(&tree.tree, path, found);
            path.pop();
        }
        UseTree::Name(tree) => {
            let ident = tree.ident.to_string();
            import([path.as_slice(), slice::from_ref(&ident)].concat(), &tree.ident, Some(ident));
        }
        UseTree::Rename(tree) => {
            import(
                [path.as_slice(), &[tree.ident.to_string()]].concat(),
                &tree.ident,
                Some(tree.rename.to_string()),
            );
        }
        UseTree::Glob(tree) => {
            let line = tree.star_token.spans[0].start().line;
            found.push(Import { path: path.clone(), name: None, line, is_reexport: false, seen_in: None });
        }
        UseTree::Group(tree) => {
            for tree in &tree.items {
                collect_imports(tree, path, found);
            }
        }
    }
}
