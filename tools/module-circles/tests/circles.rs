//! Planted circles of every kind are found, innocent trees pass, and the workspace has none.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use module_circles::{circles_of_crate, circles_of_text, workspace_crates};

/// The circles of a crate, each as the names of its modules.
fn circles(text: &str) -> Vec<String> {
    let found = circles_of_text(text).unwrap();
    found.iter().map(|circle| circle.modules.iter().cloned().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn two_modules_that_use_each_other_are_a_circle() {
    let text = "mod a { use super::b::B; pub struct A(B); }
                mod b { use crate::a::A; pub struct B(A); }";
    assert_eq!(circles(text), ["a b"]);
}

#[test]
fn a_circle_says_where_each_arrow_is() {
    let text = "mod a { use super::b::B;\n pub struct A(B); }\nmod b {\n use crate::a::A; pub struct B(A); }";
    let printed = circles_of_text(text).unwrap()[0].to_string();
    assert_eq!(
        printed,
        "a circle of 2 modules: a, b\n  a -> b\n    lib.rs:1  B\n  b -> a\n    lib.rs:4  A\n"
    );
}

#[test]
fn two_circles_are_two() {
    let pair = "mod x { pub struct X(super::y::Y); } pub mod y { pub struct Y(super::x::X); }";
    let text = format!("mod one {{ {pair} }} mod two {{ {pair} }}");
    assert_eq!(circles(&text), ["one::x one::y", "two::x two::y"]);
}

#[test]
fn a_circle_of_three_is_one() {
    let text = "mod a { fn f() { crate::b::f() } } mod b { pub fn f() { crate::c::f() } }
                mod c { pub fn f() { crate::a::f() } }";
    assert_eq!(circles(text), ["a b c"]);
}

/// `b` needs `a`, which comes back to `b` by `code`.
fn assert_returns(code: &str) {
    let text = format!(
        "pub mod a {{ {code} }}
         pub mod b {{
             use super::a;
             pub struct B; pub struct Pair {{ pub left: i32 }} pub enum Side {{ Left, Right }} pub const N: usize = 1;
             pub trait Does {{ const K: i32; fn run(); }} pub fn f() {{ a::come() }} pub mod inner {{ pub fn g() {{}} }}
             macro_rules! print {{ () => {{}} }} pub(crate) use print;
         }}
         pub mod front {{ pub use super::second::*; }}
         pub mod second {{ pub use crate::b::B as Renamed; pub use crate::b::{{Side, f}}; }}"
    );
    assert_eq!(circles(&text), ["a b"], "{code}");
    let innocent = circles(&text.replace(code, "pub fn come() {}"));
    assert_eq!(innocent, Vec::<String>::new());
}

#[test]
fn every_way_to_name_an_item_is_seen() {
    for code in [
        // imports
        "use super::b::B;",
        "use crate::{b::{self, Side as Other}};",
        "use super::b as other; fn f() { other::f() }",
        "use super::*; fn f() -> b::B { loop {} }",
        "use super::b::*; fn f(side: Side) {}",
        "use crate::b::Side::*; fn f() { Left; }",
        "fn f() { use super::b::Side; }",
        "fn f() { use super::b::Side::*; match 1 { _ => Left }; }",
        "use self::super::b::B;",
        "pub use super::b::B;",
        // full paths
        "fn f() { super::b::f() }",
        "fn f() { crate::b::f() }",
        "fn f(b: super::b::B) {}",
        "fn f() -> Option<Vec<super::b::B>> { None }",
        "fn f<T: super::b::Does>() {}",
        "fn f<T>() where T: super::b::Does {}",
        "fn f() { i32::from(<() as crate::b::Does>::K); }",
        "impl super::b::Does for i32 {}",
        "impl super::b::B { fn g() {} }",
        "type A = super::b::B;",
        "struct A { b: super::b::B }",
        "enum A { B([u8; super::b::N]) }",
        "fn f() { match x { crate::b::Side::Left => 1, _ => 2 }; }",
        "fn f() { let crate::b::Pair { left } = x; }",
        "fn f() { let pair = crate::b::Pair { left: 1 }; }",
        "fn f() { x.map(super::b::f); }",
        "static A: usize = super::b::N;",
        "#[serde(with = \"super::b\")] struct A;",
        "#[arg(default_value_t = super::b::N)] struct A;",
        // macros
        "fn f() { assert_eq!(1, super::b::N); }",
        "fn f() { println!(\"{}\", [(1, super::b::f())].len()); }",
        "use super::b::*; fn f() { assert!(N == 1); }",
        "use super::b::*; fn g() { assert!(f()); }",
        "macro_rules! m { ($x:expr) => { $crate::b::f($x) } }",
        "fn f() { crate::b::print!() }",
        "use super::b::*; fn g() { print!() }",
        // re-exports
        "use super::second::Renamed;",
        "use super::front::Renamed;",
        "use crate::front::*; fn f() -> Renamed { loop {} }",
        "use crate::front; fn g() { front::f() }",
        "fn g() { crate::front::Side::Left; }",
    ] {
        assert_returns(&format!("{code} pub fn come() {{}}"));
    }
}

#[test]
fn a_parent_that_uses_its_child_and_a_child_that_uses_the_parent_are_a_circle() {
    let child = "mod child { use super::Own; pub fn f(_: Own) {} }";
    assert_eq!(
        circles(&format!("mod p {{ pub struct Own; {child} fn g() {{ child::f(Own) }} }}")),
        ["p p::child"]
    );
    // By a re-export of its own.
    let text = format!("mod p {{ pub struct Own; {child} pub use child::f; fn g() {{ f(Own) }} }}");
    assert_eq!(circles(&text), ["p p::child"]);
    // A private import is a use.
    let text = format!("mod p {{ pub struct Own; {child} use child::f; }}");
    assert_eq!(circles(&text), ["p p::child"]);
}

#[test]
fn the_root_is_a_module_too() {
    let text = "pub struct Root; mod a { pub struct A(crate::Root); } fn f() -> a::A { loop {} }";
    assert_eq!(circles(text), ["a crate"]);
}

#[test]
fn an_associated_function_belongs_to_the_module_of_its_impl() {
    let text = "mod types { pub struct T; impl T { fn own() { Self::made() } } }
                mod makes { use super::types::T; impl T { pub fn made() {} } }";
    assert_eq!(circles(text), ["makes types"]);
    let text = "mod types { pub struct T; impl T { pub fn own() {} } }
                mod makes { use super::types::T; impl T { pub fn made() { Self::own(); } } }";
    assert_eq!(circles(text), Vec::<String>::new());
}

#[test]
fn what_is_no_arrow_is_none() {
    for text in [
        // A parent that declares, re-exports and hands a sibling's item to a child.
        "mod p { mod x; pub mod a { pub struct A; } pub mod b { use super::A; pub struct B(A); } pub use a::A; pub use b::*; }"
            .replace("mod x;", "")
            .as_str(),
        "mod p { pub(super) mod a { pub mod deep { pub struct A; } } pub(crate) use a::deep::{self, A}; }
         mod q { use crate::p::A; pub struct Q(A); }",
        // The child uses the parent, the parent only declares and re-exports it.
        "mod p { pub struct Own; pub mod c { pub struct C(super::Own); } pub use c::C; }",
        // Tests.
        "mod a { pub struct A; #[cfg(test)] mod tests { use crate::b::B; } } mod b { pub struct B(crate::a::A); }",
        "mod a { pub struct A; #[cfg(all(test, unix))] use crate::b::B; #[test] fn f() { crate::b::f() } }
         mod b { pub struct B(crate::a::A); }",
        "mod a { pub struct A; impl A { #[cfg(test)] fn f() { crate::b::f() } } } mod b { pub struct B(crate::a::A); }",
        // Names of other things that are called the same.
        "mod a { pub fn f<B>(b: B) -> B { b } } mod b { pub struct B; fn g() { crate::a::f(1) } }",
        "mod b { pub use c::f; mod c { use super::T; pub fn f(_: T) {} } pub struct T; fn g(f: usize) -> usize { f } }",
        "mod b { pub use c::f; mod c { use super::T; pub fn f(_: T) {} } pub struct T; fn g(f: usize) { print!(\"{}\", f) } }",
        "mod b { pub use c::f; mod c { use super::T; pub fn f(_: T) {} } pub struct T; fn g(t: T) { print!(\"{}\", t.f()) } }",
        "mod a { use std::fmt; struct A; impl fmt::Display for A {} } mod fmt { use super::a; fn f() { a::g() } }",
        "mod a { fn f() { struct B; B; } pub use super::b::*; } mod b { pub struct C; }",
        // What a module imports for itself nobody else gets by a glob.
        "mod a { use crate::b::B; pub struct A(B); } mod b { pub struct B; } mod c { use crate::a::*; struct C(B); }",
        // Imports that go in a circle.
        "mod a { pub use super::b::*; } mod b { pub use super::a::*; fn f() { g() } }",
    ] {
        assert_eq!(circles(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_tests_and_others_compile_counts() {
    let text = "mod a { pub struct A; #[cfg(any(test, unix))] use crate::b::B; } mod b { pub struct B(crate::a::A); }";
    assert_eq!(circles(text), ["a b"]);
    let text =
        "mod a { pub struct A; #[cfg(not(test))] use crate::b::B; } mod b { pub struct B(crate::a::A); }";
    assert_eq!(circles(text), ["a b"]);
}

#[test]
fn modules_are_found_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join("src").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("lib.rs", "mod one; mod two; #[path = \"elsewhere.rs\"] mod three;");
    write("one.rs", "mod inner; pub struct One(inner::Inner);");
    write("one/inner.rs", "use crate::two::deep::Deep; pub struct Inner(Deep);");
    write("two/mod.rs", "pub mod deep;");
    write("two/deep.rs", "pub struct Deep(crate::three::Three);");
    write("elsewhere.rs", "pub struct Three(crate::one::One);");
    let found = circles_of_crate(folder.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(Vec::from_iter(&found[0].modules), ["one", "one::inner", "three", "two::deep"]);
    let broken = "one/inner.rs";
    write(broken, "pub struct {");
    let error = circles_of_crate(folder.path()).unwrap_err().to_string();
    assert!(error.contains(broken), "{error}");
}

#[test]
fn no_modules_of_the_workspace_form_a_circle() {
    let mut printed = String::new();
    for folder in workspace_crates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap() {
        for circle in circles_of_crate(&folder).unwrap() {
            printed += &format!("{}: {circle}", folder.display());
        }
    }
    assert!(printed.is_empty(), "{printed}");
}
