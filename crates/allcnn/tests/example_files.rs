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
        ("dsn", include_str!("../../../examples/recipe-dsn.toml")),
        ("tree-prior", include_str!("../../../examples/recipe-tree-prior.toml")),
    ] {
        let (recipe, network) = (Recipe::from_toml(recipe).unwrap(), Network::named(network, 10).unwrap());
        recipe.layers.check(&network).unwrap();
        assert!(!recipe.layers.is_empty());
        if let Some(companions) = recipe.companions {
            assert_eq!(companions.layers_of(&network, 0).unwrap(), [0, 4, 8], "the first of each stage");
        }
    }
}
