// SPDX-License-Identifier: GPL-3.0-or-later
use std::collections::BTreeMap;

fn main() {
    let squares: BTreeMap<u64, u64> = (1..=3).map(|number| (number, number * number)).collect();
    println!("hello from Rust on {}: {:?}", std::env::consts::ARCH, squares);
}
