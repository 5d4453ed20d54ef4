//! The network file that the documentation shows is valid. Not part of the package: the file lies outside of it.
#![allow(clippy::unwrap_used)]

use allcnn::net::Network;

#[test]
fn the_example_goes_back_and_forth_exactly() {
    let network = Network::from_toml(include_str!("../../../examples/network.toml")).unwrap();
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
}
