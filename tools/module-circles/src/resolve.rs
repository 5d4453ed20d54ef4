//! From a path to the module that defines what it names.

use std::collections::HashMap;

use syn::{ImplItem, Item, Type};

use crate::tree::{Import, Kind, ModuleId, Tree};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(ModuleId),
    /// An item or macro, by the module that defines it and its name there.
    Item(ModuleId, String),
    /// Something of another crate.
    Foreign,
}

/// Resolves the paths of a crate.
pub(crate) struct Resolver<'a> {
    pub(crate) tree: &'a Tree,
    /// Functions and constants of types that another module defines: (type's module, type, name) to the `impl`'s module.
    associated: HashMap<(ModuleId, String, String), ModuleId>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        let mut resolver = Self { tree, associated: HashMap::new() };
        resolver.associated = resolver.find_associated();
        resolver
    }

    fn find_associated(&self) -> HashMap<(ModuleId, String, String), ModuleId> {
        let mut found = HashMap::new();
        for (module, contents) in self.tree.modules.iter().enumerate() {
            for item in &contents.items {
                let Item::Impl(item) = item else { continue };
                let Type::Path(own) = &*item.self_ty else { continue };
                if item.trait_.is_some() {
                    continue;
                }
                let path: Vec<_> =
                    own.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                for target in self.resolve(module, &path) {
                    let Target::Item(home, name) = target else { continue };
                    let names = item.items.iter().filter_map(|item| match item {
                        ImplItem::Fn(item) => Some(&item.sig.ident),
                        ImplItem::Const(item) => Some(&item.ident),
                        _ => None,
                    });
                    found.extend(names.map(|ident| ((home, name.clone(), ident.to_string()), module)));
                }
            }
        }
        found
    }

    /// What a path in a module names.
    pub(crate) fn resolve(&self, module: ModuleId, path: &[String]) -> Vec<Target> {
        self.resolve_within(module, path, &mut Vec::new())
    }

    /// What a path names that begins in something already found.
    pub(crate) fn resolve_from(&self, viewer: ModuleId, from: &[Target], rest: &[String]) -> Vec<Target> {
        self.follow(viewer, from.to_vec(), rest, &mut Vec::new())
    }

    /// What a single name that a module has by a glob import stands for.
    pub(crate) fn by_glob(&self, viewer: ModuleId, glob: &[String], name: &str) -> Vec<Target> {
        self.in_glob(viewer, self.resolve(viewer, glob), name, &mut Vec::new())
    }

    /// The module that defines a macro which is called by its bare name and not imported: by order of text.
    pub(crate) fn textual_macro(&self, module: ModuleId, name: &str) -> Option<ModuleId> {
        let defines = |id: &ModuleId| {
            let definitions = &self.tree.modules[*id].definitions;
            definitions
                .iter()
                .any(|definition| matches!(definition.kind, Kind::Macro) && definition.name == name)
        };
        let all = 0..self.tree.modules.len();
        all.clone()
            .rev()
            .filter(|&id| self.tree.is_within(module, id))
            .find(defines)
            .or_else(|| all.clone().find(defines))
    }

    /// `busy` holds the (module, name) that are being looked up, so that imports in a circle end.
    fn resolve_within(
        &self,
        module: ModuleId,
        path: &[String],
        busy: &mut Vec<(ModuleId, String)>,
    ) -> Vec<Target> {
        let [first, rest @ ..] = path else { return vec![Target::Module(module)] };
        let start = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => vec![Target::Module(self.tree.modules[module].parent)],
            _ => self.lookup(module, module, first, busy),
        };
        match start.is_empty() {
            true => vec![Target::Foreign],
            false => self.follow(module, start, rest, busy),
        }
    }

    fn follow(
        &self,
        viewer: ModuleId,
        targets: Vec<Target>,
        rest: &[String],
        busy: &mut Vec<(ModuleId, String)>,
    ) -> Vec<Target> {
        let [next, after @ ..] = rest else { return targets };
        let module = targets.iter().find_map(|target| match target {
            Target::Module(module) => Some(*module),
            _ => None,
        });
        let Some(module) = module else {
            // `Type::name`, `Enum::Variant`: the type's module, and the one of an `impl` elsewhere.
            let impls = targets.iter().filter_map(|target| {
                let Target::Item(home, name) = target else { return None };
                let module = *self.associated.get(&(*home, name.clone(), next.clone()))?;
                Some(Target::Item(module, next.clone()))
            });
            return impls.chain(targets.iter().cloned()).collect();
        };
        if next == "super" {
            return self.follow(viewer, vec![Target::Module(self.tree.modules[module].parent)], after, busy);
        }
        let found = self.lookup(viewer, module, next, busy);
        if found.is_empty() {
            // Made by a macro, as far as one can see.
            return vec![Target::Item(module, next.clone())];
        }
        self.follow(viewer, found, after, busy)
    }

    /// What a name stands for in a module, as far as `viewer` can see it: defined, else imported, else by a glob.
    fn lookup(
        &self,
        viewer: ModuleId,
        module: ModuleId,
        name: &str,
        busy: &mut Vec<(ModuleId, String)>,
    ) -> Vec<Target> {
        let key = (module, name.to_string());
        if busy.contains(&key) {
            return Vec::new();
        }
        busy.push(key);
        let contents = &self.tree.modules[module];
        let can_see =
            |seen_in: Option<ModuleId>| seen_in.is_none_or(|outer| self.tree.is_within(viewer, outer));
        let mut found: Vec<Target> = contents
            .definitions
            .iter()
            .filter(|definition| definition.name == name && can_see(definition.seen_in))
            .map(|definition| match definition.kind {
                Kind::Module(id) => Target::Module(id),
                Kind::Macro | Kind::Item(_) => Target::Item(module, name.to_string()),
            })
            .collect();
        let visible = || contents.imports.iter().filter(|import| can_see(import.seen_in));
        for Import { path, .. } in visible().filter(|import| import.name.as_deref() == Some(name)) {
            found.extend(self.resolve_within(module, path, busy));
        }
        if found.is_empty() {
            for Import { path, .. } in visible().filter(|import| import.name.is_none()) {
                let glob = self.resolve_within(module, path, busy);
                found.extend(self.in_glob(module, glob, name, busy));
            }
        }
        busy.pop();
        found.dedup();
        found
    }

    /// What a glob over these makes of a name: an item of the module, a variant of the enum.
    fn in_glob(
        &self,
        viewer: ModuleId,
        glob: Vec<Target>,
        name: &str,
        busy: &mut Vec<(ModuleId, String)>,
    ) -> Vec<Target> {
        let mut found = Vec::new();
        for target in glob {
            match target {
                Target::Module(module) => found.extend(self.lookup(viewer, module, name, busy)),
                Target::Item(module, of) => {
                    let mut definitions = self.tree.modules[module].definitions.iter();
                    let is_variant = |kind: &Kind| matches!(kind, Kind::Item(variants) if variants.iter().any(|variant| variant == name));
                    if definitions.any(|definition| definition.name == of && is_variant(&definition.kind)) {
                        found.push(Target::Item(module, of));
                    }
                }
                Target::Foreign => {}
            }
        }
        found
    }
}
