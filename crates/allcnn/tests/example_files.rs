//! The files that the documentation shows are valid. Not part of the package: they lie outside of it.
#![allow(clippy::unwrap_used)]

use allcnn::net::Network;
use allcnn::recipe::Recipe;

#[test]
fn the_network_goes_back_and_forth_exactly() {
    let network = Network::from_toml(include_str!("../../../examples/network.toml")).unwrap();
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
}

#[test]
fn the_recipes_are_for_layers_that_their_networks_have() {
    for (network, recipe) in [
        ("nin", include_str!("../../../examples/recipe-nin.toml")),
        ("maxout", include_str!("../../../examples/recipe-maxout.toml")),
    ] {
        let rules = Recipe::from_toml(recipe).unwrap().layers;
        rules.check(&Network::named(network, 10).unwrap()).unwrap();
        assert!(!rules.is_empty());
    }
}
