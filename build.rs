//! The linker's list of exports is not a file that cargo knows of.

fn main() {
    for file in ["dev/callbacks.txt", "dev/link-wasm.sh"] {
        println!("cargo::rerun-if-changed={file}");
    }
}
