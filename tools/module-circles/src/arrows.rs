//! Every path of a module's code, and the module it points at.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Generics, ImplItem, ImplItemFn, Item, ItemEnum, ItemFn, ItemImpl, ItemStruct,
    ItemTrait, ItemType, ItemUse, Local, Macro, Meta, PatIdent, Path, Signature, Stmt, TraitItemFn, Type,
    Visibility,
};

use crate::resolve::{Resolver, Target};
use crate::tests_only::{attributes, is_tests_only};
use crate::tree::{Import, ModuleId, Tree, imports};

/// A module names what another one defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The module that names.
    pub from: String,
    /// The module that defines.
    pub to: String,
    /// Where it is named.
    pub file: PathBuf,
    /// The line there.
    pub line: usize,
    /// What is named: the item as it is called where it is defined, or the module.
    pub item: String,
}

/// All arrows of a crate.
pub(crate) fn find(tree: &Tree) -> Vec<Arrow> {
    let resolver = Resolver::new(tree);
    let mut arrows = BTreeSet::new();
    for (module, contents) in tree.modules.iter().enumerate() {
        let mut reader = Reader { resolver: &resolver, module, scopes: Vec::new(), arrows: &mut arrows };
        for import in &contents.imports {
            reader.import(import);
        }
        for item in &contents.items {
            reader.visit_item(item);
        }
    }
    arrows.into_iter().collect()
}

/// Reads the code of a module.
struct Reader<'a> {
    resolver: &'a Resolver<'a>,
    module: ModuleId,
    scopes: Vec<Scope>,
    arrows: &'a mut BTreeSet<Arrow>,
}

/// What an item or block names for itself.
#[derive(Default)]
struct Scope {
    /// Generic parameters and local items: paths that begin with them end here.
    local: HashSet<String>,
    /// Variables: they hide functions of their names.
    variables: HashSet<String>,
    imports: Vec<Import>,
    /// What `Self` is.
    own: Option<Vec<String>>,
}

impl Scope {
    fn of(generics: &Generics) -> Self {
        let types = generics.type_params().map(|parameter| &parameter.ident);
        let constants = generics.const_params().map(|parameter| &parameter.ident);
        Self { local: types.chain(constants).map(ToString::to_string).collect(), ..Self::default() }
    }

    fn of_function(signature: &Signature, block: Option<&Block>) -> Self {
        let mut variables = Variables(HashSet::new());
        variables.visit_signature(signature);
        if let Some(block) = block {
            variables.visit_block(block);
        }
        Self { variables: variables.0, ..Self::of(&signature.generics) }
    }
}

/// The names that patterns bind.
struct Variables(HashSet<String>);

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.0.insert(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }
}

impl Reader<'_> {
    fn within(&mut self, scope: Scope, read: impl FnOnce(&mut Self)) {
        self.scopes.push(scope);
        read(self);
        self.scopes.pop();
    }

    fn import(&mut self, import: &Import) {
        let targets = self.resolver.resolve(self.module, &import.path);
        let tree = self.resolver.tree;
        let is_from_child = |target: &Target| match target {
            Target::Module(to) | Target::Item(to, _) => tree.is_within(*to, self.module),
            Target::Foreign => true,
        };
        // What a glob over a module brings is pointed at where it is used.
        let is_open =
            import.name.is_none() && targets.iter().all(|target| !matches!(target, Target::Item(..)));
        let is_plain_reexport = import.is_reexport && targets.iter().all(is_from_child);
        if !is_open && !is_plain_reexport {
            self.point(&targets, import.line);
        }
    }

    /// Notes the arrows of a path.
    fn name(&mut self, path: &[String], line: usize) {
        self.point(&self.targets(path), line);
    }

    fn targets(&self, path: &[String]) -> Vec<Target> {
        let (module, first) = (self.module, &path[0]);
        for scope in self.scopes.iter().rev() {
            if scope.local.contains(first) || (path.len() == 1 && scope.variables.contains(first)) {
                return Vec::new();
            }
            if let Some(own) = scope.own.as_ref().filter(|_| first == "Self") {
                let own = self.resolver.resolve(module, own);
                return self.resolver.resolve_from(module, &own, &path[1..]);
            }
            for import in &scope.imports {
                let start = match &import.name {
                    Some(name) if name == first => self.resolver.resolve(module, &import.path),
                    Some(_) => continue,
                    None => self.resolver.by_glob(module, &import.path, first),
                };
                if !start.is_empty() {
                    return self.resolver.resolve_from(module, &start, &path[1..]);
                }
            }
        }
        if first == "Self" { Vec::new() } else { self.resolver.resolve(module, path) }
    }

    fn point(&mut self, targets: &[Target], line: usize) {
        let modules = &self.resolver.tree.modules;
        let has_item = targets.iter().any(|target| matches!(target, Target::Item(..)));
        for target in targets {
            let (to, item) = match target {
                Target::Item(to, item) => (*to, item),
                Target::Module(to) if !has_item => (*to, &modules[*to].name),
                _ => continue,
            };
            if to != self.module {
                self.arrows.insert(Arrow {
                    from: modules[self.module].name.clone(),
                    to: modules[to].name.clone(),
                    file: modules[self.module].file.clone(),
                    line,
                    item: item.clone(),
                });
            }
        }
    }

    /// Paths among tokens: those with `::`, names that begin with a capital, functions and macros that are called.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let punct = |at: usize| match tokens.get(at) {
            Some(TokenTree::Punct(punct)) => Some((punct.as_char(), punct.spacing() == Spacing::Joint)),
            _ => None,
        };
        let mut at = 0;
        while at < tokens.len() {
            let before = |back: usize| at.checked_sub(back).and_then(punct).map(|(punct, _)| punct);
            // A field or method, a lifetime, a variable of `macro_rules`.
            let is_member = before(1) == Some('.') && before(2) != Some('.');
            let is_other = is_member || matches!(before(1), Some('\'' | '$'));
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) if !is_other || first == "crate" => {
                    let (mut path, line) = (vec![first.to_string()], first.span().start().line);
                    while let (Some((':', true)), Some((':', _)), Some(TokenTree::Ident(next))) =
                        (punct(at + 1), punct(at + 2), tokens.get(at + 3))
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let is_called = matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
                        || matches!(punct(at + 1), Some(('!', false)));
                    if path.len() > 1 || is_called || path[0].starts_with(char::is_uppercase) {
                        self.name(&path, line);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

fn segments(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn line(path: &Path) -> usize {
    path.segments.first().map_or(0, |segment| segment.ident.span().start().line)
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.name(&segments(path), line(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        // A constant or a unit variant looks like a variable.
        let name = pattern.ident.to_string();
        if name.starts_with(char::is_uppercase) {
            self.name(&[name], pattern.ident.span().start().line);
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let path = segments(&called.path);
        let targets = self.targets(&path);
        match (path.as_slice(), targets.as_slice()) {
            ([name], [Target::Foreign] | []) => {
                if let Some(module) = self.resolver.textual_macro(self.module, name) {
                    self.point(&[Target::Item(module, name.clone())], line(&called.path));
                }
            }
            _ => self.point(&targets, line(&called.path)),
        }
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        const WITHOUT_PATHS: [&str; 6] = ["allow", "cfg", "derive", "doc", "expect", "target_feature"];
        if let Meta::List(list) = &attribute.meta {
            if !WITHOUT_PATHS.iter().any(|name| list.path.is_ident(name)) {
                self.tokens(list.tokens.clone());
            }
            // `#[serde(with = "a::b")]`
            if list.path.is_ident("serde") {
                for token in list.tokens.clone() {
                    let TokenTree::Literal(literal) = token else { continue };
                    let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { continue };
                    if let Ok(path) = text.parse::<Path>() {
                        self.name(&segments(&path), literal.span().start().line);
                    }
                }
            }
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_tests_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_tests_only(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if !is_tests_only(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_tests_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for found in imports(&item.tree) {
            self.import(&found);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        let mut scope = Scope::default();
        for statement in &block.stmts {
            match statement {
                Stmt::Item(Item::Use(item)) => scope.imports.extend(imports(&item.tree)),
                Stmt::Item(Item::Const(item)) => _ = scope.local.insert(item.ident.to_string()),
                Stmt::Item(Item::Enum(item)) => _ = scope.local.insert(item.ident.to_string()),
                Stmt::Item(Item::Fn(item)) => _ = scope.local.insert(item.sig.ident.to_string()),
                Stmt::Item(Item::Static(item)) => _ = scope.local.insert(item.ident.to_string()),
                Stmt::Item(Item::Struct(item)) => _ = scope.local.insert(item.ident.to_string()),
                Stmt::Item(Item::Trait(item)) => _ = scope.local.insert(item.ident.to_string()),
                Stmt::Item(Item::Type(item)) => _ = scope.local.insert(item.ident.to_string()),
                Stmt::Item(Item::Macro(item)) => {
                    scope.local.extend(item.ident.as_ref().map(ToString::to_string))
                }
                _ => {}
            }
        }
        self.within(scope, |reader| visit::visit_block(reader, block));
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.within(Scope::of_function(&item.sig, Some(&item.block)), |reader| {
            visit::visit_item_fn(reader, item)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        let scope = Scope::of_function(&item.sig, Some(&item.block));
        self.within(scope, |reader| visit::visit_impl_item_fn(reader, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        let scope = Scope::of_function(&item.sig, item.default.as_ref());
        self.within(scope, |reader| visit::visit_trait_item_fn(reader, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let own = match &*item.self_ty {
            Type::Path(own) if own.qself.is_none() => Some(segments(&own.path)),
            _ => None,
        };
        let scope = Scope { own, ..Scope::of(&item.generics) };
        self.within(scope, |reader| visit::visit_item_impl(reader, item));
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.within(Scope::of(&item.generics), |reader| visit::visit_item_trait(reader, item));
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.within(Scope::of(&item.generics), |reader| visit::visit_item_struct(reader, item));
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.within(Scope::of(&item.generics), |reader| visit::visit_item_enum(reader, item));
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.within(Scope::of(&item.generics), |reader| visit::visit_item_type(reader, item));
    }
}
