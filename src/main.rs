//! lacre
fn main() {}
