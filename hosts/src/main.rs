//! What happens on a host: the program that Esclusa's orders run there.

fn main() {
    eprintln!("esclusa-host {}", env!("CARGO_PKG_VERSION"));
}
